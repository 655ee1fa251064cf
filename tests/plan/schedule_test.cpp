// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/schedule/schedule.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

using namespace sim;
using namespace sim::plan;

namespace {

struct Seen {
  std::set<std::pair<int, int>> forward, backward, input_only, weight;
};

// Every chunk runs every micro-batch of its direction once forward and once backward; deferred
// weights come after their backward.
Seen check_program(const PipelineProgram& program) {
  Seen seen;
  for (const auto& rank : program.ranks) {
    std::set<std::pair<int, int>> started, deferred;
    for (const ScheduledPass& p : rank) {
      const std::pair forward{p.pass.chunk, p.micro_batch};
      switch (p.pass.kind) {
      case PassKind::Forward:
        REQUIRE(seen.forward.insert(forward).second);
        started.insert(forward);
        break;
      case PassKind::Backward:
      case PassKind::BackwardInput:
        REQUIRE(started.count(forward) == 1); // stored by the same rank
        REQUIRE(seen.backward.insert(forward).second);
        if (p.pass.kind == PassKind::BackwardInput)
          deferred.insert(forward);
        break;
      case PassKind::Weight:
        REQUIRE(deferred.erase(forward) == 1);
        break;
      case PassKind::Pair: {
        const std::pair backward{p.pass.backward_chunk, p.backward_micro_batch};
        REQUIRE(seen.forward.insert(forward).second);
        REQUIRE(started.count(backward) == 1);
        started.insert(forward);
        REQUIRE(seen.backward.insert(backward).second);
        break;
      }
      }
    }
    REQUIRE(deferred.empty());
  }
  return seen;
}

// Most micro-batch chunks that a rank stores at one time, counted from its program.
int stored(const std::vector<ScheduledPass>& rank) {
  int now = 0, most = 0;
  for (const ScheduledPass& p : rank) {
    if (p.pass.kind == PassKind::Forward || p.pass.kind == PassKind::Pair)
      most = std::max(most, ++now);
    if (p.pass.kind != PassKind::Forward && p.pass.kind != PassKind::Weight)
      --now;
  }
  return most;
}

} // namespace

TEST_CASE("1F1B runs every micro-batch once and stores min(p - r, m)") {
  for (const int p : {1, 2, 4, 7})
    for (const int m : {1, 3, 8, 20}) {
      const PipelineProgram program = one_forward_one_backward({p, m, 1, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(p * m));
      CHECK(seen.backward == seen.forward);
      for (int r = 0; r < p; ++r) {
        CHECK(stored(program.ranks[static_cast<std::size_t>(r)]) == std::min(p - r, m));
        CHECK(program.activations_in_flight[static_cast<std::size_t>(r)] == std::min(p - r, m));
      }
    }
}

TEST_CASE("interleaved 1F1B stores p (1 + (p - 1) / (p v)) micro-batches of a rank") {
  for (const int p : {2, 4, 8})
    for (const int v : {2, 4}) {
      const int m = 4 * p;
      const PipelineProgram program = one_forward_one_backward({p, m, v, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(p * v * m));
      CHECK(seen.backward == seen.forward);
      // In chunks: v times p (1 + (p - 1) / (p v)) = p v + p - 1.
      CHECK(stored(program.ranks[0]) == p * v + p - 1);
      CHECK(program.activations_in_flight[0] == p * v + p - 1);
    }
}

TEST_CASE("DualPipe feeds half of the micro-batches from each end") {
  for (const int p : {2, 4, 8, 16})
    for (const int m : {2 * p, 2 * p + 2, 4 * p}) {
      const PipelineProgram program = dual_pipe({p, m, 1, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(p * m));
      CHECK(seen.backward == seen.forward);
      for (const auto& rank : program.ranks)
        CHECK(stored(rank) <= p + 1);
    }
}

TEST_CASE("inference runs forward passes only") {
  const PipelineProgram program =
      pipeline_program(Schedule::DualPipe, {4, 6, 1, StepMode::ForwardOnly});
  for (const auto& rank : program.ranks) {
    CHECK(rank.size() == 6);
    CHECK(std::all_of(rank.begin(), rank.end(),
                      [](const ScheduledPass& p) { return p.pass.kind == PassKind::Forward; }));
  }
}
