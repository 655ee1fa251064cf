// SPDX-License-Identifier: Apache-2.0
// Pipeline schedules held against closed forms and an independent walker; the longest path held
// against the engine.
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/execution/step.hpp"
#include "tests/execution/hand_made.hpp"
#include "tests/execution/setting.hpp"
#include "tests/execution/walker.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <map>

using namespace sim;
using namespace sim::execution;
using plan::PassKey;
using plan::PassKind;
using plan::Schedule;
using tests::lasting;

namespace {

constexpr std::array schedules{
    Schedule::OneForwardOneBackward, Schedule::GPipe,    Schedule::ZeroBubbleH1,
    Schedule::ZeroBubbleV,           Schedule::DualPipe, Schedule::DualPipeV};

// Times of passes by rank and key.
class Times {
public:
  virtual ~Times() = default;
  [[nodiscard]] virtual double of(std::size_t rank, const PassKey& key) = 0;
  const PassTiming& timing(std::size_t rank, const PassKey& key) {
    PassTiming& timing = known_[{rank, key}];
    timing.duration = of(rank, key) * second;
    timing.breakdown[Category::Productive] = timing.duration;
    return timing;
  }

private:
  std::map<std::pair<std::size_t, PassKey>, PassTiming> known_;
};

// Of each kind of pass, for a whole stage; chunks take their share.
class ByKind : public Times {
public:
  ByKind(double forward, double input, double weight, double chunks)
      : forward_(forward / chunks), input_(input / chunks), weight_(weight / chunks) {}
  [[nodiscard]] double of(std::size_t, const PassKey& key) override {
    switch (key.kind) {
    case PassKind::Forward:
      return forward_;
    case PassKind::BackwardInput:
      return input_;
    case PassKind::Weight:
      return weight_;
    case PassKind::Backward:
      return input_ + weight_;
    case PassKind::Pair:
      break;
    }
    return forward_ + input_ + weight_;
  }

private:
  double forward_, input_, weight_;
};

class Drawn : public Times {
public:
  explicit Drawn(RandomStream& random) : random_(random) {}
  [[nodiscard]] double of(std::size_t rank, const PassKey& key) override {
    const auto [known, added] = known_.try_emplace({rank, key});
    if (added)
      known->second = 0.05 + random_.uniform();
    return known->second;
  }

private:
  RandomStream& random_;
  std::map<std::pair<std::size_t, PassKey>, double> known_;
};

// One chain of actors; messages take `delay` each, on links of their own.
StepTiming play(StepPlan plan, const plan::PipelineProgram& program, Times& times, double delay) {
  Patterns patterns;
  for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
    patterns[at(kind)].resize(1);
  const Machine machine = tests::machine_of(static_cast<int>(program.ranks.size()), patterns,
                                            gigabyte / second, delay * second, true);
  const hardware::AcceleratorSpec accelerator = tests::plain_chip();
  plan.accelerator = &accelerator;
  plan.machine = &machine;
  plan.program = &program;
  plan.timing = [&times](const Actor& actor, const PassKey& key, bool) -> const PassTiming& {
    return times.timing(static_cast<std::size_t>(actor.stage), key);
  };
  plan.message = (delay > 0 ? 1e-9 : 0) * byte; // bytes that take no time to speak of
  return play_step(plan);
}

StepTiming play(Schedule schedule, const plan::PipelineShape& shape, Times&& times) {
  return play({}, plan::pipeline_program(schedule, shape), times, 0);
}

void check_same(const StepTiming& a, const StepTiming& b) {
  CHECK(a.duration / b.duration == Approx(1).epsilon(1e-9));
  for (std::size_t c = 0; c < categories; ++c)
    CHECK(a.breakdown.time[c] / b.duration ==
          Approx(b.breakdown.time[c] / b.duration).margin(1e-9));
  for (std::size_t d = 0; d < a.communication.size(); ++d)
    CHECK(a.communication[d] / b.duration == Approx(b.communication[d] / b.duration).margin(1e-9));
  const auto parts = [](const StepTiming& t) {
    return std::array{t.forward, t.backward, t.weight, t.pairs, t.update};
  };
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(parts(a)[i] / b.duration == Approx(parts(b)[i] / b.duration).margin(1e-9));
  CHECK(a.executed / (b.executed + 1 * flop) == Approx(b.executed / (b.executed + 1 * flop)));
}

void check_same(const StepResult& a, const StepResult& b, double tolerance) {
  CHECK(a.duration / b.duration == Approx(1).epsilon(tolerance));
  for (std::size_t c = 0; c < categories; ++c)
    CHECK(a.breakdown.time[c] / b.duration ==
          Approx(b.breakdown.time[c] / b.duration).margin(tolerance));
  for (std::size_t d = 0; d < a.communication.size(); ++d)
    CHECK(a.communication[d] / b.duration ==
          Approx(b.communication[d] / b.duration).margin(tolerance));
  CHECK(a.hardware / b.hardware == Approx(1).epsilon(1e-9));
  CHECK((a.forward + a.backward + a.weight + a.pairs + a.update + a.idle) / a.duration ==
        Approx(1).epsilon(1e-9));
  CHECK(a.idle / b.duration == Approx(b.idle / b.duration).margin(tolerance));
}

plan::StackSpec drawn_stack(RandomStream& random) {
  plan::StackSpec stack;
  stack.overlap.data_gradients = random.below(4) > 0;
  stack.overlap.data_parameters = random.below(4) > 0;
  return stack;
}

// The path gives the engine's step, or both refuse it: false.
bool same_on_path(const hardware::PoolSpec& pool, const workload::ModelSpec& model,
                  const plan::StackSpec& stack, const StepSimulator::Request& request,
                  double tolerance = 1e-9) {
  const plan::ParallelismSpec& layout = request.layout;
  INFO("schedule " << name_of(layout.schedule) << " p " << layout.pipeline << " v "
                   << layout.virtual_stages << " t " << layout.tensor << " batch "
                   << request.batch);
  StepSimulator by_path(pool, model, stack);
  StepSimulator by_engine(pool, model, stack, {Detail::Pass, false, true});
  try {
    by_engine.step(request);
  } catch (const InfeasibleError&) {
    CHECK_THROWS_AS(by_path.step(request), InfeasibleError);
    return false;
  }
  check_same(by_path.step(request), by_engine.step(request), tolerance);
  return true;
}

} // namespace

