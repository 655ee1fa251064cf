// SPDX-License-Identifier: Apache-2.0
// The months: stages, batches, reinforcement learning.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/plan/spec.hpp"
#include "sim/rollout/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::training {

enum class StageKind { Pretraining, SupervisedFineTuning, ReinforcementLearning, Inference };

// Sequences per optimizer step. A ramp rises in `ramp_steps` equal levels from start to end over
// ramp_tokens.
struct BatchSpec {
  std::int64_t end = 0;
  std::int64_t start = 0; // 0: no ramp
  double ramp_tokens = 0;
  int ramp_steps = 16;
};

// GRPO as DeepSeek-R1 runs it: one rollout feeds several updates.
struct ReinforcementSpec {
  std::int64_t outputs_per_rollout = 0;
  std::int64_t updates_per_rollout = 1;
  double prompt_tokens = 0;
  rollout::LengthSpec response;
  rollout::DecodingSpec decoding;
  bool reference_model = true;
  bool offload = true; // models leave device memory between the phases of an iteration
  BytesPerSecond offload_bandwidth = 25e9 * (byte / second); // per GPU, to host memory and back
  Seconds phase_overhead{}; // per iteration: start of engines, weight resharding, data movement
};

// What the pool of an inference stage does: both halves, or one of them, the other being another
// stage's.
enum class InferencePhase { Both, Decode, Prefill };

// Bulk generation. Either `tokens` of the stage are generated, or prompts * mean length; where
// prompts alone are read, they are the tokens.
struct InferenceSpec {
  InferencePhase phase = InferencePhase::Both;
  double cached_share = 0; // of prompt tokens, which need not be read
  double prompt_tokens = 0;
  rollout::LengthSpec response;
  rollout::DecodingSpec decoding;
  std::int64_t batch_per_gpu = 0; // concurrent sequences; 0: what the KV cache holds
};

struct StageSpec {
  std::string name;
  StageKind kind = StageKind::Pretraining;
  std::string pool;             // empty: "main"
  std::optional<double> tokens; // one of tokens, steps, samples, duration
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> samples; // sequences before packing (fine-tuning)
  std::optional<Seconds> duration;     // of wall-clock time, whatever fails (training)
  double tokens_per_sample = 0;
  double epochs = 1;
  int sequence_length = 0;
  BatchSpec batch;
  std::optional<Auto<plan::ParallelismSpec>> parallelism; // absent: the scenario's
  std::optional<ReinforcementSpec> reinforcement;
  std::optional<InferenceSpec> inference;
};

struct CalendarSpec {
  Date start;
};

template <class V> void fields(V& v, BatchSpec& s) {
  v("end", s.end, required(at_least_one), "Sequences per step, at the end of a ramp.");
  v("start", s.start, non_negative, "Sequences per step at first; absent: no ramp.");
  v("ramp_tokens", s.ramp_tokens, non_negative, "Tokens over which the batch grows.");
  v("ramp_steps", s.ramp_steps, at_least_one, "Levels of the ramp.");
}
template <class V> void fields(V& v, ReinforcementSpec& s) {
  v("outputs_per_rollout", s.outputs_per_rollout, required(Rule{.low = 1, .high = 1e9}),
    "Responses generated per rollout.");
  v("updates_per_rollout", s.updates_per_rollout, Rule{.low = 1, .high = 1e9},
    "Optimizer steps on each rollout.");
  v("prompt_tokens", s.prompt_tokens, Rule{.low = 0, .high = 1e9}, "Mean prompt length.");
  v("response", s.response, required(), "Response lengths.");
  v("decoding", s.decoding, anything, "How responses are generated.");
  v("reference_model", s.reference_model, anything,
    "A frozen reference model scores each response.");
  v("offload", s.offload, anything,
    "Models leave device memory between the phases of an iteration.");
  v("offload_bandwidth", s.offload_bandwidth, positive, "Per GPU, to host memory and back.");
  v("phase_overhead", s.phase_overhead, non_negative,
    "Per iteration, besides offload: engine start, resharding.");
}
template <class V> void fields(V& v, InferenceSpec& s) {
  v("phase", s.phase, anything,
    "What the pool does: both, or decode or prefill alone. Tokens of a prefill stage are those of "
    "prompts.");
  v("cached_share", s.cached_share, fraction,
    "Prefill: share of the prompts' tokens whose keys and values a cache holds.");
  v("prompt_tokens", s.prompt_tokens, Rule{.low = 0, .high = 1e9}, "Mean prompt length.");
  v("response", s.response, required(), "Response lengths.");
  v("decoding", s.decoding, anything, "How responses are generated.");
  v("batch_per_gpu", s.batch_per_gpu, non_negative,
    "Concurrent sequences per GPU; absent: what the KV cache holds.");
}
template <class V> void fields(V& v, StageSpec& s) {
  v("name", s.name, required(), "Name, unique in the scenario; quantities are addressed by it.");
  v("kind", s.kind, required(), "What happens in the stage.");
  v("pool", s.pool, anything, "Pool of the cluster that runs it; absent: main.");
  v("tokens", s.tokens, Rule{.low = 0, .high = 1e20, .low_open = true},
    "Training tokens (inference: generated tokens).");
  v("steps", s.steps, Rule{.low = 0, .high = 1e12, .low_open = true},
    "Optimizer steps, instead of tokens.");
  v("samples", s.samples, Rule{.low = 0, .high = 1e15, .low_open = true},
    "Samples, instead of tokens.");
  v("duration", s.duration, positive,
    "Wall-clock time, instead of tokens: trains what failures leave of it.");
  v("tokens_per_sample", s.tokens_per_sample, non_negative, "Mean tokens of a sample.");
  v("epochs", s.epochs, positive, "Passes over the samples.");
  v("sequence_length", s.sequence_length, non_negative, "Tokens per training sequence.");
  v("batch", s.batch, anything, "Sequences per optimizer step.");
  v("parallelism", s.parallelism, anything, "Layout of this stage; absent: the scenario's.");
  v("reinforcement", s.reinforcement, anything, "The loop of an rl stage.");
  v("inference", s.inference, anything, "The load of an inference stage.");
}
template <class V> void fields(V& v, CalendarSpec& s) {
  v("start", s.start, anything, "First day; default date of prices.");
}

} // namespace sim::training

namespace sim {
inline namespace base {
template <> struct EnumNames<training::StageKind> {
  static constexpr std::array names{
      std::pair{training::StageKind::Pretraining, std::string_view{"pretraining"}},
      std::pair{training::StageKind::SupervisedFineTuning, std::string_view{"sft"}},
      std::pair{training::StageKind::ReinforcementLearning, std::string_view{"rl"}},
      std::pair{training::StageKind::Inference, std::string_view{"inference"}}};
};
template <> struct EnumNames<training::InferencePhase> {
  static constexpr std::array names{
      std::pair{training::InferencePhase::Both, std::string_view{"both"}},
      std::pair{training::InferencePhase::Decode, std::string_view{"decode"}},
      std::pair{training::InferencePhase::Prefill, std::string_view{"prefill"}}};
};
template <> inline constexpr std::string_view shorthand_key<training::BatchSpec> = "end";
} // namespace base
} // namespace sim
