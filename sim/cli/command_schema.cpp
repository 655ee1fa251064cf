// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/scenario/schema.hpp"

namespace sim::cli {

Outcome schema_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_flag("reference", "the same for people, in Markdown");
  if (!given.parse(arguments, 0, 0))
    return given.help();
  Outcome outcome;
  outcome.text = given.flag("reference") ? scenario::reference_text() : scenario::schema_json();
  if (outcome.text.empty() || outcome.text.back() != '\n')
    outcome.text += '\n';
  return outcome;
}

} // namespace sim::cli
