// SPDX-License-Identifier: Apache-2.0
#include "sim/training/ramp.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::training;

namespace {

std::int64_t as_wanted(double wanted) { return static_cast<std::int64_t>(wanted); }

} // namespace

TEST_CASE("without a ramp a stage is one level") {
  // V3's context extension: 1,000 steps of 1,920 sequences of 32,768 tokens are 62,914,560,000
  // tokens.
  const auto by_steps = batch_levels({1920, 0, 0, 16}, 32768, {std::nullopt, 1000}, as_wanted);
  REQUIRE(by_steps.size() == 1);
  CHECK(by_steps[0].batch == 1920);
  CHECK(by_steps[0].steps == 1000);
  const auto by_tokens =
      batch_levels({1920, 0, 0, 16}, 32768, {62914560000.0, std::nullopt}, as_wanted);
  CHECK(by_tokens[0].steps == 1000);
  const auto one_more =
      batch_levels({1920, 0, 0, 16}, 32768, {62914560001.0, std::nullopt}, as_wanted);
  CHECK(one_more[0].steps == 1001);
}

TEST_CASE("a ramp in two levels: hand arithmetic") {
  // From 100 to 300 sequences of 10 tokens over 30,000 tokens: 15,000 at 100 (15 steps), 15,000 at
  // 200 (7.5, so 8 steps: 16,000), then the rest of 100,000, which is 69,000, at 300 (23 steps).
  const auto levels = batch_levels({300, 100, 30000, 2}, 10, {100000.0, std::nullopt}, as_wanted);
  REQUIRE(levels.size() == 3);
  CHECK(levels[0].steps == 15);
  CHECK(levels[1].batch == 200);
  CHECK(levels[1].steps == 8);
  CHECK(levels[2].batch == 300);
  CHECK(levels[2].steps == 23);
}

TEST_CASE("the tokens of the levels are the tokens of the stage, up to the last step") {
  RandomStream random(1, "tests/ramp");
  for (int round = 0; round < 500; ++round) {
    BatchSpec batch;
    batch.start = static_cast<std::int64_t>(64 * (1 + random.below(50)));
    batch.end = static_cast<std::int64_t>(64 * (1 + random.below(300)));
    batch.ramp_steps = static_cast<int>(1 + random.below(40));
    batch.ramp_tokens = 1e11 * random.uniform();
    const double length = 4096, asked = 1e10 + 5e11 * random.uniform();
    plan::ParallelismSpec layout;
    layout.data = static_cast<int>(1 + random.below(64));
    const auto round_batch = [&layout](double wanted) {
      return feasible_batch(layout, wanted, Rounding::Nearest);
    };
    const auto levels = batch_levels(batch, length, {asked, std::nullopt}, round_batch);
    double tokens = 0;
    std::int64_t steps = 0;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      tokens += double(levels[i].batch * levels[i].steps) * length;
      steps += levels[i].steps;
      if (i + 1 < levels.size()) {
        CHECK(levels[i].batch % layout.data == 0);
        CHECK(levels[i].batch != levels[i + 1].batch);
      }
    }
    CHECK(tokens >= asked * (1 - 1e-9));
    CHECK(tokens < asked + double(levels.back().batch) * length);
    // The same stage measured in steps.
    const auto again = batch_levels(batch, length, {std::nullopt, steps}, round_batch);
    REQUIRE(again.size() == levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i)
      CHECK(again[i].steps == levels[i].steps);
  }
}

TEST_CASE("a stage shorter than its ramp ends inside it") {
  const auto levels = batch_levels({1000, 100, 1e6, 10}, 10, {std::nullopt, 3}, as_wanted);
  REQUIRE(levels.size() == 1);
  CHECK(levels[0].batch == 100);
  CHECK(levels[0].steps == 3);
}

TEST_CASE("batches that a layout can run") {
  plan::ParallelismSpec layout;
  layout.data = 128;
  CHECK(feasible_batch(layout, 3000, Rounding::Nearest) == 2944); // 23.4 micro-batches
  CHECK(feasible_batch(layout, 3000, Rounding::Up) == 3072);
  CHECK(feasible_batch(layout, 1, Rounding::Nearest) == 128);
  layout.micro_batch = 2;
  CHECK(feasible_batch(layout, 3000, Rounding::Up) == 3072);
  layout.micro_batch = 1;
  layout.pipeline = 16;
  layout.virtual_stages = 2; // interleaved: groups of as many micro-batches as ranks
  CHECK(feasible_batch(layout, 3000, Rounding::Up) == 4096);
  // DualPipe of 16 ranks: 32 micro-batches at least and an even number, else what 1F1B can run.
  layout.virtual_stages = 1;
  layout.schedule = plan::Schedule::DualPipe;
  CHECK(feasible_batch(layout, 33 * 128, Rounding::Up) == 34 * 128);
  CHECK(feasible_batch(layout, 23.4 * 128, Rounding::Nearest) == 23 * 128);
  CHECK(fills_schedule(layout, 32 * 128));
  CHECK_FALSE(fills_schedule(layout, 33 * 128));
  CHECK_FALSE(fills_schedule(layout, 30 * 128));
}

TEST_CASE("the least work there is takes a step") {
  const auto levels = batch_levels({8, 0, 0, 16}, 10, {1e-12, std::nullopt}, as_wanted);
  REQUIRE(levels.size() == 1);
  CHECK(levels[0].batch == 8);
  CHECK(levels[0].steps == 1);
}
