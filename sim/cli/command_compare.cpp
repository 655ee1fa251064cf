// SPDX-License-Identifier: Apache-2.0
#include "sim/base/limit.hpp"
#include "sim/cli/options.hpp"
#include "sim/report/compare_writer.hpp"
#include "sim/study/comparison.hpp"

#include <algorithm>
#include <filesystem>

namespace sim::cli {

namespace {

// "FILE" or "FILE:CASE".
study::ComparisonRequest::Run named(const std::string& argument) {
  const std::size_t colon = argument.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(argument))
    return {argument, "", std::filesystem::path(argument).stem().string()};
  return {argument.substr(0, colon), argument.substr(colon + 1), argument.substr(colon + 1)};
}

study::Equal equal_of(std::string text) {
  for (char& letter : text) // TPP is written in either case
    if (letter >= 'A' && letter <= 'Z')
      letter = static_cast<char>(letter - 'A' + 'a');
  const auto& names = EnumNames<study::Equal>::names;
  const auto known = std::find_if(names.begin(), names.end(),
                                  [&](const auto& name) { return name.second == text; });
  if (known != names.end())
    return known->first;
  if (text.empty())
    return study::Equal::Tokens;
  throw UsageError("--equal: '" + text + "' is none of tokens, budget, time, energy, tpp, nothing");
}

std::vector<std::string> attributed_of(const Arguments& given) {
  const std::string quantity = given.text("quantity");
  if (!quantity.empty())
    return {quantity};
  if (given.flag("attribute") || given.flag("reoptimise"))
    return {"totals.wall_clock_hours", "totals.gpu_hours", "totals.cost_usd", "totals.energy_mwh"};
  return {};
}

constexpr const char* more_help =
    "\nFILE:CASE compares a variant from the file's `cases`. The seed is the same for all.\n"
    "--equal changes how much the longest training stage of every run after the first trains "
    "(tpp:\n"
    "how many nodes it has), so that it takes as much as the first.\n"
    "--attribute tells what of the difference to the first each property makes: compute, HBM\n"
    "bandwidth and size, NVLink, NIC, number of GPUs, power, price, model and software.\n";

} // namespace

Outcome compare_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario()
      .with_text("equal", "WHAT", "tokens (default), budget, time, energy, tpp or nothing")
      .with_flag("attribute", "why hours, GPU-hours, USD and energy differ from the first run's")
      .with_flag("reoptimise", "likewise, and with layouts searched for on every step")
      .with_text("quantity", "PATH", "likewise of this quantity alone")
      .with_flag("allow-scope-mismatch", "compare although the dollars cover different things")
      .with_text("replications", "N", "intervals: N draws of failures and uncertain inputs")
      .with_flag("no-model-error", "replications: times as simulated, without the model's error")
      .with_format(true)
      .with_out("write to FILE instead of standard output")
      .with_jobs()
      .with_fidelity();
  constexpr std::size_t most = 64;
  if (!given.parse(arguments, 2, most)) {
    Outcome help = given.help();
    help.text += more_help;
    return help;
  }
  const Format format = given.format();
  study::ComparisonRequest request;
  for (const std::string& argument : given.positional())
    request.runs.push_back(named(argument));
  request.load = given.load_options();
  request.fidelity = given.fidelity();
  request.equal = equal_of(given.text("equal"));
  request.scope_mismatch = given.flag("allow-scope-mismatch");
  request.attributed = attributed_of(given);
  request.reoptimise = given.flag("reoptimise");
  request.replications = given.number("replications", 0, 1, limit::replications);
  const study::ModelError model(scenario::load_evidence(request.load.catalog_directory));
  request.model = &model;
  request.model_drawn = !given.flag("no-model-error");
  study::ParallelOptions parallel;
  parallel.jobs = given.jobs();
  const report::Comparison comparison = study::compare(request, parallel);

  Outcome outcome;
  outcome.file = given.text("out");
  outcome.text = format == Format::Json  ? report::write_comparison_json(comparison)
                 : format == Format::Csv ? report::write_comparison_csv(comparison)
                                         : report::write_comparison_table(comparison);
  return outcome;
}

} // namespace sim::cli
