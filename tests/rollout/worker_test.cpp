// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/worker.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"
#include "tests/rollout/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

using namespace sim;
using namespace sim::rollout;

namespace {

// A sequence as the walker sees it.
struct Walked {
  double length = 0, done = 0;
  std::size_t group = 0;
  bool runs = false, ended = false;
};

// One step per token: who waits enters in order while there are slots, everybody gains one token.
double walk(const DecodeModel& model, const std::vector<double>& lengths, double prompt,
            std::size_t slots) {
  std::vector<Walked> all;
  for (const double length : lengths)
    all.push_back({length});
  const auto groups = static_cast<std::size_t>(model.replica() / model.tensor());
  double time = 0;
  std::size_t running = 0, ended = 0, next_group = 0;
  bool begun = false;
  while (ended < all.size()) {
    for (Walked& one : all) {
      if (one.runs || one.ended || running == slots)
        continue;
      std::vector<int> loads(groups, 0);
      for (const Walked& other : all)
        loads[other.group] += other.runs ? 1 : 0;
      one.group = begun ? static_cast<std::size_t>(std::min_element(loads.begin(), loads.end()) -
                                                   loads.begin())
                        : next_group++ % groups;
      one.runs = true;
      ++running;
      time += model.prefill(prompt) / model.replica() / second;
    }
    begun = true;
    double context = 0;
    std::vector<int> loads(groups, 0);
    for (const Walked& one : all)
      if (one.runs) {
        context += prompt + one.done + 0.5;
        ++loads[one.group];
      }
    const int fullest = *std::max_element(loads.begin(), loads.end());
    time += model
                .step({double(running) / model.replica(), double(fullest) / model.tensor(),
                       context / double(running)})
                .duration /
            second / model.tokens_per_sequence();
    for (Walked& one : all)
      if (one.runs && ++one.done >= one.length) {
        one.runs = false;
        one.ended = true;
        --running;
        ++ended;
      }
  }
  return time;
}

std::vector<Request> requests_of(const std::vector<double>& lengths) {
  std::vector<Request> requests;
  for (const double length : lengths)
    requests.push_back({length, 1, true, {}});
  return requests;
}

} // namespace

TEST_CASE("64 sequences, event by event and token by token") {
  RandomStream random(21, "tests/worker");
  for (int round = 0; round < 6; ++round) {
    Case c;
    c.decoding.expert = 16;
    c.decoding.drafts = round % 2;
    if (round >= 4) {
      c.model = llama_8b();
      c.decoding.drafts = 0;
      c.decoding.expert = 2;
    }
    const DecodeModel model(c.setting());
    std::vector<double> lengths;
    for (int i = 0; i < 64; ++i)
      lengths.push_back(double(1 + random.below(400)));
    WorkerOptions options;
    options.prompt = options.kept_prompt = 100;
    const std::size_t slots = round % 3 == 0 ? 64 : 16;
    if (slots < 64) // per engine: a tensor-parallel group
      options.most_sequences = 16.0 * model.tensor() / model.replica();
    const WorkerResult result = run_worker(model, model.replica(), options, requests_of(lengths));
    CAPTURE(round);
    CHECK(result.end / second == Approx(walk(model, lengths, 100, slots)).epsilon(1e-9));
    CHECK(result.breakdown.total() / second == Approx(result.end / second).epsilon(1e-12));
    CHECK(result.most_running == double(slots));
  }
}

TEST_CASE("equal lengths without a queue: prefill and length times iteration") {
  Case c;
  c.decoding.expert = 16;
  const DecodeModel model(c.setting());
  WorkerOptions options;
  options.prompt = options.kept_prompt = 150;
  const WorkerResult result =
      run_worker(model, 16, options, requests_of(std::vector<double>(64, 1000)));
  const double step = model.step(4, 150 + 500).duration / second;
  CHECK(result.end / second ==
        Approx(4 * (model.prefill(150) / second) + 1000 / 1.8 * step).epsilon(1e-9));
}

