// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/swarm/invariants.hpp"

#include <algorithm>
#include <string>

namespace sim::fuzz {
namespace {

const char* const file = "fuzz.yaml";

// A place in the text: its last line may be one past the end, its columns likewise.
void require_inside(const Diagnostic& diagnostic, const std::string& text) {
  const Location& at = diagnostic.location;
  if (diagnostic.message.empty())
    throw Finding("a diagnostic without a message");
  if (at.file != file)
    return; // in a file that the text names, or nowhere: what is wrong is no line of the text
  const auto lines =
      1 + std::count(text.begin(), text.end(), '\n') + std::count(text.begin(), text.end(), '\r');
  if (at.line < 1 || at.line > lines + 1 || at.column < 1 ||
      static_cast<std::size_t>(at.column) > text.size() + 1)
    throw Finding("a diagnostic outside of the text: " + to_text(diagnostic));
}

void report(const Result& result) {
  report::write_table(result);
  report::write_csv(result);
  report::write_json(result);
  report::failed_assertions(result);
  for (const std::string& broken : swarm::broken_invariants(result))
    throw Finding(broken);
}

} // namespace

void scenario_text(Bytes bytes) {
  const std::string text(bytes.begin(), bytes.end());
  try {
    const scenario::Loaded loaded = scenario::load_text(text, file);
    report::check_quantities(loaded);
    try {
      report(simulate(loaded));
    } catch (const InfeasibleError& error) {
      if (error.message().empty() || loaded.locate(error.path()).line < 1)
        throw Finding(std::string("infeasible at no place: ") + error.what());
    }
  } catch (const ScenarioError& error) {
    if (error.diagnostics().empty())
      throw Finding("an error without diagnostics");
    for (const Diagnostic& diagnostic : error.diagnostics())
      require_inside(diagnostic, text);
  }
}

} // namespace sim::fuzz
