// SPDX-License-Identifier: Apache-2.0
// Steps with experts cut over other ranks than the tensor group, with activations in the host's
// memory, with frozen weights and with messages in shares.
#include "sim/execution/step.hpp"
#include "tests/execution/question.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace sim;
using namespace sim::execution;
using namespace sim::execution::tests;

namespace {

struct Question : StepQuestion {
  Question() : StepQuestion(32) {
    pool.node.spec.accelerator.spec.host_bandwidth = 50 * gigabyte / second;
  }
};

// Folded and exact, passes and kernels: the same step, all of it charged.
void check_details(const Question& question) {
  const StepResult pass = question.play();
  const StepResult kernel = question.play({Detail::Kernel, false});
  CHECK(kernel.duration / pass.duration == Approx(1).epsilon(0.02));
  for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
    const StepResult& folded = detail == Detail::Pass ? pass : kernel;
    const StepResult exact = question.play({detail, true});
    CHECK(exact.duration / folded.duration == Approx(1).epsilon(1e-9));
    CHECK(folded.breakdown.total() / folded.duration == Approx(1).epsilon(1e-9));
    for (std::size_t d = 0; d < communication_dimensions; ++d)
      CHECK(exact.communication[d] / second ==
            Approx(folded.communication[d] / second).epsilon(1e-9));
  }
}

Seconds communication(const StepResult& step, plan::CommunicationDimension dimension) {
  return step.communication[static_cast<std::size_t>(dimension)];
}

} // namespace

TEST_CASE("experts on tensor ranks play alike in every detail") {
  for (const int cut : {1, 2}) {
    Question question;
    question.model = expert_model();
    question.request.layout.tensor = 4;
    question.request.layout.expert = 8 / cut;
    question.request.layout.expert_tensor = cut;
    check_details(question);
  }
}

TEST_CASE("experts on neighbouring ranks stay off the network that experts four ranks apart use") {
  Question question;
  question.model = expert_model();
  question.request.layout.tensor = 4;
  question.request.layout.expert = 4;
  const StepResult apart = question.play();
  question.request.layout.expert_tensor = 1;
  const StepResult beside = question.play();
  constexpr auto expert = plan::CommunicationDimension::Expert;
  CHECK(communication(beside, expert) < communication(apart, expert));
  CHECK(beside.hardware / apart.hardware == Approx(1).epsilon(1e-12));
}

TEST_CASE("offloaded activations cost what the host link cannot hide") {
  Question question;
  const Seconds kept = question.play().duration;
  question.stack.offload_layers = 7;
  check_details(question);
  hardware::AcceleratorSpec& chip = question.pool.node.spec.accelerator.spec;
  chip.host_bandwidth = 1e9 * gigabyte / second;
  CHECK(question.play().duration / kept == Approx(1).epsilon(1e-6));
  // On a slow link the step is as long as the copies: seven layers there and back, two
  // micro-batches.
  chip.host_bandwidth = gigabyte / second;
  const StepResult slow = question.play();
  constexpr auto host = plan::CommunicationDimension::Host;
  CHECK(slow.duration > communication(slow, host));
  CHECK(slow.duration < kept + communication(slow, host));
  // Per token in 16 bit: two norms' input and output 4 h, attention q, k, v, output and FP32
  // statistics, gate, up and product.
  const double layer = 4096.0 * (2 * (4 * 4096 + 4096 + 2 * 1024 + 4096 + 3 * 14336) + 4 * 32);
  CHECK(communication(slow, host) / second == Approx(2 * 2 * 7 * layer / 1e9).epsilon(1e-9));
  CHECK(slow.breakdown[Category::Transfer] > 0.5 * communication(slow, host));
  CHECK(slow.memory.activations < question.play().memory.activations + 1 * byte);
}

TEST_CASE("frozen weights: two thirds of the work, gradients of adapters alone on the network") {
  Question question;
  question.request.batch = 64;
  const StepResult all = question.play();
  question.model.adapters = workload::AdaptersSpec{8, {workload::AdaptedLayer::QueryKeyValue}};
  const StepResult frozen = question.play();
  check_details(question);
  CHECK(frozen.duration / all.duration > 0.55);
  CHECK(frozen.duration / all.duration < 0.80);
  constexpr auto data = plan::CommunicationDimension::Data;
  CHECK(communication(frozen, data) < 0.1 * communication(all, data));
  CHECK(frozen.model_causal < all.model_causal);
}

TEST_CASE("shares of messages are faster where NICs are slow; their gathers are tensor traffic") {
  Question question;
  question.pool = pool_of(2, 450 * gigabyte / second, 5 * gigabyte / second, 1e6 * gigabyte);
  question.request.layout.tensor = 4;
  question.request.layout.pipeline = 4;
  question.request.layout.sequence_parallel = false;
  const StepResult whole = question.play();
  question.stack.scatter_gather = true;
  check_details(question);
  const StepResult shares = question.play();
  constexpr auto pipeline = plan::CommunicationDimension::Pipeline;
  constexpr auto tensor = plan::CommunicationDimension::Tensor;
  CHECK(communication(shares, pipeline) < 0.5 * communication(whole, pipeline));
  CHECK(communication(shares, tensor) > communication(whole, tensor));
  CHECK(shares.duration < whole.duration);
}

TEST_CASE("context ranks exchange in three ways that play alike in every detail") {
  for (const auto how : {plan::ContextExchange::Ring, plan::ContextExchange::AllToAll}) {
    Question question;
    question.request.layout.context = 4;
    question.stack.context_exchange = how;
    check_details(question);
  }
}
