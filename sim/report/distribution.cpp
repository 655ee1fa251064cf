// SPDX-License-Identifier: Apache-2.0
#include "sim/report/distribution.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::report {

Quantiles quantiles_of(std::vector<double> values) {
  SIM_ASSERT(!values.empty());
  Quantiles q;
  for (const double v : values)
    q.mean += v;
  q.mean /= static_cast<double>(values.size());
  if (values.size() > 1) {
    const auto n = static_cast<double>(values.size());
    double squares = 0;
    for (const double v : values)
      squares += (v - q.mean) * (v - q.mean);
    q.standard_error = std::sqrt(squares / (n - 1) / n);
  }
  std::sort(values.begin(), values.end());
  const auto at = [&](double p) {
    const double place = p * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  q.p05 = at(0.05);
  q.p50 = at(0.50);
  q.p95 = at(0.95);
  return q;
}

} // namespace sim::report
