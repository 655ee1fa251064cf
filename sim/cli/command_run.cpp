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
#include "sim/study/input_interval.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/resources.hpp"
#include "sim/study/sensitivity.hpp"
#include "sim/study/validity.hpp"

#include <array>
#include <filesystem>

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

// What is asked about how sure the result is.
struct Questions {
  std::uint64_t replications = 0, samples = 0;
  std::size_t input_draws = 0;
  double precision = 0;
  bool elasticities = false;
  const study::ModelError* model = nullptr; // that replications draw
};

// Runs studies of one scenario until one is interrupted, which the outcome tells.
struct Studies {
  const std::string& file;
  const scenario::LoadOptions& load;
  execution::Fidelity fidelity;
  int jobs = 0;
  Outcome& outcome;

  [[nodiscard]] bool interrupted() const { return outcome.exit_code == Interrupted; }
  void interrupt(std::string message) const {
    outcome.exit_code = Interrupted;
    outcome.messages.push_back("interrupted: " + std::move(message));
  }
  // Empty where none has ended before an interruption.
  [[nodiscard]] std::optional<report::Distributions> replicate(const Questions& asked) const {
    const InterruptGuard guard;
    ProgressBar bar("replications");
    auto distributions =
        study::replicate({file, load, asked.replications, asked.precision, fidelity, asked.model},
                         study_options(jobs, bar));
    if (!distributions)
      interrupt("no replication has ended");
    else if (distributions->interrupted)
      interrupt("the first " + std::to_string(distributions->replications) +
                " replications are kept");
    return distributions;
  }
  [[nodiscard]] std::optional<report::InputInterval> input_interval(std::size_t draws) const {
    if (!std::filesystem::is_regular_file(file)) {
      outcome.messages.push_back(file +
                                 " can be read only once: no interval over uncertain inputs");
      return std::nullopt;
    }
    const InterruptGuard guard;
    ProgressBar bar("draws of uncertain inputs");
    auto interval = study::input_interval({file, load, draws, fidelity}, study_options(jobs, bar));
    if (!interval)
      interrupt("the interval over uncertain inputs needs all of its draws");
    return interval;
  }
  [[nodiscard]] std::optional<report::Sensitivity> sensitivity(const Questions& asked) const {
    const InterruptGuard guard;
    ProgressBar bar("samples");
    auto sensitivity = study::sensitivity({file, load, asked.samples, asked.model, fidelity},
                                          study_options(jobs, bar));
    if (!sensitivity)
      interrupt("indices need all samples");
    return sensitivity;
  }
  [[nodiscard]] std::optional<report::ResourceEffects>
  resources(const scenario::Loaded& loaded) const {
    const InterruptGuard guard;
    ProgressBar bar("elasticities");
    auto effects = study::resource_effects(loaded, {load.seed, load.catalog_directory, fidelity},
                                           study_options(jobs, bar));
    if (!effects)
      interrupt("elasticities need all of their runs");
    return effects;
  }
};

// Answers into `uncertainty`, whose validity is that of the run.
void answer(const Questions& asked, const scenario::Loaded& loaded, const Studies& studies,
            report::Uncertainty& uncertainty) {
  if (uncertainty.validity && loaded.uncertain() && asked.input_draws > 0)
    uncertainty.validity->inputs = studies.input_interval(asked.input_draws);
  if (asked.replications > 0 && !studies.interrupted())
    uncertainty.distributions = studies.replicate(asked);
  if (asked.samples > 0 && !studies.interrupted())
    uncertainty.sensitivity = studies.sensitivity(asked);
  if (asked.elasticities && !studies.interrupted())
    uncertainty.resources = studies.resources(loaded);
}

// Of the option; else as many as an interval needs, or none where replications draw the inputs too.
std::size_t input_draws_of(const Arguments& given, bool replicated) {
  const std::size_t draws =
      given.number("input-draws", replicated ? 0 : study::fewest_input_draws, 0);
  if (draws > 0 && draws < study::fewest_input_draws)
    throw UsageError("--input-draws: " + std::to_string(draws) +
                     " draws have no 90 % interval; 0, or at least " +
                     std::to_string(study::fewest_input_draws));
  require_within(limit::replications, double(draws), "draws", "--input-draws", "fewer draws");
  return draws;
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
      .with_text("input-draws", "N",
                 "draws of uncertain inputs for their interval of hours and dollars (19, or 0 with "
                 "replications; 0: none)")
      .with_flag("no-model-error", "replications: times as simulated, without the model's error")
      .with_jobs()
      .with_fidelity();
}

Questions questions_of(const Arguments& given) {
  Questions asked;
  asked.precision = precision_of(given.text("until-precision"));
  asked.replications =
      given.number("replications", asked.precision > 0 ? most_until_precise : 0, 1);
  require_within(limit::replications, double(asked.replications), "replications", "--replications",
                 "fewer replications");
  asked.samples = given.number("sensitivity", 0, fewest_samples);
  asked.input_draws = input_draws_of(given, asked.replications > 0);
  asked.elasticities = given.flag("elasticities");
  return asked;
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
  Questions asked = questions_of(given);
  const Format format = given.format();
  const int jobs = given.jobs();
  const execution::Fidelity fidelity = given.fidelity();

  const scenario::Loaded loaded = scenario::load(file, load_options);
  report::check_quantities(loaded);
  const study::ModelError model(scenario::load_evidence(load_options.catalog_directory));
  asked.model = given.flag("no-model-error") ? nullptr : &model;
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
    answer(asked, loaded, {file, load_options, fidelity, jobs, outcome}, uncertainty);
    if (asked.replications > 0 && !uncertainty.distributions)
      return;
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
