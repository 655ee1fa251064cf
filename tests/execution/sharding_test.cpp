// SPDX-License-Identifier: Apache-2.0
// Steps with sharded gradients and weights: closed forms, and what must hold whatever the layout.
#include "sim/base/random.hpp"
#include "sim/execution/step.hpp"
#include "sim/workload/counts.hpp"
#include "tests/execution/question.hpp"

#include <catch2/catch.hpp>

#include <initializer_list>

using namespace sim;
using namespace sim::execution;
using namespace sim::execution::tests;

namespace {

struct Question : StepQuestion {
  Question() : StepQuestion(16) {
    stack.communication_sms = 0; // nothing but time: kernels are not slowed
    stack.precision.gradient_bytes = 2 * byte;
    request.layout.zero_stage = 3;
  }
};

Seconds data_time(const StepResult& step) {
  return step.communication[static_cast<std::size_t>(plan::CommunicationDimension::Data)];
}

} // namespace

TEST_CASE("without a network to speak of, sharding costs the memory traffic of its collectives") {
  Question question;
  question.pool = pool_of(2, 1e9 * gigabyte / second, 1e9 * gigabyte / second, 1e6 * gigabyte);
  hardware::FabricSpec& fabric = question.pool.fabric.spec;
  fabric.scale_up_latency = fabric.leaf_latency = fabric.tier_latency = 1e-15 * second;
  question.request.layout.zero_stage = 1;
  const Seconds replicated = question.play().duration;
  // Two bytes of each parameter are read and written; at 3 TB/s.
  const Seconds once =
      2 * 2 * workload::parameters(question.model).total * byte / (3 * terabyte / second);
  for (const int stage : {2, 3}) {
    question.request.layout.zero_stage = stage;
    const Seconds more = question.play().duration - replicated;
    // Only a rank with whole gradients clears them: two bytes of each parameter.
    CHECK(more > -0.5 * once - 1e-3 * replicated);
    CHECK(more < (stage == 3 ? 3 : 2) * once);
  }
}

TEST_CASE(
    "on a slow network a step is as long as its gathers and reductions: 3 against 2 volumes") {
  Question question;
  question.pool = pool_of(1, gigabyte / second, gigabyte / second, 1e6 * gigabyte);
  question.request.batch = 8 * 3; // three micro-batches
  const workload::Parameters parameters = workload::parameters(question.model);
  const auto sent = [&](double count) { // a ring of eight; 0.8 of the scale-up bandwidth
    return 2 * count * byte * (7.0 / 8) / (0.8 * gigabyte / second);
  };
  const double n = parameters.total, head = parameters.head + parameters.final_norm;
  const StepResult full = question.play();
  CHECK(data_time(full) / (3 * sent(3 * n - head)) == Approx(1).epsilon(1e-3));
  CHECK(full.duration > data_time(full));
  CHECK(full.duration < 1.1 * data_time(full));
  question.request.layout.reshard_after_forward = false;
  CHECK(data_time(question.play()) / (3 * sent(2 * n)) == Approx(1).epsilon(1e-3));
  question.request.layout.reshard_after_forward = true;
  question.request.layout.zero_stage = 2; // reduces three times, gathers once
  CHECK(data_time(question.play()) / sent(4 * n) == Approx(1).epsilon(1e-3));
  question.request.layout.zero_stage = 1;
  CHECK(data_time(question.play()) / sent(2 * n) == Approx(1).epsilon(1e-3));
}

TEST_CASE("on a fast network, what stays exposed is the first gathers and the last reductions") {
  Question question;
  question.pool.nodes = 1;
  question.request.batch = 8;
  const StepResult step = question.play();
  const workload::Parameters parameters = workload::parameters(question.model);
  const auto ring = [&](double count) {
    return 2 * count * byte * (7.0 / 8) / (0.8 * 450 * gigabyte / second) + 7 * 3 * microsecond;
  };
  const double layer = (parameters.total - 2 * parameters.embedding - 4096) / 8;
  // Forward: the embedding takes no time, so the first layer waits too. Backward: the head is
  // there, and hides the last layer's gather; at the end the embedding's gradients.
  const Seconds least = ring(parameters.embedding) + ring(layer) + ring(parameters.embedding);
  const Seconds exposed = step.breakdown[Category::ExposedData];
  CHECK(exposed > 0.9 * least);
  CHECK(exposed < least + ring(layer) + 500 * microsecond); // the norm; a layer still under way
}

