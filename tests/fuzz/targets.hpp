// SPDX-License-Identifier: Apache-2.0
// What libFuzzer feeds with bytes. A target returns when the program did what it promises, and
// throws Finding, or whatever the program threw, when it did not.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

namespace sim::fuzz {

struct Finding : std::logic_error {
  using std::logic_error::logic_error;
};

using Bytes = std::span<const std::uint8_t>;

// Any bytes as a scenario: a report, or diagnostics that lie inside the text.
void scenario_text(Bytes bytes);

// Bytes as decisions of the generator of valid scenarios: all invariants of the result.
void generated_scenario(Bytes bytes);

// Any bytes as a quantity, and the first eight as a number: what is printed reads back.
void quantity_text(Bytes bytes);

} // namespace sim::fuzz
