// SPDX-License-Identifier: Apache-2.0
// What must hold of a step's communication, whatever the cluster.
#include "sim/execution/step.hpp"
#include "tests/execution/question.hpp"
#include "tests/network/library.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace sim;
using namespace sim::execution;
using namespace sim::execution::tests;

namespace {

struct Question : StepQuestion {
  Question() : StepQuestion(64) {
    pool = pool_of(4, 200 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
  }
};

// Dispatch over several nodes, with and without pipelining and shards; trees over nodes.
std::vector<Question> questions() {
  std::vector<Question> all;
  for (const int expert : {8, 16})
    for (const int pipeline : {1, 2}) {
      Question question;
      question.model = expert_model();
      question.request.layout.expert = expert;
      question.request.layout.pipeline = pipeline;
      question.request.layout.zero_stage = pipeline == 1 ? 2 : 1;
      all.push_back(question);
    }
  Question trees;
  trees.pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
  trees.pool.node.spec.in_switch_reduction = true;
  trees.request.layout.tensor = 4;
  all.push_back(trees);
  return all;
}

Seconds data_time(const StepResult& step) {
  return step.communication[static_cast<std::size_t>(plan::CommunicationDimension::Data)];
}

} // namespace

TEST_CASE("a faster scale-up domain never makes a step slower") {
  int number = 0;
  for (Question question : questions())
    for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
      INFO("question " << number++ << ", detail " << static_cast<int>(detail));
      Seconds before{};
      for (const double factor : {1.0, 1.3, 2.0, 3.0, 4.5, 9.0, 30.0}) {
        question.pool.node.spec.accelerator.spec.scale_up_bandwidth =
            factor * 100 * gigabyte / second;
        const Seconds now = question.play({detail, false}).duration;
        INFO("scale-up bandwidth times " << factor);
        if (before > Seconds{})
          CHECK(now / before <= 1 + 1e-9);
        before = now;
      }
    }
}

TEST_CASE("messages of a faster leg keep the pace of the slower one") {
  Question question;
  question.model = expert_model();
  question.model.layers = 1;
  question.request.layout.expert = 16;
  question.request.batch = 32;
  Seconds before{};
  for (const double factor : {1.0, 3.0, 9.0, 30.0}) {
    question.pool.node.spec.accelerator.spec.scale_up_bandwidth = factor * 100 * gigabyte / second;
    const Seconds messages = question.play({Detail::Message, false}).duration;
    INFO("scale-up bandwidth times " << factor << ": " << messages / second);
    CHECK(messages / question.play({Detail::Kernel, false}).duration == Approx(1).epsilon(0.01));
    if (before > Seconds{})
      CHECK(messages / before <= 1 + 1e-9);
    before = messages;
  }
}

TEST_CASE("exposed data communication is part of all, beside weak links too") {
  for (const double capacity : {1.0, 0.5, 0.1})
    for (const int tensor : {1, 2, 8})
      for (const Fidelity fidelity : {Fidelity{Detail::Pass, false}, Fidelity{Detail::Pass, true},
                                      Fidelity{Detail::Kernel, false}}) {
        INFO("capacity " << capacity << ", tensor " << tensor << ", detail "
                         << static_cast<int>(fidelity.detail) << ", exact " << fidelity.exact);
        Question question;
        question.request.layout.tensor = tensor;
        question.request.batch = 32;
        if (capacity < 1)
          question.pool.weak_links = {
              {.tier = topology::LinkKind::Nic, .device = 3, .capacity = capacity}};
        const StepResult step = question.play(fidelity);
        CHECK(step.breakdown[Category::ExposedData] > Seconds{});
        CHECK(step.breakdown[Category::ExposedData] / data_time(step) <= 1 + 1e-9);
        CHECK(step.breakdown.total() / step.duration == Approx(1).epsilon(1e-9));
      }
}

