// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/findings.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace sim::scenario {

void Findings::add(const Location& location, std::string message, std::string remedy) {
  for (const Diagnostic& diagnostic : diagnostics_)
    if (diagnostic.location == location && diagnostic.message == message)
      return;
  if (full())
    ++dropped_;
  else
    diagnostics_.push_back({location, std::move(message), std::move(remedy)});
}

bool Findings::at(const Location& location) const {
  return std::any_of(diagnostics_.begin(), diagnostics_.end(),
                     [&](const Diagnostic& diagnostic) { return diagnostic.location == location; });
}

void Findings::raise() const {
  if (diagnostics_.empty())
    return;
  std::vector<std::string> files;
  const auto rank = [&](const Diagnostic& diagnostic) {
    return std::find(files.begin(), files.end(), diagnostic.location.file) - files.begin();
  };
  for (const Diagnostic& diagnostic : diagnostics_)
    if (static_cast<std::size_t>(rank(diagnostic)) == files.size())
      files.push_back(diagnostic.location.file);
  std::vector<Diagnostic> sorted = diagnostics_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(rank(a), a.location.line, a.location.column) <
           std::tuple(rank(b), b.location.line, b.location.column);
  });
  if (dropped_ > 0)
    sorted.push_back(
        {sorted.back().location, "and " + std::to_string(dropped_) + " more errors", ""});
  throw ScenarioError(std::move(sorted));
}

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  if (const std::string near = nearest_name(name, known); !near.empty())
    return "did you mean '" + near + "'?";
  if (known.empty())
    return "";
  constexpr std::size_t shown = 16;
  std::string list;
  for (std::size_t i = 0; i < std::min(shown, known.size()); ++i)
    list += (i == 0 ? "" : ", ") + known[i];
  return "known: " + list + (known.size() > shown ? ", ..." : "");
}

} // namespace sim::scenario