TEST_CASE("GPipe with equal stages takes (m + p - 1)(T_F + T_B), breadth-first chunks divide the "
          "bubble") {
  for (const int p : {1, 2, 4, 8})
    for (const int m : {1, 4, 16})
      for (const int v : {1, 2, 4}) {
        if (v > 1 && m < p)
          continue; // the next chunk would wait for the first one's end
        const StepTiming step = play(Schedule::GPipe, {p, m, v, plan::StepMode::Training},
                                     ByKind(0.013, 0.020, 0.009, v));
        CHECK(step.duration / second ==
              Approx((m + double(p - 1) / v) * (0.013 + 0.029)).epsilon(1e-9));
      }
}

TEST_CASE("ZB-H1's bubble is (p - 1)(T_F + T_B - T_W)") {
  // Arbitrary times as long as W fills no more than the others leave (T_W <= T_F, T_B).
  for (const auto& [forward, input, weight] :
       {std::array{1.0, 1.0, 1.0}, std::array{1.3, 1.7, 0.8}})
    for (const int p : {1, 2, 4, 7, 8})
      for (const int m : {2 * p, 2 * p + 3, 5 * p}) {
        const StepTiming step = play(Schedule::ZeroBubbleH1, {p, m, 1, plan::StepMode::Training},
                                     ByKind(forward, input, weight, 1));
        CHECK(step.duration / second ==
              Approx(m * (forward + input + weight) + (p - 1) * (forward + input - weight))
                  .epsilon(1e-9));
      }
}

TEST_CASE("ZB-V has no bubble but the way to the last rank") {
  // Rank p - 1 cannot begin before p - 1 forward passes of half a stage, and no rank waits again.
  for (const int p : {1, 2, 4, 7, 8})
    for (const int m : {2 * p, 2 * p + 3, 5 * p}) {
      const StepTiming step =
          play(Schedule::ZeroBubbleV, {p, m, 1, plan::StepMode::Training}, ByKind(1, 1, 1, 2));
      CHECK(step.duration / second == Approx(3.0 * m + (p - 1) / 2.0).epsilon(1e-9));
    }
}

