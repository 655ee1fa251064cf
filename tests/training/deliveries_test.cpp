// SPDX-License-Identifier: Apache-2.0
// Pools whose nodes come while the run goes on.
#include "sim/base/diagnostics.hpp"
#include "sim/training/run.hpp"
#include "sim/workload/counts.hpp"
#include "tests/training/setting.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cmath>

using namespace sim;
using namespace sim::training;
using execution::Category;

namespace {

constexpr RunTime whole_day{86'400'000'000'000};

GpuNanoseconds charged(const Ledger& ledger, Category category) {
  return ledger.charged[static_cast<std::size_t>(category)];
}

// A month on 4 nodes of 8 GPUs, each rank with the whole model: 64 sequences a step.
RunInput month() {
  RunInput input = small_run();
  input.start = {2024, 3, 1};
  input.checkpoint.bytes_per_parameter.given = 14 * byte;
  input.stages = {pretraining("main", 1, 64)};
  input.stages[0].tokens.reset();
  input.stages[0].steps = 20'000'000;
  return input;
}

RunTime step_on(int nodes) {
  RunInput input = month();
  input.cluster.main = small_pool(nodes);
  input.stages[0].steps = 1;
  return to_run_time(simulate_run(input).stages[0].step_time);
}

void check_sums(const RunResult& run) {
  GpuNanoseconds sum = 0;
  RunTime wall{};
  for (const StageResult& stage : run.stages) {
    CHECK(stage.wall == stage.waiting + stage.useful + stage.failures.sum());
    sum += stage.ledger.total();
    wall += stage.wall;
  }
  CHECK((run.ledger.total() == sum));
  CHECK((run.gpu_time == sum));
  CHECK(run.wall == wall);
}

} // namespace

TEST_CASE("two sizes: steps of each, one checkpoint and one restart between them") {
  RunInput input = month();
  input.cluster.main.deliveries = {{{2024, 3, 4}, 2}};
  input.reliability.restart = 5 * minute;
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& stage = run.stages.at(0);
  const RunTime small = step_on(2), large = step_on(4);
  REQUIRE(stage.sizes.size() == 2);
  const std::int64_t before =
      (3 * whole_day.nanoseconds + small.nanoseconds - 1) / small.nanoseconds;
  CHECK(stage.sizes[0].gpus == 16);
  CHECK(stage.sizes[0].data == 16);
  CHECK(stage.sizes[0].steps == before);
  CHECK(stage.sizes[1].gpus == 32);
  CHECK(stage.sizes[1].steps == 20'000'000 - before);
  // 14 bytes a parameter: from 16 GPUs to their hosts, to storage, and back to 32.
  const Bytes state = 14 * byte * workload::parameters(input.model.spec).total;
  const RunTime saving = to_run_time(state / 16.0 /
                                     input.cluster.main.node->accelerator->host_bandwidth) +
                         to_run_time(state / input.checkpoint.storage_bandwidth),
                loading = to_run_time(5 * minute) +
                          to_run_time(state / input.checkpoint.storage_bandwidth);
  CHECK(stage.failures.checkpoint_stall == saving);
  CHECK(stage.failures.recovery == loading);
  CHECK(stage.failures.planned == 1);
  CHECK(run.wall == before * small + saving + loading + (20'000'000 - before) * large);
  // What there is: 16 GPUs, and 16 more from the third day on, idle until they are used.
  CHECK((run.gpu_time == GpuNanoseconds{16} * run.wall.nanoseconds +
                             GpuNanoseconds{16} * (run.wall - 3 * whole_day).nanoseconds));
  CHECK((charged(run.ledger, Category::Idle) ==
         GpuNanoseconds{16} * (before * small + saving - 3 * whole_day).nanoseconds));
  CHECK(stage.sizes[1].begin == before * small + saving);
}

TEST_CASE("a size that the batch does not divide over uses the largest that it does") {
  RunInput input = month();
  // 3 nodes from the third day on: 24 ranks do not divide 64 sequences, 16 do.
  input.cluster.main.deliveries = {{{2024, 3, 4}, 1}, {{2024, 3, 6}, 1}};
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& stage = run.stages.at(0);
  REQUIRE(stage.sizes.size() == 2);
  CHECK(stage.sizes[0].gpus == 16);
  CHECK(stage.sizes[1].gpus == 32);
  CHECK(run.substitutions ==
        std::vector<std::string>{
            "stages.main: 3 nodes -> 16 GPUs as before (the largest layout has 16 GPUs)"});
  const GpuNanoseconds idle = charged(run.ledger, Category::Idle);
  CHECK((idle == GpuNanoseconds{8} * (stage.sizes[1].begin - 3 * whole_day).nanoseconds +
                     GpuNanoseconds{8} * (stage.sizes[1].begin - 5 * whole_day).nanoseconds));
}

