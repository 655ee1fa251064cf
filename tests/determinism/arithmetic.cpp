// SPDX-License-Identifier: Apache-2.0
// Prints one hash of the bits that the base room's functions and draws give at many points; with
// the argument "library", of what the C library's functions give there instead.
// tools/check-determinism builds it with each compiler: the first must never change, and the second
// shows that a machine without FMA instructions was really imitated.
#include "sim/base/hash.hpp"
#include "sim/base/normal_distribution.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/base/random.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace {

constexpr int points = 200'000;

std::uint64_t ours() {
  sim::RandomStream draws(1, "determinism");
  std::uint64_t hash = sim::fnv_offset;
  const auto add = [&hash](double value) { hash = sim::fnv1a(value, hash); };
  for (int i = 0; i < points; ++i) {
    const double x = 700 * draws.normal(), y = draws.exponential(), p = draws.uniform();
    add(x);
    add(y);
    add(sim::portable_exp(x));
    add(sim::portable_log(y));
    add(sim::portable_log2(p));
    add(sim::portable_pow(y, x));
    add(sim::normal_quantile(p));
    add(sim::normal_cdf(x / 100));
    if (i % 100 == 0)
      hash = sim::fnv1a(sim::number_text(x * y), hash);
    hash = sim::fnv1a(draws.below(1'000'003), hash);
  }
  return hash;
}

std::uint64_t library() {
  sim::RandomStream draws(1, "determinism");
  std::uint64_t hash = sim::fnv_offset;
  for (int i = 0; i < points; ++i) {
    const double x = draws.uniform();
    for (double (*function)(double) :
         {static_cast<double (*)(double)>(std::exp), static_cast<double (*)(double)>(std::log),
          static_cast<double (*)(double)>(std::sin)})
      hash = sim::fnv1a(function(x), hash);
    hash = sim::fnv1a(std::pow(x, 1.7), hash);
  }
  return hash;
}

} // namespace

int main(int argc, char** argv) {
  const bool control = argc == 2 && std::string_view(argv[1]) == "library";
  std::printf("%016llx\n", static_cast<unsigned long long>(control ? library() : ours()));
}