TEST_CASE("a full cache throws the youngest out, who are read again: nothing is lost, time is") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.decoding.weight_bytes = 2 * byte;
  c.stack.framework_memory = 63 * gibibyte; // leaves 2 GiB: 16,000 tokens
  const DecodeModel model(c.setting());
  REQUIRE(model.cache_tokens() > 2000);
  REQUIRE(model.cache_tokens() < 32 * 1600);
  const std::vector<double> lengths(32, 1500);
  WorkerOptions options;
  options.prompt = options.kept_prompt = 100;
  const WorkerResult waits = run_worker(model, 1, options, requests_of(lengths));
  CHECK(waits.preemptions == 0);
  options.preemption = true;
  const WorkerResult preempts = run_worker(model, 1, options, requests_of(lengths));
  CHECK(preempts.preemptions > 0);
  CHECK(preempts.recomputed_tokens >= 100 * preempts.preemptions);
  CHECK(preempts.most_running > waits.most_running);
  // Generating all tokens at the fullest batch that occurs bounds both from below.
  for (const WorkerResult& result : {waits, preempts}) {
    const double steps = 32 * 1500 / result.most_running;
    CHECK(result.end >= steps * model.step(result.most_running, 850).duration);
    CHECK(result.breakdown.total() / second == Approx(result.end / second).epsilon(1e-12));
  }
}

TEST_CASE("of equal sequences that stand together some give way, and all end") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.decoding.weight_bytes = 2 * byte;
  c.stack.framework_memory = 63 * gibibyte;
  const DecodeModel model(c.setting());
  WorkerOptions options;
  options.prompt = options.kept_prompt = 100;
  options.preemption = options.spread_evenly = true;
  for (const double alone : {0.0, 8.0}) {
    std::vector<Request> requests{{1500, 32}};
    if (alone > 0)
      requests.push_back({700, alone});
    const WorkerResult result = run_worker(model, 1, options, requests);
    CHECK(result.ended == 32 + alone);
    CHECK(result.preemptions > 0);
    CHECK(result.most_running * 100 < model.cache_tokens());
    const double steps = (32 * 1500 + alone * 700) / result.most_running;
    CHECK(result.end >= steps * model.step({result.most_running, 0, 100}).duration);
  }
}

TEST_CASE("shared prompts and prompts read beside decoding never take longer") {
  Case c;
  c.lengths.responses_per_prompt = 16;
  const Seconds apart = c.rollout(2048, 2000).duration;
  c.decoding.chunked_prefill = true;
  const Seconds chunked = c.rollout(2048, 2000).duration;
  c.decoding.chunked_prefill = false;
  c.decoding.prefix_cache = true;
  const Seconds shared = c.rollout(2048, 2000).duration;
  CHECK(chunked < apart);
  CHECK(shared < apart);
  // 15 of 16 prompts need not be read: 4 on each GPU.
  const Seconds reading = 4 * DecodeModel(c.setting()).prefill(2000);
  CHECK((apart - shared) / second == Approx(15.0 / 16 * (reading / second)).epsilon(1e-6));
}

TEST_CASE("a worker that shares its rate evenly knows its load alone: M/G/1-PS insensitivity") {
  // Without floors, weights to read or attention a step takes c n for n sequences: each gets 1/n of
  // the rate. Then the mean time in the system is E[S] / (1 - rho) whatever the law of the lengths
  // (Kleinrock, Queueing Systems II, 4.4).
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.pool.node->accelerator->memory_bandwidth = 1e30 * (byte / second);
  c.pool.node->accelerator->kernels->attention.decode_compute_fraction = 1e15;
  const DecodeModel model(c.setting());
  const double per_token = model.step(1, 0).duration / second;
  const double mean = 500, load = 0.6, service = mean * per_token;
  REQUIRE(model.step(7, 1000).duration / second == Approx(7 * per_token).epsilon(1e-9));
  for (int law = 0; law < 3; ++law) {
    double sum = 0, squares = 0;
    const int replications = 24;
    for (int replication = 0; replication < replications; ++replication) {
      RandomStream random(31, "tests/processor-sharing", static_cast<std::uint64_t>(replication));
      const int arrivals = 4000;
      std::vector<Request> requests;
      double now = 0;
      for (int i = 0; i < arrivals; ++i) {
        now += random.exponential() * service / load;
        const double length = law == 0                 ? mean
                              : law == 1               ? mean * random.exponential()
                              : random.uniform() < 0.9 ? mean / 2 * random.exponential()
                                                       : 5.5 * mean * random.exponential();
        requests.push_back({length, 1, true, now * second});
      }
      const WorkerResult result = run_worker(model, 1, {}, std::move(requests));
      const double sojourn = result.sequence_time / second / arrivals;
      sum += sojourn;
      squares += sojourn * sojourn;
    }
    const double average = sum / replications;
    const double error =
        std::sqrt((squares / replications - average * average) / (replications - 1));
    CAPTURE(law, average / service, error / service);
    CHECK(std::fabs(average - service / (1 - load)) < 4 * error);
  }
}
