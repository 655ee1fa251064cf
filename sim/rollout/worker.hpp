// SPDX-License-Identifier: Apache-2.0
// One replica of a generation engine with continuous batching: sequences run, wait for room in the
// paged KV cache, end. All that run gain tokens at one rate, so an event is an end, an arrival or a
// full cache, never a token.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/rollout/decode.hpp"

#include <cstdint>
#include <vector>

namespace sim::rollout {

// `count` equal sequences; they stay together.
struct Request {
  double length = 0; // tokens to generate
  double count = 1;
  double reads_prompt = 1; // share of its prompt; the rest has been read for another sequence
  Seconds arrival{};       // in ascending order
};

struct WorkerOptions {
  double prompt = 0;            // tokens before each response
  double kept_prompt = 0;       // tokens of it that each sequence keeps in the cache
  double most_sequences = 0;    // 0: no limit
  bool preemption = false;      // else a sequence waits until it will fit to its end
  bool chunked_prefill = false; // prompts are read in the slack of decode steps
  double portion = 1;           // of a request's sequences that enter a running batch at least
  bool spread_evenly = false;   // over tensor-parallel groups, instead of one by one
};

struct WorkerResult {
  Seconds end{};
  execution::Breakdown breakdown; // of the time until the end
  double most_running = 0;
  double preemptions = 0, recomputed_tokens = 0;
  double ended = 0;        // sequences
  Seconds sequence_time{}; // of all sequences, from arrival to end
};

// `gpus`: of the replica, or of several that are taken as one. Time runs from zero; the context of
// a step is that of the middle of its interval, which is exact where the step time is linear in it.
// Throws LimitError beyond limit::admissions events.
WorkerResult run_worker(const DecodeModel& model, int gpus, const WorkerOptions& options,
                        std::vector<Request> requests);

} // namespace sim::rollout
