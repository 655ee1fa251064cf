// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/length.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/normal_distribution.hpp"
#include "sim/base/portable_math.hpp"

#include <algorithm>

namespace sim::rollout {
namespace {

// The k-th longest output is grouped with one in so many of those that are longer.
constexpr std::int64_t outputs_per_group = 32;

void require_ascending(bool ascending, const char* what) {
  if (!ascending)
    throw InfeasibleError(
        "stages", std::string(what) + " of the response lengths must rise from point to point",
        "give at least one point, in ascending order");
}

void check(const LengthSpec& lengths) {
  bool ascending = !lengths.mean.empty();
  for (std::size_t i = 1; i < lengths.mean.size(); ++i)
    ascending = ascending && lengths.mean[i - 1].step < lengths.mean[i].step;
  require_ascending(ascending, "the steps of the mean");
  ascending = !lengths.cap.empty();
  for (std::size_t i = 1; i < lengths.cap.size(); ++i)
    ascending = ascending && lengths.cap[i - 1].until_step < lengths.cap[i].until_step;
  require_ascending(ascending, "until_step of the cap");
}

} // namespace

double scheduled_mean(const LengthSpec& lengths, std::int64_t step) {
  check(lengths);
  const std::vector<SchedulePoint>& points = lengths.mean;
  if (step <= points.front().step)
    return points.front().tokens;
  for (std::size_t i = 1; i < points.size(); ++i)
    if (step < points[i].step) {
      const double share =
          double(step - points[i - 1].step) / double(points[i].step - points[i - 1].step);
      return points[i - 1].tokens + share * (points[i].tokens - points[i - 1].tokens);
    }
  return points.back().tokens;
}

double scheduled_cap(const LengthSpec& lengths, std::int64_t step) {
  check(lengths);
  for (const CapPoint& point : lengths.cap)
    if (step < point.until_step)
      return double(point.tokens);
  return double(lengths.cap.back().tokens);
}

LengthLaw::LengthLaw(const LengthSpec& lengths, std::int64_t step)
    : LengthLaw(lengths.scale * scheduled_mean(lengths, step), lengths.sigma,
                std::min(scheduled_cap(lengths, step), lengths.ends_at)) {}

LengthLaw::LengthLaw(double mean, double sigma, double cap)
    : log_median_(portable_log(mean) - sigma * sigma / 2), sigma_(sigma), cap_(std::max(1.0, cap)) {
  SIM_ASSERT(mean > 0 && sigma >= 0);
}

double LengthLaw::quantile(double probability) const {
  const double spread = sigma_ > 0 ? sigma_ * normal_quantile(probability) : 0;
  return std::clamp(portable_exp(log_median_ + spread), 1.0, cap_);
}

// E[min(L, cap)^k] of a lognormal: the part below the cap shifts its normal by k sigma^2, the rest
// is cap^k. (The least length of one token is left out: it matters to nothing.)
double LengthLaw::capped_moment(int power) const {
  const double whole = portable_exp(power * log_median_ + power * power * sigma_ * sigma_ / 2);
  const double most = power == 1 ? cap_ : cap_ * cap_;
  if (sigma_ == 0)
    return std::min(whole, most);
  const double z = (portable_log(cap_) - log_median_) / sigma_;
  return whole * normal_cdf(z - power * sigma_) + most * normal_cdf(-z);
}

double LengthLaw::mean() const { return capped_moment(1); }
double LengthLaw::mean_square() const { return capped_moment(2); }

std::vector<OutputGroup> group_outputs(const LengthLaw& law, std::int64_t outputs) {
  SIM_ASSERT(outputs >= 1);
  std::vector<OutputGroup> groups;
  for (std::int64_t longer = 0; longer < outputs;) {
    const std::int64_t count = std::min(outputs - longer, 1 + longer / outputs_per_group);
    // The middle of the group's quantiles (i + 1/2) / outputs, counted from the longest.
    const double above = (double(longer) + double(count) / 2) / double(outputs);
    const double length = law.quantile(1 - above);
    if (!groups.empty() && groups.back().length == length)
      groups.back().outputs += count; // all that the cap cuts are one group
    else
      groups.push_back({count, length});
    longer += count;
  }
  std::reverse(groups.begin(), groups.end());
  return groups;
}

} // namespace sim::rollout
