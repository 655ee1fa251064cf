// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/partial.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/worker.hpp"
#include "tests/rollout/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
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

// Seconds in which `outputs` end, mean over `times`: `running` responses decode at a time, the next
// starts as one ends.
double refilled_by_events(const Case& c, std::size_t running, std::size_t outputs, int times) {
  RandomStream random(12, "tests/rollout/partial");
  const LengthLaw law(c.lengths, 0);
  const DecodeModel model(c.setting());
  const auto drawn = [&] { return law.quantile(0.5 / 4096 + random.uniform() * (1 - 1.0 / 4096)); };
  std::multimap<double, double> ends; // and starts, on the token clock
  double clock = 0, starts = 0, time = 0, began = 0;
  for (std::size_t i = 0; i < running; ++i)
    ends.emplace(drawn(), 0);
  const std::size_t warm_up = 20 * running,
                    all = warm_up + outputs * static_cast<std::size_t>(times);
  for (std::size_t ended = 0; ended < all; ++ended) {
    if (ended == warm_up)
      began = time;
    const auto [end, start] = *ends.begin();
    const double count = double(running);
    const double context = 150 + (clock + end) / 2 - starts / count;
    const Seconds step = model.step(count / model.gpus(), context).duration;
    time += (end - clock) / model.tokens_per_sequence() * (step / second);
    clock = end;
    ends.erase(ends.begin());
    ends.emplace(clock + drawn(), clock);
    starts += clock - start;
  }
  return (time - began) / times;
}

} // namespace

TEST_CASE("responses of one length that outlive the weights once: closed form") {
  Case c;
  c.lengths = {{{0, 4000}}, 0, {{1, 32768}}};
  const DecodeModel model(c.setting());
  // Nothing ahead: 16 sequences per GPU from 0 to 4,000 tokens, as a whole rollout.
  const RolloutResult whole =
      simulate_carried_rollout(c.setting(), c.lengths, 0, 8192, 0, 0).rollout;
  CHECK(whole.duration / second ==
        Approx(4000 / 1.8 * (model.step(16, 2000).duration / second)).epsilon(1e-9));
  CHECK(whole.breakdown[Category::Recomputation] == Seconds{});
  // As many ahead: each response takes two rollouts of 2,000 tokens, 32 sequences per GPU, half of
  // them from 0, half from 2,000 tokens, whose keys and values are computed again.
  const RolloutResult carried =
      simulate_carried_rollout(c.setting(), c.lengths, 0, 8192, 1, 0).rollout;
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
        simulate_carried_rollout(c.setting(), c.lengths, 150, 1024, ahead, 0).rollout;
    const DecodeModel decode(c.setting());
    const Seconds prompts = 1024.0 / 64 * decode.prefill(150);
    const Seconds decoding = model.duration - model.breakdown[Category::Recomputation] - prompts;
    CAPTURE(ahead);
    CHECK(decoding / second == Approx(carried_by_events(c, 1024, ahead, 200)).epsilon(0.02));
  }
}

