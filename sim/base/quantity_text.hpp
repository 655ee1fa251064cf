// SPDX-License-Identifier: Apache-2.0
// Quantities as text.
//
//   quantity := number blank* unit        "400 GB/s", "80 GiB", "2 USD/GPU-hour", "1.97e-5
//   failures/GPU-hour" number   := as JSON, with an optional leading '+'; no hexadecimal, no octal,
//   no infinities, no NaN unit     := atom ('/' atom)? atom     := one of: ns us ms s min h day | B
//   kB MB GB TB PB KiB MiB GiB TiB PiB | kb Mb Gb Tb (bits)
//               FLOP GFLOP TFLOP PFLOP | J kWh MWh GWh W kW MW | USD | GPU-s GPU-hour | g kg t |
//               mm2 m2 | failures
//
// GB is 1e9 bytes and GiB 2^30; Gb is 1e9 bits. Nothing is guessed: a number without a unit is an
// error.
#pragma once

#include "sim/base/quantity.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sim {
inline namespace base {

struct ParsedQuantity {
  double value = 0; // in base units
  Dimension dimension;
};

struct QuantityText {
  std::optional<ParsedQuantity> parsed;
  std::string problem; // why not, in a few words; empty when parsed
};

// Reads a decimal number as the scenario language writes it: the whole text, finite ("1e400" is
// refused), '010' is refused. Empty when it is not one.
std::optional<double> parse_number(std::string_view text);

// Reads number and unit.
QuantityText parse_quantity(std::string_view text);

// A unit that fits the dimension, to name in an error: "GB/s".
std::string_view example_unit(Dimension dimension);

// Shortest text that reads back as the same number, in the dimension's customary unit: "400 GB/s".
std::string to_text(double base_value, Dimension dimension);
template <Dimension D> std::string to_text(Quantity<D> q) { return to_text(q.base(), D); }

// Shortest round-trip text of a plain number, independent of the locale.
std::string number_text(double value);

} // namespace base
} // namespace sim
