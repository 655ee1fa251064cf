// SPDX-License-Identifier: Apache-2.0
// Random valid scenarios: what is true of every result, and relations between results that are
// theorems. A failing seed prints its scenario.
#include "sim/base/diagnostics.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/study/replications.hpp"
#include "tests/study/temporary_folder.hpp"
#include "tests/swarm/extremes.hpp"
#include "tests/swarm/invariants.hpp"
#include "tests/swarm/random_scenario.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

using namespace sim;

namespace {

struct Outcome {
  std::optional<Result> result;
  std::string infeasible; // why, when there is no result
};

// The text must read well; a scenario that cannot be must say where.
Outcome outcome_of(const std::string& text, const scenario::LoadOptions& options = {},
                   execution::Fidelity fidelity = {}) {
  const scenario::Loaded loaded = scenario::load_text(text, "swarm.yaml", options);
  SimulateOptions how;
  how.fidelity = fidelity;
  try {
    return {simulate(loaded, how), ""};
  } catch (const InfeasibleError& error) {
    CHECK_FALSE(error.path().empty());
    CHECK_FALSE(error.message().empty());
    CHECK(loaded.locate(error.path()).line > 0);
    return {std::nullopt, error.what()};
  }
}

std::string bytes(const Result& result) { return report::write_json(result); }

// Same text, same bytes; the order of keys is none of the text's meaning.
void check_repetition(const swarm::Tree& tree, const Outcome& first, swarm::Choices& choices) {
  const Outcome again = outcome_of(tree.document());
  const Outcome shuffled = outcome_of(tree.shuffled(choices).document());
  CHECK(again.infeasible == first.infeasible);
  CHECK(shuffled.infeasible == first.infeasible);
  if (!first.result)
    return;
  CHECK(bytes(*again.result) == bytes(*first.result));
  CHECK(again.result->run.fingerprint == first.result->run.fingerprint);
  CHECK(bytes(*shuffled.result) == bytes(*first.result));
}

// A title is for people: it moves no time and no dollar.
void check_renaming(swarm::Tree tree, const Result& first) {
  tree["name"] = "Another name";
  const Result renamed = *outcome_of(tree.document()).result;
  CHECK(renamed.run.fingerprint == first.run.fingerprint);
  CHECK(renamed.run.ledger.charged == first.run.ledger.charged);
  CHECK(renamed.bill.total == first.bill.total);
}

// Twice the price, twice the bill, to the last bit; the hours are the same.
void check_price(swarm::Tree tree, const Result& first) {
  tree["price"]["rental"] = swarm::quantity(
      2 * (first.scenario.price.rental.value() / (dollar / gpu_hour)), "USD/GPU-hour");
  const Result twice = *outcome_of(tree.document()).result;
  CHECK(twice.run.fingerprint == first.run.fingerprint);
  CHECK(twice.bill.total / first.bill.total == Approx(2).epsilon(1e-14));
}

// A value on the command line is a value in the text.
void check_override(swarm::Tree tree, const Result& first) {
  scenario::LoadOptions options;
  options.sets = {"model=" + tree["model"].flow(), "price=" + tree["price"].flow()};
  tree["model"] = "llama-3.1-8b";
  tree["price"]["rental"] = "7 USD/GPU-hour";
  const Result same = *outcome_of(tree.document(), options).result;
  CHECK(same.scenario_sha256 == first.scenario_sha256);
  CHECK(bytes(same) == bytes(first));
}

// Hardware that no stage uses costs nothing.
void check_unused_pool(swarm::Tree tree, const Result& first) {
  const swarm::Tree* pools = tree["cluster"].find("pools");
  if (pools == nullptr)
    return;
  swarm::Tree idle;
  idle["node"] = "hgx-h100";
  idle["nodes"] = 4;
  idle["fabric"] = "rail-optimized-400g";
  tree["cluster"]["pools"]["idle"] = idle;
  const Result more = *outcome_of(tree.document()).result;
  CHECK(more.run.fingerprint == first.run.fingerprint);
  CHECK(more.bill.total == first.bill.total);
}

// Without failures and ramps three times the steps take three times as long, exactly.
void check_steps(swarm::Tree tree) {
  for (const char* key : {"reliability", "checkpoint"})
    tree.erase(key);
  bool found = false;
  for (swarm::Tree& stage : tree["stages"].items())
    if (stage.find("kind")->text() == "pretraining" && stage.find("batch")->text() != "") {
      stage.erase("tokens");
      stage["steps"] = 5;
      found = true;
    }
  const Outcome once = outcome_of(tree.document());
  if (!found || !once.result)
    return;
  for (swarm::Tree& stage : tree["stages"].items())
    if (stage.find("steps") != nullptr && stage.find("kind")->text() == "pretraining" &&
        stage.find("batch")->text() != "")
      stage["steps"] = 15;
  const Result thrice = *outcome_of(tree.document()).result;
  for (std::size_t i = 0; i < thrice.run.stages.size(); ++i)
    if (once.result->run.stages[i].steps == 5 && thrice.run.stages[i].steps == 15 &&
        thrice.run.stages[i].levels.size() == 1)
      CHECK(thrice.run.stages[i].wall == 3 * once.result->run.stages[i].wall);
}

// About how many tasks of GPUs a run by kernels plays: an event of a step is a pass or a message.
double tasks_of(const Result& result) {
  double tasks = 0;
  for (const training::StageResult& stage : result.run.stages)
    tasks += 40.0 * double(stage.levels.size() + 1) * double(stage.step.events) *
             double(stage.gpus) / std::max(1, stage.step.layout.pipeline);
  return tasks;
}

// Folding changes nothing, whatever the detail.
void check_exact(const std::string& text, const Result& first) {
  constexpr double most_tasks = 1e6;
  for (const execution::Detail detail : {execution::Detail::Pass, execution::Detail::Kernel}) {
    if (tasks_of(first) > (detail == execution::Detail::Kernel ? most_tasks : 10 * most_tasks))
      return;
    const Result folded = *outcome_of(text, {}, {detail, false}).result;
    const Result exact = *outcome_of(text, {}, {detail, true}).result;
    for (const std::string& broken : swarm::broken_invariants(exact))
      FAIL_CHECK(broken);
    for (std::size_t i = 0; i < folded.run.stages.size(); ++i) {
      const execution::StepResult &a = folded.run.stages[i].step, &b = exact.run.stages[i].step;
      CHECK(b.duration / second == Approx(a.duration / second).epsilon(1e-9).margin(1e-12));
      for (std::size_t c = 0; c < execution::categories; ++c)
        CHECK(b.breakdown.time[c] / second ==
              Approx(a.breakdown.time[c] / second).margin(1e-9 * (a.duration / second)));
    }
  }
}

// Threads change nothing.
void check_replications(const std::string& text) {
  const tests::TemporaryFolder folder;
  const std::string file = folder / "swarm.yaml";
  tests::write_text(file, text);
  const auto json = [&](int jobs) {
    study::ParallelOptions options;
    options.jobs = jobs;
    return report::json_text(
        report::to_json(*study::replicate(study::ReplicationRequest{file, {}, 4}, options)));
  };
  CHECK(json(1) == json(2));
}

// Whether the seed's scenario can be simulated.
bool run_seed(std::uint64_t seed) {
  swarm::SeededChoices choices(seed);
  const swarm::Tree tree = swarm::random_scenario(choices);
  const std::string text = tree.document();
  INFO("seed " << seed << "\n" << text);
  const Outcome first = outcome_of(text);
  if (first.result)
    for (const std::string& broken : swarm::broken_invariants(*first.result))
      FAIL_CHECK(broken);
  const std::uint64_t relation = seed % 6;
  if (relation == 0)
    check_repetition(tree, first, choices);
  if (!first.result)
    return false;
  if (relation == 1)
    check_price(tree, *first.result);
  if (relation == 2)
    check_override(tree, *first.result);
  if (relation == 3)
    check_steps(tree);
  if (relation == 4)
    check_renaming(tree, *first.result);
  if (relation == 5)
    check_unused_pool(tree, *first.result);
  if (seed % 20 == 10)
    check_replications(text);
  if (seed % 10 == 3)
    check_exact(text, *first.result);
  return true;
}

void run_seeds(std::uint64_t first, std::uint64_t last) {
  std::uint64_t feasible = 0;
  for (std::uint64_t seed = first; seed < last; ++seed)
    feasible += run_seed(seed) ? 1 : 0;
  // Else the test would test the refusals only.
  CHECK(2 * feasible > last - first);
}

// Any numbers whatever: a sound result, or a refusal with its place.
void run_extremes(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t seed = first; seed < last; ++seed) {
    swarm::SeededChoices choices(seed);
    const std::string text = swarm::random_scenario(choices).document();
    scenario::LoadOptions options;
    options.sets = swarm::extreme_sets(choices, "stage-0");
    INFO("seed " << seed << "\n"
                 << text << Catch::StringMaker<std::vector<std::string>>::convert(options.sets));
    try {
      const Outcome outcome = outcome_of(text, options);
      if (outcome.result)
        for (const std::string& broken : swarm::broken_invariants(*outcome.result))
          FAIL_CHECK(broken);
    } catch (const ScenarioError& error) {
      for (const Diagnostic& diagnostic : error.diagnostics())
        CHECK(diagnostic.location.line > 0);
    } catch (const std::exception& error) {
      FAIL_CHECK("neither result nor refusal: " << error.what());
    }
  }
}

} // namespace

