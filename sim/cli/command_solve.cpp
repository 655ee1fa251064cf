// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/report/goal_writer.hpp"
#include "sim/study/goal_seek.hpp"

namespace sim::cli {

namespace {

constexpr const char* more_help =
    "\nThe quantity must rise or fall with the key throughout. Of whole numbers the answer is the\n"
    "first that meets the limit, of others the boundary to 1e-6.\n"
    "  trainfare solve RUN.yaml --vary cluster.nodes --until \"totals.wall_clock_hours <= 1320 "
    "h\"\n"
    "  trainfare solve RUN.yaml --vary price.rental --until \"totals.cost_usd <= 5e6 USD\"\n";

} // namespace

Outcome solve_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_scenario()
      .with_case()
      .with_text("vary", "KEY", "number of the scenario that changes")
      .with_text("until", "LIMIT", "what is to hold: \"PATH <= VALUE UNIT\", or >=")
      .with_text("low", "VALUE", "least value of the key")
      .with_text("high", "VALUE", "largest value of the key")
      .with_text("step", "N", "whole numbers: multiples of N (default 1)")
      .with_format(false)
      .with_fidelity();
  if (!given.parse(arguments, 1, 1)) {
    Outcome help = given.help();
    help.text += more_help;
    return help;
  }
  study::GoalRequest request;
  request.file = given.positional().front();
  request.load = given.load_options();
  request.fidelity = given.fidelity();
  request.goal.vary = given.text("vary");
  request.goal.until = given.text("until");
  if (request.goal.vary.empty() || request.goal.until.empty())
    throw UsageError("--vary and --until are needed; see trainfare solve --help");
  request.goal.vary_place = {"--vary", 1, 1};
  request.goal.until_place = {"--until", 1, 1};
  for (auto [name, value] :
       {std::pair{"low", &request.goal.low}, std::pair{"high", &request.goal.high}})
    if (const std::string text = given.text(name); !text.empty())
      *value = text;
  constexpr std::uint64_t most_step = 1'000'000'000;
  request.goal.step = static_cast<std::int64_t>(given.number("step", 1, 1, most_step));
  const Format format = given.format();

  const scenario::Loaded loaded = scenario::load(request.file, request.load);
  const report::GoalAnswer answer = located(loaded, [&] { return study::seek(request); });
  Outcome outcome;
  outcome.text = format == Format::Json ? report::goal_json(answer) : report::goal_text(answer);
  return outcome;
}

} // namespace sim::cli