TEST_CASE(
    "nodes that come earlier never end a run later, those that never come are a smaller pool") {
  RunInput input = month();
  RunTime last{};
  for (const int d : {2, 3, 5, 9, 14, 30}) {
    input.cluster.main.deliveries = {{{2024, 3, d}, 2}};
    const RunTime wall = simulate_run(input).wall;
    CAPTURE(d);
    CHECK(wall >= last);
    last = wall;
  }
  input.cluster.main.deliveries = {{{2030, 1, 1}, 2}};
  RunInput small = month();
  small.cluster.main = small_pool(2);
  CHECK(simulate_run(input).wall == simulate_run(small).wall);
  CHECK((simulate_run(input).gpu_time == simulate_run(small).gpu_time));
}

TEST_CASE("a run waits for its first nodes, which cost nothing before they are there") {
  RunInput input = month();
  input.cluster.main.deliveries = {{{2024, 3, 8}, 4}};
  const RunResult late = simulate_run(input);
  check_sums(late);
  const RunResult now = simulate_run(month());
  CHECK(late.waiting == 7 * whole_day);
  CHECK(late.wall == now.wall + 7 * whole_day);
  CHECK((late.gpu_time == now.gpu_time));
  CHECK((charged(late.ledger, Category::Idle) == 0));
}

TEST_CASE("nodes too few to hold the model wait for others, and are paid for") {
  RunInput input = month();
  plan::ParallelismSpec layout;
  layout.tensor = 8;
  layout.pipeline = 2; // a replica is two nodes
  input.parallelism.given = layout;
  input.stages[0].steps = 1'000'000;
  input.cluster.main.deliveries = {{{2024, 3, 3}, 3}};
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(run.waiting == 2 * whole_day);
  CHECK(
      run.substitutions ==
      std::vector<std::string>{
          "stages.main: 1 nodes -> waits for more (no data parallelism of this layout fills whole "
          "nodes and divides the batch)"});
  CHECK((charged(run.ledger, Category::Idle) == GpuNanoseconds{8} * (2 * whole_day).nanoseconds));
}

TEST_CASE("stages follow each other on what is there; kinds that do not grow wait for all") {
  RunInput input = month();
  input.stages[0].steps = 1000;
  input.stages.push_back(reinforcement("rl", 400));
  input.stages.push_back(input.stages[0]);
  input.stages.back().name = "after";
  input.cluster.main.deliveries = {{{2024, 3, 3}, 2}};
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(run.stages[0].gpus == 16);
  CHECK(run.stages[1].gpus == 32);
  CHECK(run.stages[2].gpus == 32);
  CHECK(run.stages[0].wall + run.stages[1].waiting == 2 * whole_day);
  CHECK((charged(run.stages[1].ledger, Category::Idle) ==
         GpuNanoseconds{16} * run.stages[1].waiting.nanoseconds));
  CHECK(run.stages[2].sizes.size() == 1);
}

TEST_CASE("with failures, spares and slow parts everything that is there is charged") {
  RunInput input = month();
  input.cluster.main = small_pool(5);
  input.cluster.main.deliveries = {{{2024, 3, 3}, 2}, {{2024, 3, 6}, 1}};
  input.reliability.recovery.spares = 1;
  reliability::FailureClassSpec gpu;
  gpu.rate = 1 / (300 * hour);
  gpu.replace = 1;
  gpu.repair = {10 * hour, reliability::RepairLaw::Exponential, 0.5, true};
  reliability::FailureClassSpec slow = gpu;
  slow.effect = reliability::Effect::Slow;
  slow.speed = 0.7;
  input.reliability.classes = {{"gpu", gpu}, {"slow", slow}};
  input.reliability.restart = 5 * minute;
  const PreparedRun prepared(input);
  for (std::uint64_t i = 0; i < 10; ++i)
    for (const double slower : {1.0, 1.3}) {
      const RunResult run = prepared.run(1, i, std::array{ErrorFactor{slower, slower}});
      check_sums(run);
      const StageResult& stage = run.stages[0];
      // 16, 32 and 40 GPUs are there, one node of them a spare; 8, 16 and 32 are worked on.
      const auto there = [&](std::int64_t gpus, std::int64_t days) {
        return GpuNanoseconds{gpus} * (run.wall - days * whole_day).nanoseconds;
      };
      CHECK((run.gpu_time == there(16, 0) + there(16, 2) + there(8, 5)));
      CHECK(stage.sizes.size() == 3);
      CHECK(stage.steps == 20'000'000);
      REQUIRE(stage.failures.causes.size() == 2);
      CHECK(stage.failures.causes[0].name == "gpu");
      CHECK(prepared.run(1, i, std::array{ErrorFactor{slower, slower}}).fingerprint ==
            run.fingerprint);
    }
}

