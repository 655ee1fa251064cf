// SPDX-License-Identifier: Apache-2.0
// Diagnostics are collected while an input is read, then given all at once.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sim::scenario {

class Findings {
public:
  // Beyond this many, further ones are only counted: nobody reads them.
  static constexpr std::size_t limit = 100;

  // The same finding at the same place counts once.
  void add(const Location& location, std::string message, std::string remedy = "");
  [[nodiscard]] bool empty() const { return diagnostics_.empty(); }
  // Whether something was found at this very place.
  [[nodiscard]] bool at(const Location& location) const;
  [[nodiscard]] bool full() const { return diagnostics_.size() >= limit; }
  // Throws ScenarioError with all findings, by file (in order of first mention), line and column;
  // returns when there are none.
  void raise() const;

private:
  std::vector<Diagnostic> diagnostics_;
  std::size_t dropped_ = 0;
};

// "did you mean 'x'?", or the list of what is known when nothing is near and the list is short.
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

} // namespace sim::scenario