TEST_CASE("DualPipeV's bubble is (P/2 - 1)(F&B + B - 3W) for P = 2 p chunks") {
  for (const int p : {1, 2, 4, 7, 8})
    for (const int m : {2 * p, 2 * p + 3, 5 * p}) {
      // Per chunk: F&B = 3/2, B (full backward) = 1, W = 1/2.
      const StepTiming step =
          play(Schedule::DualPipeV, {p, m, 1, plan::StepMode::Training}, ByKind(1, 1, 1, 2));
      CHECK(step.duration / second == Approx(3.0 * m + (p - 1) * (1.5 + 1 - 1.5)).epsilon(1e-9));
    }
}

TEST_CASE("every schedule takes what an independent walk over its program takes") {
  RandomStream random(1, "walks");
  for (int i = 0; i < 300; ++i) {
    const Schedule schedule = schedules[random.below(schedules.size())];
    const plan::ScheduleRule& rule = plan::rule_of(schedule);
    plan::PipelineShape shape;
    shape.ranks = static_cast<int>(1 + random.below(9));
    if (rule.even)
      shape.ranks += shape.ranks % 2;
    if (rule.interleaves && shape.ranks > 1)
      shape.virtual_stages = static_cast<int>(1 + random.below(3));
    shape.micro_batches = static_cast<std::int64_t>(1 + random.below(12)) +
                          std::int64_t{rule.micro_batches_a_rank} * shape.ranks;
    if (rule.even)
      shape.micro_batches += shape.micro_batches % 2;
    if (schedule == Schedule::OneForwardOneBackward && shape.virtual_stages > 1)
      shape.micro_batches *= shape.ranks;
    const double delay = random.below(3) == 0 ? 0 : 0.04 * random.uniform();
    INFO(rule.title << " p " << shape.ranks << " m " << shape.micro_batches << " v "
                    << shape.virtual_stages << " delay " << delay);
    Drawn times(random);
    const plan::PipelineProgram program = plan::pipeline_program(schedule, shape);
    const tests::Walk walk = tests::walk(
        program, [&](std::size_t rank, const PassKey& key) { return times.of(rank, key); }, delay);
    const StepTiming by_path = play({}, program, times, delay);
    StepPlan by_engine;
    by_engine.engine_only = true;
    const StepTiming played = play(by_engine, program, times, delay);
    CHECK(by_path.duration / second == Approx(walk.end).epsilon(1e-9));
    CHECK(played.duration / second == Approx(walk.end).epsilon(1e-9));
    double busy = 0;
    for (const double rank : walk.busy)
      busy += rank / shape.ranks;
    CHECK(by_path.breakdown[Category::Productive] / second == Approx(busy).epsilon(1e-9));
    check_same(by_path, played);
  }
}