namespace {

// Four stages, one on each node.
StepQuestion tied_question(plan::Schedule schedule, int tensor, int zero_stage, bool tied) {
  StepQuestion question(64);
  question.pool = pool_of(4, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
  question.model.tied_embeddings = tied;
  question.request.layout.pipeline = 4;
  question.request.layout.tensor = tensor;
  question.request.layout.zero_stage = zero_stage;
  question.request.layout.schedule = schedule;
  return question;
}

} // namespace

TEST_CASE("a tied table's gradients are summed over the ends of the pipeline") {
  const auto pipeline = static_cast<std::size_t>(plan::CommunicationDimension::Pipeline);
  for (const int zero_stage : {0, 1, 2})
    for (const int tensor : {1, 2})
      for (const Detail detail : {Detail::Pass, Detail::Kernel, Detail::Message}) {
        INFO("ZeRO " << zero_stage << ", tensor " << tensor << ", detail "
                     << static_cast<int>(detail));
        const auto step = [&](bool tied) {
          return tied_question(plan::Schedule::OneForwardOneBackward, tensor, zero_stage, tied)
              .play({detail, false});
        };
        const StepResult apart = step(false), tied = step(true);
        // A ring of two over their NICs: 2 (n - 1)/n of the buffer each way, 4 bytes a parameter.
        const double shards = zero_stage == 2 ? 8.0 / tensor : 1;
        const double ring = 64000.0 * 4096 * 4 / tensor / shards / (50e9 * 0.95);
        CHECK((tied.duration - apart.duration) / second == Approx(ring).epsilon(0.01));
        // Two of four stages take part, the others wait for them.
        CHECK((tied.communication[pipeline] - apart.communication[pipeline]) / second ==
              Approx(ring / 2).epsilon(0.01));
        const auto more = [&](Category category) {
          return (tied.breakdown[category] - apart.breakdown[category]) / second;
        };
        CHECK(more(Category::ExposedPipeline) == Approx(ring / 2).epsilon(0.01));
        CHECK(more(Category::Bubble) == Approx(ring / 2).epsilon(0.01));
        CHECK(tied.breakdown.total() / tied.duration == Approx(1).epsilon(1e-9));
      }
}

TEST_CASE("ends of a pipeline that no groups of two are like sum a tied table's gradients too") {
  const auto step = [](bool tied) {
    StepQuestion question(12);
    question.pool = pool_of(3, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
    question.pool.node.spec.accelerators = question.pool.node.spec.nics = 1;
    question.model.tied_embeddings = tied;
    question.request.layout.pipeline = 3;
    return question.play().duration;
  };
  CHECK((step(true) - step(false)) / second ==
        Approx(64000.0 * 4096 * 4 / (50e9 * 0.95)).epsilon(0.01));
}

TEST_CASE("a table that one rank holds whole needs no sum") {
  const auto same = [](const StepQuestion& tied, const StepQuestion& apart) {
    return tied.play().duration == apart.play().duration;
  };
  const auto of = [](plan::Schedule schedule, bool tied) {
    StepQuestion question = tied_question(schedule, 1, 1, tied);
    question.stack.overlap.expert_pairs = true;
    return question;
  };
  for (const plan::Schedule schedule :
       {plan::Schedule::ZeroBubbleV, plan::Schedule::DualPipe, plan::Schedule::DualPipeV})
    CHECK(same(of(schedule, true), of(schedule, false)));
  CHECK_FALSE(
      same(of(plan::Schedule::ZeroBubbleH1, true), of(plan::Schedule::ZeroBubbleH1, false)));
  // In one stage the tied table is trained once; the optimizer has less to do.
  StepQuestion whole = of(plan::Schedule::OneForwardOneBackward, true);
  whole.request.layout.pipeline = 1;
  const StepResult step = whole.play();
  CHECK(step.communication[static_cast<std::size_t>(plan::CommunicationDimension::Pipeline)] ==
        Seconds{});
  CHECK(step.breakdown[Category::ExposedPipeline] == Seconds{});
}

TEST_CASE("passes and kernels agree where shards are reduced and gathered beside slow GPUs") {
  struct Case {
    int nodes, tensor, pipeline;
  };
  // In the first the middle node holds GPUs of both stages, whose reductions meet on its NICs.
  for (const Case& given : {Case{3, 4, 2}, Case{4, 4, 2}, Case{3, 2, 3}, Case{4, 1, 4}})
    for (const int zero_stage : {2, 3})
      for (const double speed : {1.0, 0.8, 0.5}) {
        INFO(given.nodes << " nodes, tensor " << given.tensor << ", pipeline " << given.pipeline
                         << ", ZeRO " << zero_stage << ", a GPU at " << speed);
        StepQuestion question(24 * given.nodes);
        question.pool =
            pool_of(given.nodes, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
        question.pool.slow_gpus = {{5, speed}};
        question.stack.recompute = plan::Recompute::Full;
        question.stack.communication_sms = 16;
        question.request.sequence_length = 2048;
        question.request.layout.tensor = given.tensor;
        question.request.layout.pipeline = given.pipeline;
        question.request.layout.zero_stage = zero_stage;
        CHECK(question.play({Detail::Pass, false}).duration /
                  question.play({Detail::Kernel, false}).duration ==
              Approx(1).epsilon(0.02));
      }
}
