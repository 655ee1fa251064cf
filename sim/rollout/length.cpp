// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/length.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/normal_distribution.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::rollout {
namespace {

// The k-th longest output is grouped with one in so many of those that are longer.
constexpr std::int64_t outputs_per_group = 32;
constexpr int table_points = 4096;
constexpr int halvings = 64;

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
    : sigma_(lengths.sigma), cap_(std::max(1.0, scheduled_cap(lengths, step))) {
  if (lengths.shape == LengthShape::Weibull)
    tabulate_weibull(lengths.weibull_shape);
  else if (lengths.shape == LengthShape::Mixture)
    tabulate_mixture(lengths.mixture);
  else if (lengths.shape == LengthShape::Quantiles)
    take(lengths.quantiles);
  const double mean = lengths.scale * scheduled_mean(lengths, step);
  if (lengths.mean_after_cap)
    scale_to_capped(mean);
  else
    scale_to(mean);
  cap_ = std::max(1.0, std::min(cap_, lengths.ends_at)); // cuts, and moves no mean
}

LengthLaw::LengthLaw(double mean, double sigma, double cap)
    : sigma_(sigma), cap_(std::max(1.0, cap)) {
  SIM_ASSERT(mean > 0 && sigma >= 0);
  scale_to(mean);
}

// Quantiles -ln(1 - p)^(1/k), dense where they are steep.
void LengthLaw::tabulate_weibull(double shape) {
  constexpr double most = 36; // 1 - p = 2e-16
  const double steepness = std::max(2.0, shape);
  for (int i = 0; i <= table_points; ++i) {
    const double part = double(i) / table_points;
    const double exponent = i == 0 ? 0 : most * portable_pow(part, steepness);
    table_.push_back(
        {1 - portable_exp(-exponent), exponent > 0 ? portable_pow(exponent, 1 / shape) : 0});
  }
  table_.back().share = 1;
}

void LengthLaw::tabulate_mixture(const std::vector<MixturePart>& parts) {
  if (parts.empty())
    throw InfeasibleError("stages", "a mixture of response lengths has no parts",
                          "response.mixture: [{weight: 1, mean: 1, sigma: 0.8}, ...]");
  constexpr double reach = 8; // standard deviations
  double weights = 0, low = 1e300, high = -1e300;
  std::vector<double> medians;
  for (const MixturePart& part : parts) {
    weights += part.weight;
    medians.push_back(portable_log(part.mean) - part.sigma * part.sigma / 2);
    low = std::min(low, medians.back() - reach * part.sigma - 1e-3);
    high = std::max(high, medians.back() + reach * part.sigma + 1e-3);
  }
  for (int i = 0; i <= table_points; ++i) {
    const double at = low + (high - low) * i / table_points;
    double share = 0;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const double sigma = parts[part].sigma, distance = at - medians[part];
      const double below = sigma > 0 ? normal_cdf(distance / sigma) : distance >= 0 ? 1 : 0;
      share += parts[part].weight / weights * below;
    }
    table_.push_back({std::min(share, 1.0), portable_exp(at)});
  }
  table_.front().share = 0;
  table_.back().share = 1;
}

void LengthLaw::take(const std::vector<QuantilePoint>& quantiles) {
  bool rises = quantiles.size() >= 2 && quantiles.front().share == 0 && quantiles.back().share == 1;
  for (std::size_t i = 1; rises && i < quantiles.size(); ++i)
    rises = quantiles[i - 1].share < quantiles[i].share &&
            quantiles[i - 1].tokens <= quantiles[i].tokens;
  if (!rises)
    throw InfeasibleError("stages", "quantiles of response lengths do not rise from share 0 to 1",
                          "response.quantiles: [{share: 0, tokens: ...}, ..., {share: 1, ...}]");
  for (const QuantilePoint& point : quantiles)
    table_.push_back({point.share, point.tokens});
}

void LengthLaw::scale_to(double mean) {
  scale_ = table_.empty() ? portable_exp(portable_log(mean) - sigma_ * sigma_ / 2)
                          : mean / tabulated_moment(1, 1e300);
}

