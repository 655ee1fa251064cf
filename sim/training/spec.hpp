// SPDX-License-Identifier: Apache-2.0
// The months: stages, batches, reinforcement learning.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/plan/spec.hpp"
#include "sim/rollout/spec.hpp"
#include "sim/workload/spec.hpp"

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

// What beside the policy has weights to run: PPO trains a critic.
enum class Algorithm { Grpo, Ppo, Rloo };

// Where responses are made. Colocated: on the GPUs of the updates, one after the other. The others
// give the rollout GPUs of its own. Disaggregated: one side waits for the other. One-step-off: the
// next rollout runs beside the updates on the last one. Asynchronous: rollouts run up to
// `max_staleness` ahead.
enum class Placement { Colocated, Disaggregated, OneStepOff, Asynchronous };

// Micro-batches of updates and forward passes: sequences that responses are packed into; single
// responses, each as long as it is; single responses, padded to the longest.
enum class Packing { BestFit, None, Padding };

// A model beside the policy, on the GPUs of the updates.
struct CompanionSpec {
  std::optional<Named<workload::ModelSpec>> model;        // absent: as large as the policy
  std::optional<Auto<plan::ParallelismSpec>> parallelism; // absent: the policy's
};

enum class RewardKind { Rules, Model };
// Rules run on `workers` processors beside the rollout, `time` for each response; without a time
// they cost nothing.
struct RewardSpec {
  RewardKind kind = RewardKind::Rules;
  Seconds time{};
  std::int64_t workers = 0;     // 0: enough
  CompanionSpec companion = {}; // that judges
};

// DAPO's dynamic sampling (arXiv 2503.14476, section 3.2): groups whose responses all have one
// reward teach nothing; rollouts are repeated until enough are left.
struct ResamplingSpec {
  double usable = 0;        // share of responses in groups that teach
  std::int64_t outputs = 0; // of one rollout; 0: outputs_per_rollout
};

// Reshard: each GPU of the rollout receives its own share of the weights. Gather: every GPU of the
// updates gathers the whole model, tensor by tensor, and hands it to the engine.
enum class WeightExchange { Reshard, Gather };
struct WeightSyncSpec {
  WeightExchange exchange = WeightExchange::Reshard;
  std::optional<BytesPerSecond> bandwidth; // between pools, in all; absent: that of the NICs
};

enum class OffloadTarget { Host, Disk };

// One rollout feeds several updates.
struct ReinforcementSpec {
  Algorithm algorithm = Algorithm::Grpo;
  std::int64_t outputs_per_rollout = 0; // that are trained on
  std::int64_t updates_per_rollout = 1;
  double prompt_tokens = 0;
  rollout::LengthSpec response;
  rollout::DecodingSpec decoding;
  Placement placement = Placement::Colocated;
  std::string rollout_pool;       // of the cluster
  std::int64_t rollout_nodes = 0; // of the stage's own pool, instead
  std::int64_t max_staleness = 1; // asynchronous: versions of the weights
  bool partial_rollouts = false;  // responses go on under newer weights
  double over_provisioning = 0;   // responses under way beyond outputs_per_rollout, relative
  std::optional<ResamplingSpec> resampling;
  RewardSpec reward;
  CompanionSpec critic = {}; // of PPO
  bool reference_model = true;
  std::int64_t reference_refresh_steps = 0; // 0: the reference stays
  bool old_log_probabilities = false;       // of the policy, before the updates
  Packing packing = Packing::BestFit;
  WeightSyncSpec weight_sync;
  bool offload = true; // models leave device memory between the phases of an iteration
  OffloadTarget offload_to = OffloadTarget::Host;
  BytesPerSecond offload_bandwidth = 25e9 * (byte / second); // per GPU, to host memory and back
  Seconds phase_overhead{}; // per iteration, besides: start of engines, data movement
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
  double utilisation = 1;         // share of the time that there is a load
};

