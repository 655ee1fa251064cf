// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sim {
inline namespace base {
namespace {

std::string joined(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics)
    text += (text.empty() ? "" : "\n") + to_text(d);
  return text;
}

// Names differ in meaning by their letters, not by case or by the sign that joins words.
char folded(char c) {
  if (c >= 'A' && c <= 'Z')
    return static_cast<char>(c - 'A' + 'a');
  return c == '_' || c == ' ' ? '-' : c;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (folded(a[i - 1]) == folded(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

} // namespace

std::string to_text(const Diagnostic& diagnostic) {
  const Location& at = diagnostic.location;
  std::string text = at.file;
  for (const int number : {at.line, at.column}) {
    if (number <= 0)
      break;
    if (!text.empty())
      text += ':';
    text += std::to_string(number);
  }
  text += text.empty() ? "error: " : ": error: ";
  text += diagnostic.message;
  if (!diagnostic.remedy.empty())
    text += "; " + diagnostic.remedy;
  return text;
}

ScenarioError::ScenarioError(std::vector<Diagnostic> diagnostics)
    : std::runtime_error(joined(diagnostics)), diagnostics_(std::move(diagnostics)) {}

InfeasibleError::InfeasibleError(std::string path, std::string message, std::string remedy)
    : std::runtime_error((path.empty() ? "" : path + ": ") + message +
                         (remedy.empty() ? "" : "; " + remedy)),
      path_(std::move(path)), message_(std::move(message)), remedy_(std::move(remedy)) {}

void fail_internal(const char* condition, const char* file, int line) {
  throw InternalError(std::string(file) + ":" + std::to_string(line) +
                      ": internal error: expected " + condition);
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
  constexpr std::size_t longest = 500; // the distance takes the product of two lengths
  if (name.size() > longest)
    return {};
  const std::size_t limit = std::max<std::size_t>(2, name.size() / 3);
  // A name whose form was left out: "h800" for "h800-sxm".
  const std::string* nearest = nullptr;
  for (const std::string& candidate : names)
    if (!name.empty() && candidate.starts_with(name + "-") &&
        (nearest == nullptr || candidate.size() < nearest->size()))
      nearest = &candidate;
  if (nearest != nullptr)
    return *nearest;
  std::size_t least = limit + 1;
  for (const std::string& candidate : names) {
    const std::size_t shorter = std::min(name.size(), candidate.size());
    const std::size_t longer = std::max(name.size(), candidate.size());
    if (longer - shorter >= least) // the distance is at least the difference in length
      continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < least && distance < shorter) { // something must be left in common
      least = distance;
      nearest = &candidate;
    }
  }
  return nearest == nullptr ? std::string() : *nearest;
}

} // namespace base
} // namespace sim
