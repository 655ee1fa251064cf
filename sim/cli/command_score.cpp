// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/interrupt.hpp"
#include "sim/cli/options.hpp"
#include "sim/cli/progress_bar.hpp"
#include "sim/report/score_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/study/score.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

namespace sim::cli {

namespace {

// A file, or else the name of a table that is built in.
scenario::PublishedTable table_named(const std::string& argument) {
  const std::vector<std::string> names = scenario::embedded_tables();
  if (std::find(names.begin(), names.end(), argument) != names.end() &&
      !std::filesystem::is_regular_file(argument))
    return scenario::load_embedded_table(argument);
  if (argument.find_first_of("./") == std::string::npos && !std::filesystem::exists(argument)) {
    const std::string near = nearest_name(argument, names);
    throw UsageError("there is no file and no family '" + argument + "'; " +
                     (near.empty() ? "families: " + report::joined(names, ", ")
                                   : "did you mean '" + near + "'?"));
  }
  return scenario::load_published(argument);
}

std::vector<scenario::PublishedTable> tables_of(const std::vector<std::string>& arguments) {
  std::vector<scenario::PublishedTable> tables;
  std::set<std::string> names;
  for (const std::string& argument : arguments.empty() ? scenario::embedded_tables() : arguments) {
    tables.push_back(table_named(argument));
    if (!names.insert(tables.back().name).second)
      throw UsageError("two tables have the name '" + tables.back().name + "'");
  }
  return tables;
}

} // namespace

Outcome score_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario().with_jobs().with_format(false).with_out(
      "write to FILE instead of standard output");
  given.with_flag("verbose", "every row, with what was published and simulated")
      .with_flag("residuals", "errors by chip, stack, precision, layout, scale");
  constexpr std::size_t most = 1024;
  if (!given.parse(arguments, 0, most)) {
    Outcome help = given.help();
    help.text += "\nFILE is a table of published runs (scenarios/published/README.md), or the name "
                 "of one that is\nbuilt in: " +
                 report::joined(scenario::embedded_tables(), ", ") +
                 ".\nWithout FILE: all of these. --set changes every row.\n";
    return help;
  }
  const Format format = given.format();
  const int jobs = given.jobs();
  study::ScoreRequest request;
  request.load = given.load_options();
  request.tables = tables_of(given.positional());
  const InterruptGuard guard;
  ProgressBar bar("score");
  std::optional<report::Score> score = study::score(request, study_options(jobs, bar));
  Outcome outcome;
  if (score && given.positional().empty() && request.load.sets.empty() &&
      request.load.catalog_directory.empty())
    study::add_left_out(*score);
  if (!score) {
    outcome.exit_code = Interrupted;
    outcome.messages.emplace_back("interrupted: nothing is kept of the score");
    return outcome;
  }
  outcome.file = given.text("out");
  outcome.text =
      format == Format::Json
          ? report::write_score_json(*score)
          : report::write_score_table(*score, {given.flag("verbose"), given.flag("residuals")});
  return outcome;
}

} // namespace sim::cli
