// SPDX-License-Identifier: Apache-2.0
// What can be wrong with an input, and where it stands. The core throws; only the command line
// prints and exits.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace sim {
inline namespace base {

// Lines and columns count from 1; 0 means that the place is not known.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
  bool operator==(const Location&) const = default;
};

// One finding: "what is wrong; what would be right".
struct Diagnostic {
  Location location;
  std::string message;
  std::string remedy; // may be empty
};

// "file:line:column: error: message; remedy"
std::string to_text(const Diagnostic& diagnostic);

// The input's text is bad (exit 3). Carries every finding, not the first only.
class ScenarioError : public std::runtime_error {
public:
  explicit ScenarioError(std::vector<Diagnostic> diagnostics);
  [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

private:
  std::vector<Diagnostic> diagnostics_;
};

// The input reads well and cannot be: does not fit in memory, degrees that do not divide, beyond a
// limit (exit 4). `path` is the scenario key that the user would change ("parallelism.pipeline");
// the front end adds its location.
class InfeasibleError : public std::runtime_error {
public:
  InfeasibleError(std::string path, std::string message, std::string remedy = "");
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::string& remedy() const { return remedy_; }

private:
  std::string path_, message_, remedy_;
};

// A fault of the program itself (exit 70).
class InternalError : public std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void fail_internal(const char* condition, const char* file, int line);

// The shortest entry of `names` that goes on after `name` with "-...", else the nearest by edit
// distance; empty when none is near enough to be a likely slip.
std::string nearest_name(const std::string& name, const std::vector<std::string>& names);

} // namespace base
} // namespace sim

// A macro, because it names the condition and the place.
#define SIM_ASSERT(condition)                                                                      \
  ((condition) ? static_cast<void>(0) : ::sim::fail_internal(#condition, __FILE__, __LINE__))