// Forward passes over held-out sequences every so often. One of each pair is given.
struct EvaluationSpec {
  std::optional<std::int64_t> every_steps;
  std::optional<std::int64_t> every_sequences; // rounded up to whole steps
  std::optional<std::int64_t> sequences;
  std::optional<double> tokens;
  std::int64_t batch = 0; // sequences of one forward step; 0: of a training step, at the end
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
  std::optional<EvaluationSpec> evaluation;               // pretraining, sft
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
template <class V> void fields(V& v, CompanionSpec& s) {
  v("model", s.model, anything, "The model; absent: as large as the policy.");
  v("parallelism", s.parallelism, anything,
    "Layout of its steps on the GPUs of the updates; absent: the policy's.");
}
template <class V> void fields(V& v, RewardSpec& s) {
  v("kind", s.kind, anything, "Rules on processors, or a model.");
  v("time", s.time, non_negative, "Rules: processor time of one response.");
  v("workers", s.workers, non_negative, "Rules: processors beside the rollout; absent: enough.");
  fields(v, s.companion);
}
template <class V> void fields(V& v, ResamplingSpec& s) {
  v("usable", s.usable, required(Rule{.low = 0.001, .high = 1}),
    "Share of responses in groups of unequal rewards.");
  v("outputs", s.outputs, Rule{.low = 0, .high = 1e9},
    "Responses of one rollout; absent: outputs_per_rollout.");
}
template <class V> void fields(V& v, WeightSyncSpec& s) {
  v("exchange", s.exchange, anything,
    "reshard: each GPU receives its share; gather: each passes the whole model on.");
  v("bandwidth", s.bandwidth, positive, "Between the pools, in all; absent: that of the NICs.");
}
template <class V> void placement_fields(V& v, ReinforcementSpec& s) {
  v("placement", s.placement, anything, "Which GPUs generate, and when.");
  v("rollout_pool", s.rollout_pool, anything, "Pool of the cluster that generates.");
  v("rollout_nodes", s.rollout_nodes, non_negative,
    "Nodes of the stage's own pool that generate, instead of rollout_pool.");
  v("max_staleness", s.max_staleness, Rule{.low = 1, .high = 1e6},
    "asynchronous, with partial_rollouts: versions of the weights that a rollout may run ahead.");
  v("partial_rollouts", s.partial_rollouts, anything,
    "Responses go on under newer weights, their keys and values computed anew.");
  v("over_provisioning", s.over_provisioning, Rule{.low = 0, .high = 100},
    "Responses under way beyond outputs_per_rollout, relative; the first to end are kept.");
}
template <class V> void fields(V& v, ReinforcementSpec& s) {
  v("algorithm", s.algorithm, anything, "ppo: with a critic.");
  v("outputs_per_rollout", s.outputs_per_rollout, required(Rule{.low = 1, .high = 1e9}),
    "Responses trained on per rollout.");
  v("updates_per_rollout", s.updates_per_rollout, Rule{.low = 1, .high = 1e9},
    "Optimizer steps on each rollout.");
  v("prompt_tokens", s.prompt_tokens, Rule{.low = 0, .high = 1e9}, "Mean prompt length.");
  v("response", s.response, required(), "Response lengths.");
  v("decoding", s.decoding, anything, "How responses are generated.");
  placement_fields(v, s);
  v("resampling", s.resampling, anything, "Rollouts are repeated until enough responses teach.");
  v("reward", s.reward, anything, "How responses are judged.");
  v("critic", s.critic, anything, "ppo: the critic.");
  v("reference_model", s.reference_model, anything,
    "A frozen reference model scores each response.");
  v("reference_refresh_steps", s.reference_refresh_steps, non_negative,
    "Steps after which the policy becomes the reference; absent: never.");
  v("old_log_probabilities", s.old_log_probabilities, anything,
    "The policy scores each response before the updates.");
  v("packing", s.packing, anything, "What a training sequence is.");
  v("weight_sync", s.weight_sync, anything, "How new weights reach the generation engine.");
  v("offload", s.offload, anything,
    "Models leave device memory between the phases of an iteration.");
  v("offload_to", s.offload_to, anything,
    "Where to; disk: at most checkpoint.storage_bandwidth over all GPUs.");
  v("offload_bandwidth", s.offload_bandwidth, positive, "Per GPU, to host memory and back.");
  v("phase_overhead", s.phase_overhead, non_negative,
    "Per iteration, besides offload and weights: engine start, data movement.");
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
  v("utilisation", s.utilisation, Rule{.low = 0.001, .high = 1},
    "Share of the time that the pool is loaded; the rest it waits for requests.");
}
template <class V> void fields(V& v, EvaluationSpec& s) {
  v("every_steps", s.every_steps, at_least_one, "Optimizer steps between evaluations.");
  v("every_sequences", s.every_sequences, at_least_one,
    "Training sequences between evaluations, rounded up to whole steps.");
  v("sequences", s.sequences, at_least_one, "Of one evaluation, of the stage's sequence_length.");
  v("tokens", s.tokens, Rule{.low = 0, .high = 1e20, .low_open = true},
    "Of one evaluation, instead of sequences.");
  v("batch", s.batch, non_negative,
    "Sequences that pass forward together; absent: as many as a training step has in the end.");
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
    "Samples, instead of tokens; inference: prompts that are answered.");
  v("duration", s.duration, positive,
    "Wall-clock time, instead of tokens: trains what failures leave of it.");
  v("tokens_per_sample", s.tokens_per_sample, non_negative, "Mean tokens of a sample.");
  v("epochs", s.epochs, positive, "Passes over the samples.");
  v("sequence_length", s.sequence_length, non_negative, "Tokens per training sequence.");
  v("batch", s.batch, anything, "Sequences per optimizer step.");
  v("evaluation", s.evaluation, anything,
    "pretraining, sft: forward passes over held-out sequences every so often; absent: none.");
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
template <> struct EnumNames<training::Algorithm> {
  static constexpr std::array names{std::pair{training::Algorithm::Grpo, std::string_view{"grpo"}},
                                    std::pair{training::Algorithm::Ppo, std::string_view{"ppo"}},
                                    std::pair{training::Algorithm::Rloo, std::string_view{"rloo"}}};
};
template <> struct EnumNames<training::Placement> {
  static constexpr std::array names{
      std::pair{training::Placement::Colocated, std::string_view{"colocated"}},
      std::pair{training::Placement::Disaggregated, std::string_view{"disaggregated"}},
      std::pair{training::Placement::OneStepOff, std::string_view{"one-step-off"}},
      std::pair{training::Placement::Asynchronous, std::string_view{"asynchronous"}}};
};
template <> struct EnumNames<training::Packing> {
  static constexpr std::array names{
      std::pair{training::Packing::BestFit, std::string_view{"best-fit"}},
      std::pair{training::Packing::None, std::string_view{"none"}},
      std::pair{training::Packing::Padding, std::string_view{"padding"}}};
};
template <> struct EnumNames<training::RewardKind> {
  static constexpr std::array names{
      std::pair{training::RewardKind::Rules, std::string_view{"rules"}},
      std::pair{training::RewardKind::Model, std::string_view{"model"}}};
};
template <> struct EnumNames<training::WeightExchange> {
  static constexpr std::array names{
      std::pair{training::WeightExchange::Reshard, std::string_view{"reshard"}},
      std::pair{training::WeightExchange::Gather, std::string_view{"gather"}}};
};
template <> struct EnumNames<training::OffloadTarget> {
  static constexpr std::array names{
      std::pair{training::OffloadTarget::Host, std::string_view{"host"}},
      std::pair{training::OffloadTarget::Disk, std::string_view{"disk"}}};
};
template <> inline constexpr std::string_view shorthand_key<training::RewardSpec> = "kind";
template <> inline constexpr std::string_view shorthand_key<training::WeightSyncSpec> = "exchange";
template <> inline constexpr std::string_view shorthand_key<training::ResamplingSpec> = "usable";
template <> inline constexpr std::string_view shorthand_key<training::BatchSpec> = "end";
} // namespace base
} // namespace sim