void LengthLaw::scale_to_capped(double mean) {
  if (mean >= cap_)
    throw InfeasibleError("stages",
                          fmt::format("responses of {:.0f} tokens on average cannot all be cut at "
                                      "{:.0f}",
                                      mean, cap_),
                          "a mean below the cap");
  // The mean after the cap rises with the scale, from 0 to the cap.
  double low = 0, high = 1;
  const auto capped = [this](double scale) {
    scale_ = scale;
    return this->mean();
  };
  while (capped(high) < mean && high < 1e30)
    high *= 2;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (low + high) / 2;
    (capped(middle) < mean ? low : high) = middle;
  }
  scale_ = high;
}

double LengthLaw::quantile(double probability) const {
  double length = 1;
  if (table_.empty()) {
    length = sigma_ > 0 ? portable_exp(sigma_ * normal_quantile(probability)) : 1;
  } else {
    const auto above =
        std::upper_bound(table_.begin() + 1, table_.end() - 1, probability,
                         [](double share, const Point& point) { return share < point.share; });
    const Point &high = *above, &low = *(above - 1);
    const double width = high.share - low.share;
    const double part = width > 0 ? (probability - low.share) / width : 1;
    length = low.length + std::clamp(part, 0.0, 1.0) * (high.length - low.length);
  }
  return std::clamp(scale_ * length, 1.0, cap_);
}

// E[min(L, cap)^k] at scale 1. Lognormal: the part below the cap shifts its normal by k sigma^2,
// the rest is cap^k. (The least length of one token is left out: it matters to nothing.)
double LengthLaw::moment(int power, double cap) const {
  if (!table_.empty())
    return tabulated_moment(power, cap);
  const double most = power == 1 ? cap : cap * cap;
  if (sigma_ == 0)
    return std::min(1.0, most);
  const double whole = portable_exp(power * power * sigma_ * sigma_ / 2);
  const double z = portable_log(cap) / sigma_;
  return whole * normal_cdf(z - power * sigma_) + most * normal_cdf(-z);
}

double LengthLaw::tabulated_moment(int power, double cap) const {
  const auto integral = [power](double a, double b) { // mean of x^k from a to b
    return power == 1 ? (a + b) / 2 : (a * a + a * b + b * b) / 3;
  };
  double sum = 0;
  for (std::size_t i = 1; i < table_.size(); ++i) {
    const Point &low = table_[i - 1], &high = table_[i];
    const double width = high.share - low.share;
    const double below = high.length <= cap  ? 1
                         : low.length >= cap ? 0
                                             : (cap - low.length) / (high.length - low.length);
    const double cut = std::min(high.length, cap);
    sum += width * below * integral(std::min(low.length, cut), cut);
    if (below < 1)
      sum += width * (1 - below) * (power == 1 ? cap : cap * cap);
  }
  return sum;
}

double LengthLaw::mean() const { return scale_ * moment(1, cap_ / scale_); }
double LengthLaw::mean_square() const { return scale_ * scale_ * moment(2, cap_ / scale_); }

double LengthLaw::mean_of_shortest(double share) const {
  constexpr int quantiles = 1024;
  double sum = 0;
  for (int i = 0; i < quantiles; ++i)
    sum += quantile(share * (i + 0.5) / quantiles);
  return sum / quantiles;
}

std::vector<double> response_lengths(const LengthLaw& law, const LengthSpec& lengths,
                                     std::int64_t outputs) {
  SIM_ASSERT(outputs >= 1);
  const auto count = static_cast<std::size_t>(outputs);
  const auto group = static_cast<std::size_t>(lengths.responses_per_prompt);
  const double correlation = group > 1 ? lengths.group_correlation : 0;
  const double shared = std::sqrt(correlation), own = std::sqrt(1 - correlation);
  RandomStream random(1, "rollout/lengths");
  std::vector<std::pair<double, std::size_t>> ranked(count);
  double prompt = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (correlation > 0 && i % group == 0)
      prompt = shared * random.normal();
    // Without correlation any score ranks alike.
    ranked[i] = {correlation > 0 ? prompt + own * random.normal() : random.uniform(), i};
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<double> result(count);
  for (std::size_t rank = 0; rank < count; ++rank)
    result[ranked[rank].second] = law.quantile((double(rank) + 0.5) / double(outputs));
  return result;
}

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
