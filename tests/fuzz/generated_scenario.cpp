// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/swarm/extremes.hpp"
#include "tests/swarm/invariants.hpp"
#include "tests/swarm/random_scenario.hpp"

namespace sim::fuzz {

void generated_scenario(Bytes bytes) {
  swarm::ByteChoices choices(bytes);
  scenario::LoadOptions options;
  if (choices.chance(50))
    options.sets = swarm::extreme_sets(choices, "stage-0");
  const std::string text = swarm::random_scenario(choices).document();
  std::string shown = text; // what a finding prints
  for (const std::string& set : options.sets)
    shown += "--set " + set + "\n";
  try {
    const scenario::Loaded loaded = scenario::load_text(text, "generated.yaml", options);
    try {
      for (const std::string& broken : swarm::broken_invariants(simulate(loaded)))
        throw Finding(broken + "\n" + shown);
    } catch (const InfeasibleError& error) {
      if (error.path().empty() || loaded.locate(error.path()).line < 1)
        throw Finding(std::string("infeasible at no place: ") + error.what() + "\n" + shown);
    } catch (const InternalError& error) {
      throw Finding(std::string(error.what()) + "\n" + shown);
    }
  } catch (const ScenarioError& error) {
    if (options.sets.empty() || error.diagnostics().empty())
      throw Finding(std::string("a valid text was refused: ") + error.what() + "\n" + shown);
    for (const Diagnostic& diagnostic : error.diagnostics())
      if (diagnostic.location.line < 1)
        throw Finding(std::string("wrong at no place: ") + error.what() + "\n" + shown);
  }
}

} // namespace sim::fuzz