TEST_CASE("failures follow the GPUs that are there") {
  RunInput input = month();
  input.cluster.main.deliveries = {{{2024, 3, 9}, 2}};
  input.stages[0].steps.reset();
  input.stages[0].duration = 16 * 24 * hour;
  reliability::FailureClassSpec gpu;
  gpu.rate = 1 / (1000 * hour);
  input.reliability.classes = {{"gpu", gpu}};
  const StageResult stage = simulate_run(input).stages[0];
  CHECK(stage.wall == 16 * whole_day);
  // 16 GPUs for 16 days, and 16 more for 8.
  CHECK(stage.failures.causes[0].count.expected == Approx(24.0 * (16 * 16 + 16 * 8) / 1000));
  CHECK(stage.steps > 0);
  REQUIRE(stage.sizes.size() == 2);
  CHECK(stage.steps == stage.sizes[0].steps + stage.sizes[1].steps);
  CHECK(stage.tokens == Approx(double(stage.steps) * 64 * 2048));
}

TEST_CASE("one node of a pool runs before the others come, whatever of the fabric can fail") {
  RunInput input = month();
  input.cluster.main = small_pool(2);
  input.cluster.main.deliveries = {{{2024, 3, 9}, 1}};
  reliability::FailureClassSpec link;
  link.component = reliability::Component::Link;
  link.rate = 1 / (1000 * hour);
  input.reliability.classes = {{"link", link}};
  input.stages[0].steps.reset();
  input.stages[0].duration = 16 * 24 * hour;
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& stage = run.stages[0];
  REQUIRE(stage.sizes.size() == 2);
  CHECK(stage.sizes[0].gpus == 8);
  CHECK(run.waiting == RunTime{});
  // 16 NICs from the eighth day on, and cables between switches, if any.
  CHECK(stage.failures.causes[0].count.expected >= 24.0 * 16 * 7.9 / 1000);
}

TEST_CASE("delivered nodes that are not taken fail nobody; those that are bring lemons") {
  RunInput input = month();
  input.cluster.main.deliveries = {{{2024, 3, 9}, 2}};
  input.stages[0].steps.reset();
  input.stages[0].duration = 16 * 24 * hour;
  reliability::FailureClassSpec gpu;
  gpu.rate = 1 / (1000 * hour);
  input.reliability.classes = {{"gpu", gpu}};
  input.reliability.restart = 10 * 24 * hour; // longer than what is left
  const StageResult small = simulate_run(input).stages[0];
  CHECK(small.sizes.size() == 1);
  CHECK(small.failures.expected == Approx(24.0 * 16 * 16 / 1000));
  // A quarter of the nodes are lemons: one half of a node of the first two, on average.
  input.reliability.restart = {};
  input.reliability.lemons = reliability::LemonSpec{0.25, 5, 0};
  const PreparedRun prepared(input);
  double expected = 0;
  constexpr int replications = 300;
  for (std::uint64_t i = 0; i < replications; ++i)
    expected += prepared.run(1, i).stages[0].failures.expected;
  // The mean of the class is kept. Of either two nodes 0.5 lemons, a deviation of 0.5, each worth
  // (5 - 1) / 2 of a node's failures: 8 GPUs for 16 days, and for 8.
  const double mean = 24.0 * (16 * 16 + 16 * 8) / 1000,
               deviation = 0.5 * 2 * 24.0 * 8 * std::sqrt(16.0 * 16 + 8 * 8) / 1000;
  CHECK(std::fabs(expected / replications - mean) < 4 * deviation / std::sqrt(replications));
  CHECK(simulate_run(input).stages[0].sizes.size() == 2);
}

TEST_CASE("checkpoints of planned stops are counted, whether any are taken beside them") {
  RunInput input = month();
  input.reliability.maintenance = reliability::MaintenanceSpec{24 * hour, hour};
  const StageResult stage = simulate_run(input).stages[0];
  CHECK(stage.failures.checkpoint_interval == Seconds{});
  REQUIRE(stage.failures.planned > 0);
  CHECK(stage.failures.checkpoints == stage.failures.planned);
}

TEST_CASE("deliveries that cannot be are refused") {
  RunInput input = month();
  input.cluster.main.deliveries = {{{2024, 3, 9}, 5}};
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
  input.cluster.main.deliveries = {{{2024, 3, 9}, 1}, {{2024, 3, 9}, 1}};
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
  input.cluster.main.deliveries = {{{2024, 3, 1}, 1}};
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
  input.cluster.main.deliveries = {{{2024, 3, 9}, 1}};
  input.start = {};
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
}
