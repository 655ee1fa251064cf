// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"

#include "tests/fuzz/targets.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

namespace sim::fuzz {
namespace {

// What is printed reads back as the same number of the same dimension.
void round_trip(const ParsedQuantity& quantity) {
  const std::string text = to_text(quantity.value, quantity.dimension);
  if (quantity.dimension == Dimension{}) { // shares are printed without a unit
    if (parse_number(text) != quantity.value)
      throw Finding("a number does not read back: " + text);
    return;
  }
  const QuantityText again = parse_quantity(text);
  if (!again.parsed || again.parsed->value != quantity.value ||
      !(again.parsed->dimension == quantity.dimension))
    throw Finding("a quantity does not read back: " + text + ": " + again.problem);
}

constexpr std::array<std::string_view, 24> units{"ns",
                                                 "min",
                                                 "day",
                                                 "B",
                                                 "GiB",
                                                 "Gb",
                                                 "GB/s",
                                                 "Tb/s",
                                                 "TFLOP",
                                                 "TFLOP/s",
                                                 "FLOP/B",
                                                 "kWh",
                                                 "kW",
                                                 "USD",
                                                 "GPU-hour",
                                                 "USD/GPU-hour",
                                                 "failures/GPU-hour",
                                                 "failures/day",
                                                 "USD/kWh",
                                                 "g/kWh",
                                                 "t",
                                                 "mm2",
                                                 "W/mm2",
                                                 "USD/GB"};

} // namespace

void quantity_text(Bytes bytes) {
  const std::string text(bytes.begin(), bytes.end());
  const QuantityText read = parse_quantity(text);
  if (read.parsed.has_value() == !read.problem.empty())
    throw Finding("neither value nor problem, or both: " + text);
  if (read.parsed) {
    if (!std::isfinite(read.parsed->value))
      throw Finding("a quantity that is not finite: " + text);
    round_trip(*read.parsed);
  }
  if (const std::optional<double> number = parse_number(text);
      number && parse_number(number_text(*number)) != *number)
    throw Finding("a number does not read back: " + text);

  double value = 0;
  if (bytes.size() < sizeof value + 1)
    return;
  std::memcpy(&value, bytes.data(), sizeof value);
  const std::string_view unit = units[bytes[sizeof value] % units.size()];
  if (std::isfinite(value))
    if (const QuantityText typed = parse_quantity(number_text(value) + " " + std::string(unit));
        typed.parsed)
      round_trip(*typed.parsed);
}

} // namespace sim::fuzz
