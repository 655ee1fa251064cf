// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/partial.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"
#include "tests/rollout/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace sim;
using namespace sim::rollout;
using execution::Category;

namespace {

Case short_case() {
  Case c;
  c.lengths = {{{0, 3000}}, 0.8, {{1, 16000}}};
  return c;
}

// Rollouts one after another with lengths drawn at random: each ends when `outputs` have ended.
// Seconds of decoding in a rollout, mean.
double carried_by_events(const Case& c, std::size_t outputs, double ahead, int rollouts) {
  struct Response {
    double left, context;
  };
  RandomStream random(11, "tests/rollout/partial");
  const LengthLaw law(c.lengths, 0);
  const DecodeModel model(c.setting());
  std::vector<Response> running;
  double time = 0;
  constexpr int warm_up = 40;
  for (int round = 0; round < rollouts + warm_up; ++round) {
    while (double(running.size()) < double(outputs) * (1 + ahead))
      running.push_back({law.quantile(0.5 / 4096 + random.uniform() * (1 - 1.0 / 4096)), 150});
    std::sort(running.begin(), running.end(),
              [](const Response& a, const Response& b) { return a.left < b.left; });
    double context = 0, clock = 0;
    for (const Response& response : running)
      context += response.context;
    for (std::size_t ended = 0; ended < outputs; ++ended) {
      const double left = double(running.size() - ended), end = running[ended].left;
      const double middle = context / left + (clock + end) / 2;
      const Seconds step = model.step(left / model.gpus(), middle).duration;
      if (round >= warm_up)
        time += (end - clock) / model.tokens_per_sequence() * (step / second);
      context -= running[ended].context;
      clock = end;
    }
    std::vector<Response> left;
    for (std::size_t i = outputs; i < running.size(); ++i)
      left.push_back({running[i].left - clock, running[i].context + clock});
    running = std::move(left);
  }
  return time / rollouts;
}

} // namespace

TEST_CASE("responses of one length that outlive the weights once: closed form") {
  Case c;
  c.lengths = {{{0, 4000}}, 0, {{1, 32768}}};
  const DecodeModel model(c.setting());
  // Nothing ahead: 16 sequences per GPU from 0 to 4,000 tokens, as a whole rollout.
  const RolloutResult whole = simulate_carried_rollout(c.setting(), c.lengths, 0, 8192, 0, 0);
  CHECK(whole.duration / second ==
        Approx(4000 / 1.8 * (model.step(16, 2000).duration / second)).epsilon(1e-9));
  CHECK(whole.breakdown[Category::Recomputation] == Seconds{});
  // As many ahead: each response takes two rollouts of 2,000 tokens, 32 sequences per GPU, half of
  // them from 0, half from 2,000 tokens, whose keys and values are computed again.
  const RolloutResult carried = simulate_carried_rollout(c.setting(), c.lengths, 0, 8192, 1, 0);
  const Seconds anew = 16 * model.prefill(2000);
  CHECK(
      carried.duration / second ==
      Approx(2000 / 1.8 * (model.step(32, 2000).duration / second) + anew / second).epsilon(1e-9));
  CHECK(carried.breakdown[Category::Recomputation] / second == Approx(anew / second).epsilon(1e-9));
  CHECK(carried.breakdown.total() / second == Approx(carried.duration / second).epsilon(1e-12));
  CHECK(carried.generated_tokens == Approx(8192 * 4000.0));
}

TEST_CASE("carried rollouts against random responses, one event for each") {
  Case c = short_case();
  c.pool = h800_pool(8);
  for (const double ahead : {0.25, 1.0}) {
    const RolloutResult model =
        simulate_carried_rollout(c.setting(), c.lengths, 150, 1024, ahead, 0);
    const DecodeModel decode(c.setting());
    const Seconds prompts = 1024.0 / 64 * decode.prefill(150);
    const Seconds decoding = model.duration - model.breakdown[Category::Recomputation] - prompts;
    CAPTURE(ahead);
    CHECK(decoding / second == Approx(carried_by_events(c, 1024, ahead, 200)).epsilon(0.02));
  }
}

TEST_CASE("carrying shortens a rollout, and what cannot be held is refused") {
  const Case c = short_case();
  Seconds before = 1e9 * second;
  for (const double ahead : {0.0, 0.1, 0.3, 1.0}) {
    const Seconds now =
        simulate_carried_rollout(c.setting(), c.lengths, 150, 8192, ahead, 0).duration;
    CHECK(now < before);
    before = now;
  }
  Case large = c;
  large.pool = h800_pool(8);
  CHECK_THROWS_AS(simulate_carried_rollout(large.setting(), large.lengths, 150, 100'000, 2, 0),
                  InfeasibleError);
}

TEST_CASE("responses that start as others end generate at the steady rate") {
  const Case c = short_case();
  const DecodeModel model(c.setting());
  const LengthLaw law(c.lengths, 0);
  const SteadyRollout steady =
      simulate_steady_rollout(c.setting(), c.lengths, 150, 8192, 16 * 512, 0);
  CHECK(steady.under_way == 16 * 512);
  const double context = 150 + law.mean_square() / law.mean() / 2;
  const Seconds anew = 16 * model.prefill(context);
  CHECK(steady.rollout.breakdown[Category::Recomputation] / second ==
        Approx(anew / second).epsilon(1e-12));
  // Little's law: 16 sequences of a GPU take their mean latency.
  const Seconds latency =
      law.mean() / 1.8 * model.step(16, context).duration + 16 * model.prefill(150);
  CHECK((steady.rollout.duration - anew) / latency == Approx(1).epsilon(1e-9));
  // The cache bounds what is under way.
  CHECK(simulate_steady_rollout(c.setting(), c.lengths, 150, 8192, 1e9, 0).under_way ==
        Approx(model.cache_tokens() * 512 / context));
}
