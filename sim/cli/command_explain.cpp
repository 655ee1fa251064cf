// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/interrupt.hpp"
#include "sim/cli/options.hpp"
#include "sim/cli/progress_bar.hpp"
#include "sim/report/explain.hpp"
#include "sim/study/elasticity.hpp"

#include <fmt/format.h>

namespace sim::cli {

Outcome explain_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario().with_case().with_format(false).with_jobs().with_fidelity().with_flag(
      "elasticity", "simulate again with each number 1 % larger: what moves the quantity");
  if (!given.parse(arguments, 2, 2))
    return given.help();
  const std::string& file = given.positional().front();
  const std::string asked = given.positional().back();
  const bool finish = asked == "totals.finish_date"; // the start and these hours
  const std::string path = finish ? "totals.wall_clock_hours" : asked;
  scenario::LoadOptions load_options = given.load_options();
  load_options.inputs = true;
  const Format format = given.format();
  const scenario::Loaded loaded = scenario::load(file, load_options);
  if (report::find_column(loaded.scenario, path) == nullptr)
    throw UsageError("the result has no quantity '" + path + "'; " +
                     report::unknown_path_remedy(loaded.scenario, path));
  SimulateOptions options;
  options.seed = load_options.seed;
  options.catalog_directory = load_options.catalog_directory;
  options.fidelity = given.fidelity();
  options.builds_on = false;
  options.inventory = true;
  return located(loaded, [&] {
    const Result result = simulate(loaded, options);
    if (finish && !result.finish_date.known())
      throw InfeasibleError("calendar.start", "it is not known when the run starts",
                            "write calendar: {start: ...}");
    const report::Explanation chain = report::explain(result, path);
    const std::vector<scenario::Input> inputs = report::inputs_of(chain, result, loaded.inputs);
    report::Elasticities effects;
    Outcome outcome;
    if (given.flag("elasticity")) {
      const InterruptGuard guard;
      ProgressBar bar("inputs");
      load_options.inputs = false;
      auto found = study::elasticities({file, load_options, options.fidelity, path, inputs},
                                       study_options(given.jobs(), bar));
      if (!found) {
        outcome.exit_code = Interrupted;
        outcome.messages.emplace_back("interrupted: nothing is kept of the elasticities");
        return outcome;
      }
      effects = std::move(*found);
    }
    if (finish && format != Format::Json)
      outcome.text =
          fmt::format("totals.finish_date = {}: calendar.start {} and totals.wall_clock_hours\n\n",
                      to_text(result.finish_date), to_text(loaded.scenario.calendar.start));
    outcome.text += format == Format::Json ? report::explanation_json(chain, inputs, effects)
                                           : report::explanation_text(chain, inputs, effects);
    return outcome;
  });
}

} // namespace sim::cli
