// SPDX-License-Identifier: Apache-2.0
#include "sim/base/time.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>

namespace sim {
inline namespace base {
namespace {

constexpr std::int64_t nanoseconds_per_day = 86'400'000'000'000;

std::chrono::year_month_day calendar_day(Date date) {
  return std::chrono::year(date.year) / std::chrono::month(static_cast<unsigned>(date.month)) /
         std::chrono::day(static_cast<unsigned>(date.day));
}

// A field of `length` digits and nothing else.
std::optional<int> digits(std::string_view text, std::size_t first, std::size_t length) {
  int value = 0;
  for (const char c : text.substr(first, length)) {
    if (c < '0' || c > '9')
      return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

} // namespace

RunTime to_run_time(Seconds s) {
  const double exact = s.base() * 1e9;
  if (!(exact >= 0 && exact < 9223372036854775808.0)) // 2^63; also catches NaN
    throw InfeasibleError("", "a duration of " + number_text(s.base()) + " s cannot be simulated",
                          "durations lie between 0 and 292 years");
  const double below = std::floor(exact);
  const double rest = exact - below;
  auto count = static_cast<std::int64_t>(below);
  if (rest > 0.5 || (rest == 0.5 && count % 2 != 0))
    ++count;
  return {count};
}

std::optional<Date> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-')
    return std::nullopt;
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto month_day = digits(text, 8, 2);
  if (!year || !month || !month_day || *year == 0)
    return std::nullopt;
  const Date date{*year, *month, *month_day};
  if (!calendar_day(date).ok())
    return std::nullopt;
  return date;
}

std::string to_text(Date date) {
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d", date.year, date.month, date.day);
  return text;
}

std::int64_t days_from_epoch(Date date) {
  return std::chrono::sys_days(calendar_day(date)).time_since_epoch().count();
}

Date add(Date start, RunTime elapsed) {
  std::int64_t days = elapsed.nanoseconds / nanoseconds_per_day;
  if (elapsed.nanoseconds % nanoseconds_per_day < 0)
    --days;
  const std::chrono::sys_days end{
      std::chrono::days(static_cast<int>(days_from_epoch(start) + days))};
  const std::chrono::year_month_day result(end);
  return {static_cast<int>(result.year()), static_cast<int>(static_cast<unsigned>(result.month())),
          static_cast<int>(static_cast<unsigned>(result.day()))};
}

} // namespace base
} // namespace sim
