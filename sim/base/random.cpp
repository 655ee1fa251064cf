// SPDX-License-Identifier: Apache-2.0
#include "sim/base/random.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/hash.hpp"
#include "sim/base/normal_distribution.hpp"
#include "sim/base/philox.hpp"
#include "sim/base/portable_math.hpp"

namespace sim {
inline namespace base {
namespace {

__extension__ using Wide = unsigned __int128;

std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
std::uint64_t joined(std::uint32_t low, std::uint32_t high) {
  return std::uint64_t{high} << 32 | low;
}

// Spreads every bit of the input over the whole word (the finaliser of SplitMix64; Steele et al.,
// OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
  return x ^ x >> 31;
}

} // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> key) {
  PhiloxWords<1> words{{{c[0]}, {c[1]}, {c[2]}, {c[3]}}};
  philox_lanes(words, key);
  return {words[0][0], words[1][0], words[2][0], words[3][0]};
}

// Seed and purpose choose the key; the index is half of the counter, so that streams that differ in
// it never overlap.
RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index)
    : key_{mixed(fnv1a(seed, fnv1a(purpose))), index} {}

std::uint64_t RandomStream::bits() {
  const std::uint64_t draw = counter_++;
  if (draw % 2 == 1)
    return second_half_;
  const std::uint64_t block = draw / 2;
  const auto words =
      philox({low_word(block), high_word(block), low_word(key_[1]), high_word(key_[1])},
             {low_word(key_[0]), high_word(key_[0])});
  second_half_ = joined(words[2], words[3]);
  return joined(words[0], words[1]);
}

double RandomStream::uniform() { // the middle of one of 2^52 equal intervals
  return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52;
}

double RandomStream::exponential() { return -portable_log(uniform()); }

double RandomStream::normal() { return normal_quantile(uniform()); }

// D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), algorithm 5.
std::uint64_t RandomStream::below(std::uint64_t bound) {
  SIM_ASSERT(bound > 0);
  Wide product = Wide{bits()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t unfair = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < unfair)
      product = Wide{bits()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

} // namespace base
} // namespace sim
