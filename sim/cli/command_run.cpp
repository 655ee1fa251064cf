// SPDX-License-Identifier: Apache-2.0
#include "sim/base/limit.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/cli/interrupt.hpp"
#include "sim/cli/options.hpp"
#include "sim/cli/progress_bar.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/trace_writer.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/resources.hpp"
#include "sim/study/sensitivity.hpp"
#include "sim/study/validity.hpp"

#include <array>

namespace sim::cli {

namespace {

std::string formatted(Format format, const Result& result, const report::Uncertainty& uncertainty) {
  switch (format) {
  case Format::Json:
    return report::write_json(result, uncertainty);
  case Format::Csv:
    return report::write_csv(result, uncertainty);
  case Format::Table:
    break;
  }
  return report::write_table(result, uncertainty);
}

constexpr std::uint64_t most_until_precise = 100'000; // replications

// "1%" or "0.01"; 0 when none is given.
double precision_of(std::string text) {
  if (text.empty())
    return 0;
  const bool percent = text.back() == '%';
  if (percent)
    text.pop_back();
  const std::optional<double> number = parse_number(text);
  if (!number || !(*number > 0) || *number / (percent ? 100 : 1) >= 1)
    throw UsageError("--until-precision: a share of the mean such as 1%");
  return *number / (percent ? 100 : 1);
}

// Empty where none has ended before an interruption, which the outcome tells.
std::optional<report::Distributions> replicated(const study::ReplicationRequest& request, int jobs,
                                                Outcome& outcome) {
  const InterruptGuard guard;
  ProgressBar bar("replications");
  auto distributions = study::replicate(request, study_options(jobs, bar));
  if (!distributions || distributions->interrupted) {
    outcome.exit_code = Interrupted;
    outcome.messages.push_back(distributions ? "interrupted: the first " +
                                                   std::to_string(distributions->replications) +
                                                   " replications are kept"
                                             : "interrupted: no replication has ended");
  }
  return distributions;
}

std::optional<report::Sensitivity> sensitivities(const study::SensitivityRequest& request, int jobs,
                                                 Outcome& outcome) {
  const InterruptGuard guard;
  ProgressBar bar("samples");
  auto sensitivity = study::sensitivity(request, study_options(jobs, bar));
  if (!sensitivity) {
    outcome.exit_code = Interrupted;
    outcome.messages.emplace_back("interrupted: indices need all samples");
  }
  return sensitivity;
}

std::optional<report::ResourceEffects> resources(const scenario::Loaded& loaded,
                                                 const study::ResourceRequest& request, int jobs,
                                                 Outcome& outcome) {
  const InterruptGuard guard;
  ProgressBar bar("elasticities");
  auto effects = study::resource_effects(loaded, request, study_options(jobs, bar));
  if (!effects) {
    outcome.exit_code = Interrupted;
    outcome.messages.emplace_back("interrupted: elasticities need all of their runs");
  }
  return effects;
}

// Throws UsageError where two outputs name one file.
void check_files(const Arguments& given) {
  const std::array<const char*, 3> options{"out", "trace", "timeline"};
  for (std::size_t i = 0; i < options.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!given.text(options[i]).empty() && given.text(options[i]) == given.text(options[j]))
        throw UsageError(std::string("--") + options[i] + " and --" + options[j] +
                         " name one file; give each its own");
}

void assert_all(const scenario::Loaded& loaded, const Result& result, Outcome& outcome) {
  for (const report::FailedAssertion& failed : report::failed_assertions(result)) {
    outcome.exit_code = AssertionFailed;
    outcome.messages.push_back(
        to_text(Diagnostic{loaded.locate(failed.key), "assertion failed: " + failed.text, ""}));
  }
}

constexpr std::uint64_t fewest_samples = 16;

void declare(Arguments& given) {
  given.with_scenario().with_case().with_format(true).with_out(
      "write to FILE instead of standard output");
  given.with_text("trace", "FILE",
                  "write the last step of every training stage as trace events (ui.perfetto.dev)");
  given.with_text(
      "timeline", "FILE",
      "write what the run does when, stage by stage, as trace events (ui.perfetto.dev)");
  given.with_text("replications", "N", "repeat with new draws; adds mean, p05, p50, p95")
      .with_text("until-precision", "P",
                 "repeat until the means of all totals are known to P (1%) with 95 % confidence")
      .with_text("sensitivity", "N",
                 "Sobol indices of the totals in failures, uncertain inputs and the model's error, "
                 "by N samples (256)")
      .with_flag("elasticities",
                 "what 10 % more compute, bandwidth, GPUs, failures, price does to hours and "
                 "dollars; the binding limit")
      .with_flag("no-model-error", "replications: times as simulated, without the model's error")
      .with_jobs()
      .with_fidelity();
}

} // namespace

Outcome run_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  declare(given);
  if (!given.parse(arguments, 1, 1))
    return given.help();
  const std::string& file = given.positional().front();
  const scenario::LoadOptions load_options = given.load_options();
  check_files(given);
  const double precision = precision_of(given.text("until-precision"));
  const std::uint64_t replications =
      given.number("replications", precision > 0 ? most_until_precise : 0, 1);
  require_within(limit::replications, double(replications), "replications", "--replications",
                 "fewer replications");
  const std::uint64_t samples = given.number("sensitivity", 0, fewest_samples);
  const Format format = given.format();
  const int jobs = given.jobs();
  const execution::Fidelity fidelity = given.fidelity();

  const scenario::Loaded loaded = scenario::load(file, load_options);
  report::check_quantities(loaded);
  const study::ModelError model(scenario::load_evidence(load_options.catalog_directory));
  const study::ModelError* drawn = given.flag("no-model-error") ? nullptr : &model;
  Outcome outcome;
  outcome.file = given.text("out");
  located(loaded, [&] {
    SimulateOptions options;
    options.seed = load_options.seed;
    options.catalog_directory = load_options.catalog_directory;
    options.fidelity = fidelity;
    options.trace = !given.text("trace").empty();
    options.timeline = !given.text("timeline").empty();
    const Simulation simulation(loaded, options);
    const Result result = simulation.run(options.replication);
    report::Uncertainty uncertainty;
    if (!result.run.stages.empty())
      uncertainty.validity = study::validity_of(simulation, result, model);
    if (replications > 0) {
      uncertainty.distributions =
          replicated({file, load_options, replications, precision, fidelity, drawn}, jobs, outcome);
      if (!uncertainty.distributions)
        return;
    }
    if (samples > 0 && outcome.exit_code != Interrupted)
      uncertainty.sensitivity =
          sensitivities({file, load_options, samples, drawn, fidelity}, jobs, outcome);
    if (given.flag("elasticities") && outcome.exit_code != Interrupted)
      uncertainty.resources = resources(
          loaded, {load_options.seed, load_options.catalog_directory, fidelity}, jobs, outcome);
    outcome.text = formatted(format, result, uncertainty);
    if (options.trace)
      outcome.files.emplace_back(given.text("trace"), report::write_trace(result));
    if (options.timeline)
      outcome.files.emplace_back(given.text("timeline"), report::write_timeline(result));
    assert_all(loaded, result, outcome);
  });
  if (outcome.exit_code == Interrupted && outcome.text.empty())
    outcome.file.clear();
  return outcome;
}

} // namespace sim::cli