TEST_CASE("carrying shortens a rollout, and what is carried waits where it cannot be held") {
  const Case c = short_case();
  Seconds before = 1e9 * second;
  for (const double ahead : {0.0, 0.1, 0.3, 1.0}) {
    const PartialRollout now =
        simulate_carried_rollout(c.setting(), c.lengths, 150, 8192, ahead, 0);
    CHECK(now.under_way == Approx(8192 * (1 + ahead)));
    CHECK(now.rollout.duration < before);
    before = now.rollout.duration;
  }
  Case large = c;
  large.pool = h800_pool(8);
  const PartialRollout waits =
      simulate_carried_rollout(large.setting(), large.lengths, 150, 100'000, 2, 0);
  const LengthLaw law(c.lengths, 0);
  const double context = 150 + law.mean_square() / law.mean() / 2;
  CHECK(waits.under_way == Approx(DecodeModel(large.setting()).cache_tokens() * 64 / context));
  CHECK(waits.rollout.duration ==
        simulate_steady_rollout(large.setting(), large.lengths, 150, 100'000, 3e5, 0)
            .rollout.duration);
  CHECK_THROWS_AS(
      simulate_carried_rollout(large.setting(), {{{0, 3e6}}, 0, {{1, 4'000'000}}}, 150, 8, 2, 0),
      InfeasibleError);
}

TEST_CASE("an engine that runs fewer than are carried, against one event for each") {
  Case c = short_case();
  c.pool = h800_pool(8);
  c.decoding.most_sequences = 12; // of each GPU
  const PartialRollout model = simulate_carried_rollout(c.setting(), c.lengths, 150, 1024, 0.5, 0);
  CHECK(model.under_way == 12 * 64);
  const DecodeModel decode(c.setting());
  const Seconds decoding = model.rollout.duration -
                           model.rollout.breakdown[Category::Recomputation] -
                           1024.0 / 64 * decode.prefill(150);
  // 768 of 64 GPUs run at any time, the next one starts as one ends.
  CHECK(decoding / second == Approx(refilled_by_events(c, 768, 1024, 60)).epsilon(0.02));
}

TEST_CASE("responses to one prompt share it, in carried rollouts too") {
  Case c;
  c.lengths = {{{0, 4000}}, 0, {{1, 32768}}};
  c.lengths.responses_per_prompt = 16;
  const DecodeModel model(c.setting());
  const auto carried = [&](bool shared) {
    c.decoding.prefix_cache = shared;
    return simulate_carried_rollout(c.setting(), c.lengths, 2000, 8192, 1, 0).rollout;
  };
  const RolloutResult own = carried(false), shared = carried(true);
  // Of 16 responses to a prompt 15 read none of it: as they start and, under new weights, as they
  // go on, when each expands the latent entries of the prompt.
  const Seconds fresh = 15.0 / 16 * 16 * model.prefill(2000);
  const Seconds saved = fresh - 16 * (model.prefill_parts(2000, 2000).multiplies -
                                      model.prefill_parts(2000).multiplies);
  CHECK((own.duration - shared.duration) / (fresh + saved) == Approx(1).epsilon(1e-9));
  CHECK((own.breakdown[Category::Recomputation] - shared.breakdown[Category::Recomputation]) /
            saved ==
        Approx(1).epsilon(1e-9));
  // Where most have ended, those that are left share less of it: between none and all.
  c.lengths.sigma = 1;
  const RolloutResult mixed = carried(true), alone = carried(false);
  CHECK(mixed.breakdown[Category::Recomputation] < alone.breakdown[Category::Recomputation]);
  c.lengths.responses_per_prompt = 1;
  CHECK(carried(true).duration == alone.duration);
}

TEST_CASE("prompts read beside decoding hide their multiplies in the first steps") {
  Case c;
  c.decoding.two_batch_overlap = false;
  c.lengths = {{{0, 4000}}, 0, {{1, 32768}}};
  const DecodeModel model(c.setting());
  const auto carried = [&](bool chunked, double prompt) {
    c.decoding.chunked_prefill = chunked;
    return simulate_carried_rollout(c.setting(), c.lengths, prompt, 8192, 1, 0).rollout.duration;
  };
  // All end together: 2,000 / 1.8 steps of 32 sequences hide what their multiplies leave.
  const Seconds slack = 2000 / 1.8 * model.slack({32, 32, 0});
  for (const double prompt : {100.0, 8000.0}) {
    const Seconds multiplies = 16 * (model.prefill_parts(prompt).multiplies +
                                     model.prefill_parts(prompt + 2000).multiplies);
    CAPTURE(prompt, slack, multiplies);
    CHECK((carried(false, prompt) - carried(true, prompt)) / std::min(slack, multiplies) ==
          Approx(1).epsilon(1e-9));
  }
  // Steady: new prompts hide, what is read again under new weights does not.
  const auto steady = [&](bool chunked) {
    c.decoding.chunked_prefill = chunked;
    return simulate_steady_rollout(c.setting(), c.lengths, 100, 8192, 8192, 0).rollout;
  };
  const RolloutResult apart = steady(false), beside = steady(true);
  CHECK((apart.duration - beside.duration) / (16 * model.prefill_parts(100).multiplies) ==
        Approx(1).epsilon(1e-9));
  CHECK(apart.breakdown[Category::Recomputation] == beside.breakdown[Category::Recomputation]);
}

TEST_CASE("nothing gives way where all fits, and a full cache holds what a worker's does") {
  Case c = short_case();
  const auto carried = [&] {
    return simulate_carried_rollout(c.setting(), c.lengths, 150, 8192, 0.5, 0).rollout.duration;
  };
  const Seconds waits = carried();
  c.decoding.preemption = true;
  CHECK(carried() == waits);
  // A cache of some hundred sequences, 16 times refilled less 6 times: no start and no end.
  c.pool = h800_pool(1);
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.decoding.memory_fraction = 0.95;
  const DecodeModel model(c.setting());
  const PartialRollout steady = simulate_steady_rollout(c.setting(), c.lengths, 150, 8192, 1e9, 0);
  const auto sequences = static_cast<std::int64_t>(steady.under_way / 8);
  const auto ended_at = [&](std::int64_t times, bool preemption) {
    std::vector<Request> requests;
    for (const double length :
         response_lengths(LengthLaw(c.lengths, 0), c.lengths, times * sequences))
      requests.push_back({length, 1, 1, {}});
    WorkerOptions options;
    options.prompt = options.kept_prompt = 150;
    options.preemption = preemption;
    return run_worker(model, 1, options, requests).end;
  };
  const Seconds each =
      (steady.rollout.duration - steady.rollout.breakdown[Category::Recomputation]) / 8192.0;
  for (const bool preemption : {false, true}) {
    const Seconds worker =
        (ended_at(16, preemption) - ended_at(6, preemption)) / (10.0 * double(sequences));
    const double ratio = worker / (8.0 * each);
    CAPTURE(sequences, preemption, ratio);
    CHECK(ratio > 0.98);                       // it waits for room now and then
    CHECK(ratio < (preemption ? 1.12 : 1.08)); // and what gives way is read again
  }
}

TEST_CASE("responses that start as others end generate at the steady rate") {
  const Case c = short_case();
  const DecodeModel model(c.setting());
  const LengthLaw law(c.lengths, 0);
  const PartialRollout steady =
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
