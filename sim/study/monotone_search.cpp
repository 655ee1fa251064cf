// SPDX-License-Identifier: Apache-2.0
#include "sim/study/monotone_search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sim::study {
namespace {

constexpr double tolerance = 1e-6;           // of a crossing, relative
constexpr double farthest = 1099511627776.0; // 2^40, from the start
constexpr int most_tries = 512;              // whole numbers around one that has no value
// Values that differ by less are the same, however they were rounded.
constexpr double same = 1e-12;

} // namespace

MonotoneSearch::MonotoneSearch(Function function, double limit, bool at_most,
                               const SearchRange& range)
    : function_(std::move(function)), limit_(limit), at_most_(at_most), range_(range) {}

std::optional<double> MonotoneSearch::ask(double argument) {
  const auto known = values_.find(argument);
  if (known != values_.end())
    return known->second;
  return values_[argument] = function_(argument);
}

bool MonotoneSearch::within(double argument) const {
  const double size = std::abs(argument), first = std::abs(range_.start);
  return size <= first * farthest && size >= first / farthest &&
         (!range_.low || argument >= *range_.low) && (!range_.high || argument <= *range_.high) &&
         (range_.step == 0 || argument >= double(range_.step));
}

double MonotoneSearch::rounded(double argument) const {
  const auto step = static_cast<double>(range_.step);
  return range_.step == 0 ? argument : step * std::floor(argument / step);
}

// The whole number with a value that is nearest to `near` between two others.
std::optional<double> MonotoneSearch::whole_between(double near, double low, double high) {
  const auto step = static_cast<double>(range_.step);
  for (int i = 0; i < most_tries; ++i) {
    bool inside = false;
    for (const double candidate : {near + i * step, near - i * step})
      if (candidate > low && candidate < high && within(candidate)) {
        inside = true;
        if (ask(candidate))
          return candidate;
      }
    if (!inside && near > low && near < high)
      break;
  }
  return std::nullopt;
}

std::optional<double> MonotoneSearch::start() {
  double first = range_.start;
  if (range_.low)
    first = std::max(first, *range_.low);
  if (range_.high)
    first = std::min(first, *range_.high);
  if (range_.step == 0)
    return ask(first) ? std::optional(first) : std::nullopt;
  first = std::max(rounded(first), double(range_.step));
  return whole_between(first, 0, 4 * first);
}

// Twice or half as far, or less far where that has no value.
std::optional<double> MonotoneSearch::outward(double from, bool up) {
  if (range_.step > 0) {
    const double target = up ? 2 * from : std::max(rounded(from / 2), double(range_.step));
    const double bound = up ? std::min(target, range_.high.value_or(target))
                            : std::max(target, range_.low.value_or(target));
    const double near = up ? rounded(bound) : bound;
    return up ? whole_between(near, from, 2 * from + 1) : whole_between(near, from / 2 - 1, from);
  }
  for (double factor = 2; factor > 1.001; factor = std::sqrt(factor)) {
    double target = up ? from * factor : from / factor;
    if (range_.low)
      target = std::max(target, *range_.low);
    if (range_.high)
      target = std::min(target, *range_.high);
    if (target != from && within(target) && ask(target))
      return target;
  }
  return std::nullopt;
}

// Up or down, towards the crossing; empty where nothing changes.
std::optional<bool> MonotoneSearch::direction(double from) {
  const double value = *ask(from);
  // Towards smaller values when the limit is not met from below, or met and left there.
  const bool down_in_value = meets(value) ? !at_most_ : at_most_;
  for (const bool up : {true, false}) {
    const std::optional<double> next = outward(from, up);
    if (!next || std::abs(*ask(*next) - value) <= same * std::abs(value))
      continue;
    const bool smaller = *ask(*next) < value;
    return smaller == down_in_value ? up : !up;
  }
  return std::nullopt;
}

SearchEnd MonotoneSearch::expand(double from, bool up) {
  const bool met = meets(*ask(from));
  last_ = from;
  while (const std::optional<double> next = outward(last_, up)) {
    if (meets(*ask(*next)) != met) {
      crossing_ = met ? Crossing{last_, *next} : Crossing{*next, last_};
      return SearchEnd::Found;
    }
    last_ = *next;
  }
  if (!met)
    return SearchEnd::OutOfReach;
  crossing_ = {last_, std::nullopt};
  return SearchEnd::Found;
}

// A point strictly between the ends: where a straight line crosses, twice in three turns, at least
// the tolerance away from both.
std::optional<double> MonotoneSearch::between(double met, double failed) {
  const double low = std::min(met, failed), high = std::max(met, failed);
  const double middle = low + (high - low) / 2;
  if (range_.step > 0)
    return whole_between(rounded(middle), low, high);
  const double margin = tolerance * std::max(std::abs(low), std::abs(high));
  if (high - low <= margin)
    return std::nullopt;
  double target = middle;
  const double rise = *ask(failed) - *ask(met);
  if (++turn_ % 3 != 0 && rise != 0)
    target = met + (failed - met) * ((limit_ - *ask(met)) / rise);
  const double inset = std::min(margin / 2, (high - low) / 2);
  target = std::clamp(target, low + inset, high - inset);
  return ask(target) ? std::optional(target) : ask(middle) ? std::optional(middle) : std::nullopt;
}

void MonotoneSearch::narrow() {
  while (crossing_.fails)
    if (const std::optional<double> next = between(crossing_.meets, *crossing_.fails)) {
      if (meets(*ask(*next)))
        crossing_.meets = *next;
      else
        crossing_.fails = *next;
    } else {
      return;
    }
}

std::vector<double> MonotoneSearch::passed_over() const {
  const double met = crossing_.meets, failed = crossing_.fails.value_or(met);
  std::vector<double> found;
  for (const auto& [argument, value] : values_)
    if (!value && (!crossing_.fails ||
                   (argument > std::min(met, failed) && argument < std::max(met, failed))))
      found.push_back(argument);
  std::stable_sort(found.begin(), found.end(),
                   [&](double a, double b) { return std::abs(a - met) < std::abs(b - met); });
  return found;
}

// Over everything that was asked.
bool MonotoneSearch::monotone() {
  std::vector<std::pair<double, double>> known;
  for (const auto& [argument, value] : values_)
    if (value)
      known.emplace_back(argument, *value);
  const double rise = known.back().second - known.front().second;
  for (std::size_t i = 1; i < known.size(); ++i) {
    const double step = known[i].second - known[i - 1].second;
    if (step * rise < 0 && std::abs(step) > 1e-9 * std::abs(known[i].second)) {
      culprit_ = known[i].first;
      return false;
    }
  }
  return true;
}

SearchEnd MonotoneSearch::run() {
  const std::optional<double> first = start();
  if (!first)
    return SearchEnd::NoValue;
  const std::optional<bool> up = direction(*first);
  if (!up)
    return std::count_if(values_.begin(), values_.end(),
                         [](const auto& known) { return known.second.has_value(); }) > 1
               ? SearchEnd::Constant
               : SearchEnd::Alone;
  const SearchEnd end = expand(*first, *up);
  if (end == SearchEnd::Found)
    narrow();
  return monotone() ? end : SearchEnd::NotMonotone;
}

} // namespace sim::study
