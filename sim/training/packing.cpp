// SPDX-License-Identifier: Apache-2.0
#include "sim/training/packing.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sim::training {
namespace {

constexpr double most_sampled = 512; // the fill of so many bins is that of more

} // namespace

double packed_share(const Experience& experience, double responses, double length) {
  const double count = std::clamp(std::ceil(responses - 1e-9), 1.0, most_sampled);
  double whole = 0, tokens = 0;
  std::vector<double> free; // of each sequence that is not full, ascending
  for (double i = count - 0.5; i > 0; --i) {
    const double document =
        std::max(1.0, std::round(experience.prompt_tokens +
                                 experience.law.quantile(experience.kept * i / count)));
    tokens += document;
    const double full = std::floor(document / length), rest = document - full * length;
    whole += full;
    if (rest <= 0)
      continue;
    const auto fullest = std::lower_bound(free.begin(), free.end(), rest);
    double left = length - rest;
    if (fullest != free.end()) {
      left = *fullest - rest;
      free.erase(fullest);
    }
    free.insert(std::lower_bound(free.begin(), free.end(), left), left);
  }
  return tokens / ((whole + double(free.size())) * length);
}

} // namespace sim::training
