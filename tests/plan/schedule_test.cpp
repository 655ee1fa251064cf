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

// Most that a rank stores at one time, counted from its program: micro-batches of a chunk between
// forward and backward pass count 1, those that wait for their weight gradient `deferred`.
double stored(const std::vector<ScheduledPass>& rank, double deferred) {
  double now = 0, most = 0;
  for (const ScheduledPass& p : rank) {
    if (p.pass.kind == PassKind::Forward || p.pass.kind == PassKind::Pair)
      now += 1;
    if (p.pass.kind == PassKind::BackwardInput)
      now += deferred - 1;
    most = std::max(most, now);
    if (p.pass.kind == PassKind::Backward || p.pass.kind == PassKind::Pair)
      now -= 1;
    if (p.pass.kind == PassKind::Weight)
      now -= deferred;
  }
  CHECK(now == Approx(0).margin(1e-9));
  return most;
}
double stored(const std::vector<ScheduledPass>& rank) { return stored(rank, 1); }

double most_of(const StoredPeaks& peaks, double deferred) {
  double most = 0;
  for (const Stored& moment : peaks)
    most = std::max(most, moment.whole + deferred * moment.deferred);
  return most;
}

// The stored micro-batches that the memory plan counts on are those of the program, whatever a
// deferred weight gradient keeps.
void check_stored(Schedule schedule, const PipelineShape& shape) {
  const PipelineProgram program = pipeline_program(schedule, shape);
  const ScheduleRule& rule = rule_of(schedule);
  for (int r = 0; r < shape.ranks; ++r)
    for (const double deferred : {1.0, 0.9, 8.0}) {
      INFO(rule.title << " p " << shape.ranks << " m " << shape.micro_batches << " rank " << r
                      << " deferred " << deferred);
      CHECK(most_of(rule.stored(shape, r), deferred) ==
            Approx(stored(program.ranks[static_cast<std::size_t>(r)], deferred)));
    }
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
      }
      check_stored(Schedule::OneForwardOneBackward, {p, m, 1, StepMode::Training});
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
      check_stored(Schedule::OneForwardOneBackward, {p, m, v, StepMode::Training});
    }
}

TEST_CASE("combined 1F1B runs every micro-batch once, and keeps twice the ranks behind it") {
  for (const int p : {1, 2, 4, 8})
    for (const int v : {1, 2, 4}) {
      const int m = 4 * p;
      const PipelineShape shape{p, m, v, StepMode::Training};
      const PipelineProgram program = combined_one_forward_one_backward(shape);
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(p * v * m));
      CHECK(seen.backward == seen.forward);
      CHECK(stored(program.ranks[0]) == 2 * (p - 1) + (v - 1) * p + 2);
      check_stored(Schedule::CombinedOneForwardOneBackward, shape);
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
        CHECK(stored(rank) == p + 1);
      check_stored(Schedule::DualPipe, {p, m, 1, StepMode::Training});
    }
}

TEST_CASE("GPipe stores all micro-batches, of all chunks of a rank") {
  for (const int p : {1, 3, 4})
    for (const int m : {1, 4, 9})
      for (const int v : {1, 2}) {
        const PipelineProgram program = gpipe({p, m, v, StepMode::Training});
        const Seen seen = check_program(program);
        CHECK(seen.forward.size() == static_cast<std::size_t>(p * m * v));
        CHECK(seen.backward == seen.forward);
        CHECK(stored(program.ranks[0]) == m * v);
        check_stored(Schedule::GPipe, {p, m, v, StepMode::Training});
      }
}

TEST_CASE("ZB-H1 keeps something of p micro-batches on every rank, whole those of 1F1B") {
  for (const int p : {1, 2, 3, 8})
    for (const int m : {1, 2, 3, 8, 20}) {
      const PipelineProgram program = zero_bubble_h1({p, m, 1, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(p * m));
      CHECK(seen.backward == seen.forward);
      for (int r = 0; r < p; ++r) {
        CHECK(stored(program.ranks[static_cast<std::size_t>(r)]) == std::min(p, m));
        CHECK(stored(program.ranks[static_cast<std::size_t>(r)], 0) == std::min(p - r, m));
      }
      check_stored(Schedule::ZeroBubbleH1, {p, m, 1, StepMode::Training});
    }
}

TEST_CASE("ZB-V stores what 1F1B's first rank does: p micro-batches, in halves") {
  for (const int p : {1, 2, 4, 7})
    for (const int m : {1, 2, 3, 5, 7, 2 * p - 1, 2 * p, 4 * p}) {
      const PipelineProgram program = zero_bubble_v({p, m, 1, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(program.chunks == 2 * p);
      CHECK(seen.forward.size() == static_cast<std::size_t>(2 * p * m));
      CHECK(seen.backward == seen.forward);
      if (m >= 2 * p - 1)
        for (const auto& rank : program.ranks)
          CHECK(stored(rank) == 2 * p);
      check_stored(Schedule::ZeroBubbleV, {p, m, 1, StepMode::Training});
    }
}

TEST_CASE("DualPipeV does what half of a DualPipe of twice the ranks does") {
  for (const int p : {1, 2, 3, 4, 7})
    for (const int m : {2 * p, 2 * p + 1, 5 * p}) {
      const PipelineProgram program = dual_pipe_v({p, m, 1, StepMode::Training});
      const Seen seen = check_program(program);
      CHECK(seen.forward.size() == static_cast<std::size_t>(2 * p * m));
      CHECK(seen.backward == seen.forward);
      const PipelineProgram both = dual_pipe({2 * p, 2 * m, 1, StepMode::Training});
      for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        CHECK(stored(program.ranks[r]) == 2 * p + 1);
        REQUIRE(program.ranks[r].size() == both.ranks[r].size());
        for (std::size_t i = 0; i < both.ranks[r].size(); ++i)
          CHECK((program.ranks[r][i].pass == both.ranks[r][i].pass));
      }
      check_stored(Schedule::DualPipeV, {p, m, 1, StepMode::Training});
    }
}

TEST_CASE("inference runs forward passes only, of the chunks that the schedule places on a rank") {
  for (const Schedule schedule : {Schedule::DualPipe, Schedule::ZeroBubbleV}) {
    const bool v_shaped = schedule == Schedule::ZeroBubbleV;
    const PipelineProgram program = pipeline_program(schedule, {4, 6, 1, StepMode::ForwardOnly});
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
      CHECK(program.ranks[r].size() == (v_shaped ? 12 : 6));
      for (const ScheduledPass& p : program.ranks[r]) {
        CHECK(p.pass.kind == PassKind::Forward);
        const int rank = static_cast<int>(r);
        CHECK((p.pass.chunk == rank || (v_shaped && p.pass.chunk == 7 - rank)));
      }
    }
  }
}
