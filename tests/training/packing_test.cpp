// SPDX-License-Identifier: Apache-2.0
#include "sim/training/packing.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

using namespace sim;
using namespace sim::training;

namespace {

Experience experience(double mean, double sigma, double prompt = 0) {
  return {512, 512 * (prompt + mean), 0, prompt, rollout::LengthLaw(mean, sigma, 1e9)};
}

// First fit decreasing, as it is told.
double first_fit(std::vector<double> documents, double length) {
  std::sort(documents.begin(), documents.end(), std::greater<>());
  std::vector<double> sequences;
  double tokens = 0;
  for (const double document : documents) {
    tokens += document;
    const auto room = std::find_if(sequences.begin(), sequences.end(),
                                   [&](double filled) { return filled + document <= length; });
    if (room != sequences.end())
      *room += document;
    else
      sequences.push_back(document);
  }
  return tokens / (double(sequences.size()) * length);
}

} // namespace

TEST_CASE("documents of one length fill what whole numbers of them fill") {
  // Seven of 4,196 tokens in 32,768; the last sequence has one of 512 = 73 x 7 + 1.
  CHECK(packed_share(experience(4096, 0, 100), 512, 32768) ==
        Approx(512 * 4196.0 / (74 * 32768.0)).epsilon(1e-12));
  CHECK(packed_share(experience(16384, 0), 512, 32768) == Approx(1));
  CHECK(packed_share(experience(16385, 0), 512, 32768) == Approx(0.5).epsilon(1e-3));
  // Longer than a sequence: whole ones, and the halves that are left pair up.
  CHECK(packed_share(experience(3 * 16384.0, 0), 512, 32768) == Approx(1));
  // One document alone.
  CHECK(packed_share(experience(1000, 0), 1, 4000) == Approx(0.25));
}

TEST_CASE("best fit loses little where sequences are long, much where they hold one response") {
  CHECK(packed_share(experience(7400, 0.8, 150), 512, 32768) > 0.98);
  // Short responses fill what long ones leave; where all are longer than half a sequence, nothing
  // does.
  CHECK(packed_share(experience(1500, 0.8, 100), 512, 4096) > 0.98);
  const double share = packed_share(experience(2700, 0.1), 512, 4096);
  CHECK(share < 0.7);
  CHECK(share >= Approx(2700 / 4096.0).epsilon(1e-3)); // one for each at worst
}

TEST_CASE("a sample of quantiles packs like random responses") {
  RandomStream random(5, "tests/training/packing");
  for (const double sigma : {0.3, 0.8, 1.2})
    for (const double mean : {600.0, 2500.0}) {
      const Experience one = {512, 0, 0, 100, rollout::LengthLaw(mean, sigma, 3996)};
      std::vector<double> documents;
      for (int i = 0; i < 4096; ++i)
        documents.push_back(100 + one.law.quantile(1e-9 + random.uniform() * (1 - 2e-9)));
      CAPTURE(sigma, mean);
      CHECK(packed_share(one, 512, 4096) == Approx(first_fit(documents, 4096)).epsilon(0.02));
    }
}
