// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"

namespace sim::cli {

// What `run` would refuse is refused here, by the same code: one step of each stage is simulated
// for its layout and memory.
Outcome check_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario().with_case().with_format(false);
  if (!given.parse(arguments, 1, 1))
    return given.help();
  const Format format = given.format();
  const scenario::LoadOptions load_options = given.load_options();
  const scenario::Loaded loaded = scenario::load(given.positional().front(), load_options);
  report::check_quantities(loaded);
  SimulateOptions options;
  options.seed = load_options.seed;
  options.builds_on = false;
  const Result result = located(loaded, [&] { return simulate(loaded, options); });
  Outcome outcome;
  outcome.text =
      format == Format::Json ? report::write_check_json(result) : report::write_check_table(result);
  return outcome;
}

} // namespace sim::cli
