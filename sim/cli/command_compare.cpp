// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/report/compare_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/study/parallel.hpp"

#include <filesystem>
#include <memory>

namespace sim::cli {

namespace {

// "FILE" or "FILE:CASE".
struct Named {
  std::string file, case_name;
  [[nodiscard]] std::string label() const {
    return case_name.empty() ? std::filesystem::path(file).stem().string() : case_name;
  }
};

Named named(const std::string& argument) {
  const std::size_t colon = argument.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(argument))
    return {argument, ""};
  return {argument.substr(0, colon), argument.substr(colon + 1)};
}

} // namespace

Outcome compare_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario()
      .with_format(true)
      .with_out("write to FILE instead of standard output")
      .with_jobs()
      .with_fidelity();
  constexpr std::size_t most = 64;
  if (!given.parse(arguments, 2, most)) {
    Outcome help = given.help();
    help.text +=
        "\nFILE:CASE compares a variant from the file's `cases`. The seed is the same for all.\n";
    return help;
  }
  const Format format = given.format();
  const execution::Fidelity fidelity = given.fidelity();
  study::ParallelOptions parallel;
  parallel.jobs = given.jobs();
  std::vector<report::Compared> compared(given.positional().size());
  study::parallel_for(
      compared.size(),
      [&](std::size_t i) {
        const Named scenario = named(given.positional()[i]);
        scenario::LoadOptions load_options = given.load_options();
        load_options.case_name = scenario.case_name;
        const scenario::Loaded loaded = scenario::load(scenario.file, load_options);
        SimulateOptions options;
        options.seed = load_options.seed;
        options.catalog_directory = load_options.catalog_directory;
        options.builds_on = false;
        options.fidelity = fidelity;
        compared[i] = {scenario.label(),
                       located(loaded, [&] { return simulate(loaded, options); })};
      },
      parallel);

  Outcome outcome;
  outcome.file = given.text("out");
  outcome.text = format == Format::Json  ? report::write_comparison_json(compared)
                 : format == Format::Csv ? report::write_comparison_csv(compared)
                                         : report::write_comparison_table(compared);
  return outcome;
}

} // namespace sim::cli
