// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/interrupt.hpp"
#include "sim/cli/options.hpp"
#include "sim/cli/progress_bar.hpp"
#include "sim/report/csv_table.hpp"
#include "sim/scenario/study_file.hpp"
#include "sim/study/sweep.hpp"

namespace sim::cli {

Outcome sweep_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario()
      .with_jobs()
      .with_flag("table", "a table for people instead of comma-separated values")
      .with_out("write the table to FILE, and keep finished rows in FILE.journal on the way");
  if (!given.parse(arguments, 1, 1)) {
    Outcome help = given.help();
    help.text +=
        "\nRows stand in the order of the grid. A point that cannot be is a row with its reason in "
        "the\n"
        "column `error`; the exit code stays 0. With --out a sweep that was stopped goes on: "
        "finished\n"
        "rows are found again by the content of their scenario, the seed and the version.\n"
        "Without --out the table goes to standard output and nothing is kept.\n";
    return help;
  }
  study::SweepRequest request;
  request.study = scenario::load_study(given.positional().front());
  request.load = given.load_options();
  Outcome outcome;
  outcome.file = given.text("out");
  if (!outcome.file.empty())
    request.journal = outcome.file + ".journal";

  const int jobs = given.jobs();
  const InterruptGuard guard;
  ProgressBar bar("sweep");
  const study::SweepOutcome swept = study::sweep(request, study_options(jobs, bar));
  const std::string total = std::to_string(swept.total);
  if (!swept.complete()) {
    outcome.exit_code = Interrupted;
    outcome.messages.push_back(
        "interrupted: " + std::to_string(swept.finished) + " of " + total + " rows are finished; " +
        (request.journal.empty()
             ? "nothing is kept without --out"
             : "they are kept in " + request.journal + ", the same command goes on"));
    outcome.file.clear();
    return outcome;
  }
  outcome.text = given.flag("table") ? request.study.name + "\n\n" +
                                           report::csv_table(swept.csv, request.study.axes.size())
                                     : swept.csv;
  if (swept.infeasible > 0)
    outcome.messages.push_back("note: " + std::to_string(swept.infeasible) + " of " + total +
                               " points cannot be; see the column `error`");
  return outcome;
}

} // namespace sim::cli