namespace {

template <class T> T one_of(RandomStream& random, std::initializer_list<T> choices) {
  return choices.begin()[random.below(choices.size())];
}

Question draw(RandomStream& random) {
  Question question;
  question.pool = pool_of(one_of(random, {1, 2, 4}), 100 * gigabyte / second,
                          one_of(random, {2.0, 10.0, 50.0}) * gigabyte / second, 1e6 * gigabyte);
  if (random.below(2) == 0)
    question.model = expert_model();
  plan::ParallelismSpec& layout = question.request.layout;
  layout.tensor = one_of(random, {1, 2});
  layout.pipeline = one_of(random, {1, 2});
  layout.expert = question.model.experts ? one_of(random, {1, 4}) : 1;
  layout.data_shard = one_of(random, {0, 4});
  layout.reshard_after_forward = random.below(2) == 0;
  question.request.batch = 64;
  return question;
}

} // namespace

TEST_CASE("a step's time falls with the network's speed, and with what is gathered ahead") {
  RandomStream random(7, "sharding");
  int played = 0;
  while (played < 25) {
    Question question = draw(random);
    INFO("question " << played);
    const plan::ParallelismSpec& layout = question.request.layout;
    if (8 * question.pool.nodes / (layout.tensor * layout.pipeline) < 4)
      continue; // too few data-parallel ranks
    ++played;
    // With other collectives in a pass, gathers further ahead take bandwidth from what is urgent.
    if (!question.model.experts && layout.tensor == 1) {
      Seconds before{};
      for (const int prefetch : {0, 1, 2, 8}) {
        question.stack.sharding.prefetch = prefetch;
        const Seconds now = question.play().duration;
        if (prefetch > 0)
          CHECK(now / before <= 1 + 1e-3); // kernels share memory bandwidth with gathers
        before = now;
      }
    }
    const Seconds slow = question.play().duration;
    hardware::NodeSpec& node = question.pool.node.spec;
    node.accelerator.spec.scale_up_bandwidth = 400 * gigabyte / second;
    node.nic.bandwidth = question.pool.fabric.spec.link_bandwidth = 4 * node.nic.bandwidth;
    CHECK(question.play().duration / slow <= 1 + 1e-3);
  }
}

TEST_CASE("every detail plays the same step, folded and exact, and charges all of it") {
  for (const int pipeline : {1, 2})
    for (const int data_shard : {0, 4}) {
      Question question;
      question.stack.communication_sms = 16;
      question.request.layout.pipeline = pipeline;
      question.request.layout.data_shard = data_shard;
      question.request.batch = 32;
      const StepResult pass = question.play();
      const StepResult kernel = question.play({Detail::Kernel, false});
      const StepResult message = question.play({Detail::Message, false});
      CHECK(kernel.duration / pass.duration == Approx(1).epsilon(0.01));
      CHECK(message.duration / kernel.duration == Approx(1).epsilon(0.01));
      for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
        const StepResult& folded = detail == Detail::Pass ? pass : kernel;
        const StepResult exact = question.play({detail, true});
        CHECK(exact.duration / folded.duration == Approx(1).epsilon(1e-9));
        CHECK(data_time(exact) / data_time(folded) == Approx(1).epsilon(1e-9));
        CHECK(folded.breakdown.total() / folded.duration == Approx(1).epsilon(1e-9));
        CHECK(folded.breakdown[Category::ExposedData] > Seconds{});
      }
    }
}

TEST_CASE("shards within nodes spare the network: only reduced shards cross it") {
  Question question;
  question.pool = pool_of(2, 450 * gigabyte / second, gigabyte / second, 1e6 * gigabyte);
  const double n = workload::parameters(question.model).total;
  const Seconds everywhere = question.play().duration;
  question.request.layout.data_shard = 8;
  const StepResult hybrid = question.play();
  CHECK(hybrid.duration < everywhere);
  // An all-reduce of each GPU's eighth with the other node's, at 0.95 of a GB/s: half of it there
  // and half back.
  const Seconds across = 2 * (n / 8) * byte / (0.95 * gigabyte / second);
  CHECK(data_time(hybrid) > across);
  CHECK(data_time(hybrid) < 1.2 * across);
  question.request.layout.data_shard = 16;
  CHECK(question.play().duration == everywhere);
}
