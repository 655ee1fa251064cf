// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/study/score.hpp"

#include <algorithm>

namespace sim::study {

namespace {

double absolute(double value) { return value < 0 ? -value : value; }

// Type 7 of Hyndman and Fan. Requires: sorted, not empty.
double quantile_of(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

} // namespace

report::ErrorStatistics statistics_of(const std::vector<double>& errors_percent) {
  report::ErrorStatistics s;
  s.values = errors_percent.size();
  if (errors_percent.empty())
    return s;
  std::vector<double> sizes;
  for (const double error : errors_percent) {
    sizes.push_back(absolute(error));
    s.mean += sizes.back();
    s.bias += error;
    if (absolute(error) > absolute(s.worst))
      s.worst = error;
  }
  const auto count = static_cast<double>(s.values);
  s.mean /= count;
  s.bias /= count;
  std::sort(sizes.begin(), sizes.end());
  s.median = quantile_of(sizes, 0.5);
  s.p90 = quantile_of(sizes, 0.9);
  return s;
}

double baseline_error(const ImpliedMfu& implied, double mfu) {
  return 100 * ((implied.rate ? mfu / implied.mfu : implied.mfu / mfu) - 1);
}

double best_constant_mfu(const std::vector<ImpliedMfu>& implied) {
  SIM_ASSERT(!implied.empty());
  double best = 0, least = 0;
  for (const ImpliedMfu& candidate : implied) {
    double sum = 0;
    for (const ImpliedMfu& one : implied)
      sum += absolute(baseline_error(one, candidate.mfu));
    if (best == 0 || sum < least) {
      best = candidate.mfu;
      least = sum;
    }
  }
  return best;
}

} // namespace sim::study