TEST_CASE("the path ends where parameters or gradients travel, with the engine's times") {
  RandomStream random(1, "updates");
  for (int i = 0; i < 100; ++i) {
    plan::PipelineShape shape;
    shape.ranks = static_cast<int>(1 + random.below(6));
    shape.micro_batches = static_cast<std::int64_t>(1 + random.below(20));
    const Schedule schedule =
        random.below(2) == 0 ? Schedule::OneForwardOneBackward : Schedule::ZeroBubbleH1;
    StepPlan plan;
    plan.norm = 0.1 * second;
    plan.synchronisation = 0.2 * second;
    for (int stage = 0; stage < shape.ranks; ++stage) {
      StageUpdate update;
      if (random.below(3) > 0)
        update.parameters_early = {lasting(3 * random.uniform() * second)};
      if (random.below(3) > 0)
        update.gradients_early = {lasting(random.uniform() * second)};
      update.gradients_late = {lasting(random.uniform() * second)};
      update.optimizer.device = random.uniform() * second;
      plan.updates.push_back(update);
    }
    const double delay = 0.04 * random.uniform();
    Drawn times(random);
    const plan::PipelineProgram program = plan::pipeline_program(schedule, shape);
    const StepTiming by_path = play(plan, program, times, delay);
    plan.engine_only = true;
    check_same(by_path, play(plan, program, times, delay));
    CHECK(by_path.breakdown.total() / by_path.duration == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE(
    "on a cluster, where messages meet one another and gradients, the path gives the engine's "
    "step") {
  RandomStream random(1, "cluster");
  int played = 0;
  for (int i = 0; i < 120; ++i) {
    const double nic = std::array{0.2, 2.0, 50.0}[random.below(3)];
    const hardware::PoolSpec pool =
        tests::pool_of(4, 450 * gigabyte / second, nic * gigabyte / second, 1e6 * gigabyte);
    const workload::ModelSpec model =
        random.below(3) == 0 ? tests::expert_model() : tests::dense_model();
    const plan::StackSpec stack = drawn_stack(random);
    StepSimulator::Request request;
    plan::ParallelismSpec& layout = request.layout;
    layout.schedule = schedules[random.below(schedules.size())];
    layout.tensor = std::array{1, 2, 4, 8}[random.below(4)];
    layout.pipeline = std::array{2, 4, 4, 8}[random.below(4)];
    layout.expert = model.experts && random.below(2) == 0 ? 2 : 1;
    if (plan::rule_of(layout.schedule).interleaves && 2 * layout.pipeline <= model.layers)
      layout.virtual_stages = static_cast<int>(1 + random.below(2));
    request.sequence_length = 2048;
    request.batch = std::int64_t{32} / (layout.tensor * layout.pipeline) *
                    std::array{8, 16, 48}[random.below(3)];
    if (random.below(8) == 0)
      request.mode = plan::StepMode::ForwardOnly;
    INFO("case " << i << " nic " << nic);
    played += same_on_path(pool, model, stack, request) ? 1 : 0;
  }
  CHECK(played > 60);
}

TEST_CASE("long pipelines, whose stages come to their gradients one by one, take what the engine "
          "takes") {
  RandomStream random(1, "tail");
  int played = 0;
  for (int i = 0; i < 60; ++i) {
    const double nic = std::array{1.0, 10.0, 50.0}[random.below(3)];
    hardware::PoolSpec pool =
        tests::pool_of(16, 450 * gigabyte / second, nic * gigabyte / second, 1e6 * gigabyte);
    if (random.below(3) == 0)
      pool.fabric.spec.leaf_oversubscription = 4; // gradients of several stages share uplinks
    workload::ModelSpec model = tests::dense_model();
    model.layers = 32;
    const plan::StackSpec stack = drawn_stack(random);
    StepSimulator::Request request;
    plan::ParallelismSpec& layout = request.layout;
    layout.schedule = std::array{Schedule::OneForwardOneBackward, Schedule::OneForwardOneBackward,
                                 Schedule::GPipe, Schedule::ZeroBubbleH1}[random.below(4)];
    layout.tensor = std::array{1, 2, 4, 8}[random.below(4)];
    layout.pipeline = std::array{8, 16}[random.below(2)];
    layout.zero_stage = static_cast<int>(random.below(2));
    if (random.below(2) == 0)
      layout.rank_order = plan::RankOrder::TensorContextPipelineData; // stages share nodes
    if (layout.schedule == Schedule::OneForwardOneBackward)
      layout.virtual_stages = static_cast<int>(1 + random.below(2));
    request.sequence_length = 2048;
    request.batch = std::int64_t{128} / (layout.tensor * layout.pipeline) *
                    std::array{4, 16, 32, 48}[random.below(4)]; // fewer than stages, too
    INFO("case " << i << " nic " << nic);
    played += same_on_path(pool, model, stack, request) ? 1 : 0;
  }
  CHECK(played > 40);
}

TEST_CASE("where messages of many stages share links, the path gives the engine's step") {
  RandomStream random(1, "meetings");
  int played = 0;
  for (int i = 0; i < 150; ++i) {
    const double nic = std::array{0.5, 2.0, 8.0, 25.0}[random.below(4)];
    hardware::PoolSpec pool =
        tests::pool_of(16, 450 * gigabyte / second, nic * gigabyte / second, 1e6 * gigabyte);
    hardware::FabricSpec& fabric = pool.fabric.spec;
    fabric.builder = std::array{hardware::FabricBuilder::RailOptimized,
                                hardware::FabricBuilder::FatTree}[random.below(2)];
    fabric.switch_ports = std::array{16, 24, 64}[random.below(3)]; // of a leaf
    fabric.spine_ports = 256;
    fabric.leaf_oversubscription = std::array{1.0, 2.0, 4.0}[random.below(3)];
    pool.node.spec.nics = std::array{2, 4, 8}[random.below(3)];
    workload::ModelSpec model = random.below(4) == 0 ? tests::expert_model() : tests::dense_model();
    model.layers = 32;
    const plan::StackSpec stack = drawn_stack(random);
    StepSimulator::Request request;
    plan::ParallelismSpec& layout = request.layout;
    layout.schedule = random.below(3) > 0 ? Schedule::OneForwardOneBackward
                                          : schedules[random.below(schedules.size())];
    layout.tensor = std::array{1, 2, 4, 8}[random.below(4)];
    layout.pipeline = std::array{4, 8, 16}[random.below(3)];
    layout.zero_stage = static_cast<int>(random.below(2));
    layout.rank_order = random.below(2) == 0 ? plan::RankOrder::TensorContextPipelineData
                                             : plan::RankOrder::TensorContextDataPipeline;
    if (plan::rule_of(layout.schedule).interleaves)
      layout.virtual_stages = static_cast<int>(1 + random.below(2));
    request.sequence_length = std::array{512, 2048}[random.below(2)];
    request.batch = std::int64_t{128} / (layout.tensor * layout.pipeline) *
                    std::array{4, 16, 32, 48}[random.below(4)];
    INFO("case " << i << " nic " << nic << " " << pool.node.spec.nics << " ports "
                 << fabric.switch_ports << " over " << fabric.leaf_oversubscription);
    // A message that leaves later meets others later: where many meet on narrow uplinks, a rounding
    // doubles with each.
    const double tolerance = fabric.leaf_oversubscription > 1 ? 1e-6 : 1e-9;
    played += same_on_path(pool, model, stack, request, tolerance) ? 1 : 0;
  }
  CHECK(played > 60);
}

TEST_CASE("replicas of different speed, without a pipeline, take what the engine takes") {
  RandomStream random(1, "speeds");
  const workload::ModelSpec model = tests::dense_model();
  for (int i = 0; i < 300; ++i) {
    hardware::PoolSpec pool =
        tests::pool_of(1, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
    const double speed = 0.3 + 0.2 * random.uniform(); // ends of lanes that rounding may part
    pool.slow_gpus = {{static_cast<int>(random.below(8)), speed}};
    plan::StackSpec stack;
    stack.overlap.data_gradients = random.below(2) == 0;
    StepSimulator::Request request;
    request.sequence_length = 1000 + static_cast<double>(random.below(3000));
    request.batch = 8 * static_cast<std::int64_t>(1 + random.below(6));
    INFO("case " << i << " speed " << speed);
    CHECK(same_on_path(pool, model, stack, request));
  }
}

TEST_CASE("what other layouts have left in memory changes no bit of a step") {
  const hardware::PoolSpec pool =
      tests::pool_of(4, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
  const workload::ModelSpec model = tests::dense_model();
  const plan::StackSpec stack;
  std::vector<StepSimulator::Request> requests;
  for (const int tensor : {1, 2, 8})
    for (const int pipeline : {1, 2, 4})
      for (const int micro_batch : {1, 2})
        for (const int zero_stage : {0, 1, 3}) {
          StepSimulator::Request request;
          request.layout.tensor = tensor;
          request.layout.pipeline = pipeline;
          request.layout.micro_batch = micro_batch;
          request.layout.zero_stage = zero_stage;
          request.sequence_length = 2048;
          request.batch = 256;
          requests.push_back(request);
        }
  StepSimulator one_after_another(pool, model, stack);
  for (const StepSimulator::Request& request : requests)
    one_after_another.step(request);
  for (const StepSimulator::Request& request : requests) {
    StepSimulator fresh(pool, model, stack);
    const StepResult& alone = fresh.step(request);
    const StepResult& after = one_after_another.step(request);
    CHECK(alone.duration == after.duration);
    CHECK(alone.fingerprint == after.fingerprint);
    CHECK(alone.breakdown.time == after.breakdown.time);
  }
}
