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