TEST_CASE("extreme numbers reach every room") {
  const std::vector<std::string> keys = swarm::numeric_keys();
  CHECK(keys.size() > 150);
  for (const char* key : {"cluster.node.accelerator.peak.bf16", "stages[].batch.ramp_steps",
                          "cluster.node.accelerator.kernels.gemm.bf16.half_k", "price.rental",
                          "model.experts.routed", "reliability.failures", "checkpoint.interval"})
    CHECK(std::find(keys.begin(), keys.end(), key) != keys.end());
}
TEST_CASE("extreme numbers: a result or a refusal, 100 seeds") { run_extremes(0, 100); }
TEST_CASE("extreme numbers: seeds 100 to 2000", "[slow]") { run_extremes(100, 2000); }

TEST_CASE("random scenarios: invariants and relations, seeds 0 to 50") { run_seeds(0, 50); }
TEST_CASE("random scenarios: invariants and relations, seeds 50 to 100") { run_seeds(50, 100); }

// In four parts, for as many processors.
TEST_CASE("random scenarios: seeds 100 to 575", "[slow]") { run_seeds(100, 575); }
TEST_CASE("random scenarios: seeds 575 to 1050", "[slow]") { run_seeds(575, 1050); }
TEST_CASE("random scenarios: seeds 1050 to 1525", "[slow]") { run_seeds(1050, 1525); }
TEST_CASE("random scenarios: seeds 1525 to 2000", "[slow]") { run_seeds(1525, 2000); }
