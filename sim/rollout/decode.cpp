// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/decode.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/rollout/prompt_kernels.hpp"
#include "sim/workload/counts.hpp"
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace sim::rollout {
namespace {

using hardware::AcceleratorSpec;
using hardware::Precision;

constexpr double wide = 2;                // bytes of a 16-bit element
constexpr double scale_bytes = 4.0 / 128; // one FP32 scale per 128 narrow elements
// Logits are widened to FP32, scaled, normalised, their logarithms taken, noise added and the
// largest found: six passes that read or write 8 bytes each.
constexpr double sampling_bytes = 48;
constexpr double half_overlapped = 0.3; // of the shorter that two half-batches do not hide

const AcceleratorSpec& accelerator_of(const GenerationSetting& setting) {
  return setting.pool->node->accelerator.spec;
}

// Narrow weights are multiplied in FP8 where the chip can, else widened on the way to a 16-bit
// multiply.
Precision compute_precision(const GenerationSetting& setting) {
  const AcceleratorSpec& chip = accelerator_of(setting);
  const bool fp8 =
      chip.peak.contains(Precision::Fp8) && chip.kernels->gemm.contains(Precision::Fp8);
  return setting.decoding->weight_bytes <= 1 * byte && fp8 ? Precision::Fp8
                                                           : hardware::wide_precision(chip);
}

// Rate of the linear layers, wide enough to be compute-bound: full tiles, K as long as the model is
// wide.
FlopsPerSecond multiply_rate(const GenerationSetting& setting) {
  const AcceleratorSpec& chip = accelerator_of(setting);
  const Precision precision = compute_precision(setting);
  const auto kernels = chip.kernels->gemm.find(precision);
  if (kernels == chip.kernels->gemm.end())
    throw InfeasibleError("stages",
                          "no " + std::string(name_of(precision)) +
                              " matrix-multiply kernels are known for " + chip.title +
                              ", which generation needs",
                          "give them in cluster.node.accelerator.kernels.gemm");
  const double k = setting.model->hidden;
  return hardware::peak(chip, precision, "stages") *
         (kernels->second.peak_fraction * k / (k + kernels->second.half_k) *
          chip.kernels->sustained_fraction);
}

// Layers as the engine runs them in one step: the model's, and one pass of a prediction module per
// draft.
struct LayerCount {
  double dense = 0, experts = 0, drafts = 0;
  [[nodiscard]] double all() const { return dense + experts; }
};
LayerCount layers_of(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  LayerCount count;
  count.dense = model.experts ? model.dense_layers : model.layers;
  count.experts = model.layers - count.dense;
  if (model.multi_token_prediction > 0)
    count.drafts = setting.decoding->drafts;
  if (workload::layer_kind(model, model.layers) == workload::LayerKind::Experts)
    count.experts += count.drafts;
  else
    count.dense += count.drafts;
  return count;
}

double exchange_bytes(Precision precision) {
  const double width = hardware::bytes_per_element(precision) / byte;
  return width + (width < wide ? scale_bytes : 0);
}

double power(double base, double exponent) {
  return exponent == 0 ? 1 : portable_pow(base, exponent);
}

// What is left exposed of `exchange` beside `compute` by two half-batches.
Seconds exposed(Seconds compute, Seconds exchange, bool overlapped) {
  return overlapped
             ? std::max(compute, exchange) + half_overlapped * std::min(compute, exchange) - compute
             : exchange;
}

} // namespace

DecodeModel::DecodeModel(const GenerationSetting& setting)
    : gpus_(setting.pool->nodes * setting.pool->node->accelerators),
      replica_(replica_gpus(setting)), tensor_(tensor_gpus(setting, replica_)),
      exchanges_tokens_(setting.model->experts && tensor_ < replica_),
      two_batch_overlap_(setting.decoding->two_batch_overlap) {
  const DecodingSpec& decoding = *setting.decoding;
  count_acceptance(decoding);
  slowdown_ = 1 / setting.stack->rollout_efficiency;
  const LayerCount layers = layers_of(setting);
  kernels_ = layers.all() * decoding.kernel_floor;
  const Seconds expert_launch = decoding.host_expert_layer_time > Seconds{}
                                    ? decoding.host_expert_layer_time
                                    : decoding.host_layer_time;
  launch_ = layers.dense * decoding.host_layer_time + layers.experts * expert_launch;
  host_step_ = decoding.host_step_time;
  host_per_sequence_ = decoding.host_sequence_time;
  count_weights(setting);
  count_attention(setting);
  count_communication(setting);
  count_prefill(setting);
}

// A draft counts when all before it were accepted: 1 + a_1 + a_1 a_2 + ...
void DecodeModel::count_acceptance(const DecodingSpec& decoding) {
  SIM_ASSERT(decoding.drafts >= 0 && decoding.acceptance >= 0 && decoding.acceptance <= 1);
  const std::vector<double>& positions = decoding.acceptance_by_position;
  if (!positions.empty() && positions.size() != static_cast<std::size_t>(decoding.drafts))
    throw InfeasibleError(
        "stages", fmt::format("{} acceptances of {} drafts", positions.size(), decoding.drafts),
        "decoding.acceptance_by_position: one for each draft");
  tokens_per_step_ = 1 + decoding.drafts;
  double accepted = 1;
  for (int draft = 0; draft < decoding.drafts; ++draft) {
    accepted *=
        positions.empty() ? decoding.acceptance : positions[static_cast<std::size_t>(draft)];
    tokens_per_sequence_ += accepted;
  }
}

void DecodeModel::count_weights(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const AcceleratorSpec& chip = accelerator_of(setting);
  const LayerCount layers = layers_of(setting);
  const double width = setting.decoding->weight_bytes / byte;
  const double head = double(model.hidden) * model.vocabulary;
  const double projection = 2.0 * model.hidden * model.hidden; // of a prediction module
  const BytesPerSecond bandwidth = chip.memory_bandwidth * chip.kernels->memory.gemm;
  const FlopsPerSecond rate = multiply_rate(setting);

  double read = layers.drafts * projection, draft_layer = 0, routed = 0;
  if (layers.dense > 0) {
    const auto layer = workload::layer_parameters(model, workload::LayerKind::Dense);
    read += layers.dense * layer.total();
    draft_layer = layer.total();
  }
  if (layers.experts > 0) {
    const auto layer = workload::layer_parameters(model, workload::LayerKind::Experts);
    read += layers.experts * (layer.total() - layer.experts);
    draft_layer = layer.total() - layer.experts + layer.active_experts;
    routed = (model.layers - model.dense_layers) * layer.active_experts;
    active_experts_ = model.experts->active;
    const double cut = setting.decoding->expert_tensor > 1 ? replica_ : 1;
    expert_ranks_ = replica_ / cut;
    routing_imbalance_ = expert_ranks_ > 1 ? setting.stack->expert_imbalance : 1;
    // Where experts do not divide over the GPUs, the rest of the slots holds second copies.
    expert_slots_ = std::ceil(model.experts->routed / expert_ranks_);
    const double expert = layer.experts / model.experts->routed / cut;
    experts_read_ = layers.experts * expert_slots_ * expert * width * byte / bandwidth;
  }
  dense_read_ = (width * read + wide * head * (1 + layers.drafts)) / tensor_ * byte / bandwidth;
  multiply_per_token_ = 2 * (workload::parameters(model).active_matrices - routed) * flop / rate;
  expert_multiply_per_token_ = 2 * routed * flop / rate;
  multiply_per_sequence_ = 2 * layers.drafts * (draft_layer + projection + head) * flop / rate;
  sampling_per_sequence_ = sampling_bytes * model.vocabulary * byte /
                           (chip.memory_bandwidth * chip.kernels->memory.elementwise);
}

void DecodeModel::count_attention(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const workload::AttentionSpec& attention = model.attention;
  const AcceleratorSpec& chip = accelerator_of(setting);
  const hardware::AttentionKernelsSpec& kernels = chip.kernels->attention;
  const bool latent = attention.kind == workload::AttentionKind::Latent;
  const double layers = layers_of(setting).all();
  // Tensor parallelism beyond the key-value heads (one for latent attention) copies the cache.
  const double kv_heads = latent                   ? 1
                          : attention.kv_heads > 0 ? attention.kv_heads
                                                   : attention.heads;
  const double copies = std::max(1.0, tensor_ / kv_heads);
  const Bytes cache_per_token = layers * workload::kv_elements_per_token_layer(model) *
                                setting.decoding->kv_bytes_per_element * copies;
  cache_read_per_context_ =
      cache_per_token / (chip.memory_bandwidth * kernels.decode_bandwidth_fraction);
  // Scores and weighted sum per query token and token of context; latent attention works in the
  // compressed space.
  const double width =
      latent ? 2.0 * attention.kv_rank + attention.rope_dim : 2.0 * attention.head_dim;
  attention_per_context_ = tokens_per_step_ * layers * 2 * attention.heads * width * flop /
                           (hardware::peak(chip, hardware::wide_precision(chip), "cluster") *
                            kernels.decode_compute_fraction);
  cache_tokens_ = free_for_cache(setting, replica_) / cache_per_token;
  window_ = attention.window;
}

void DecodeModel::count_communication(const GenerationSetting& setting) {
  const hardware::NodeSpec& node = setting.pool->node.spec;
  const plan::StackSpec& stack = *setting.stack;
  const LayerCount layers = layers_of(setting);
  const double hidden = setting.model->hidden;
  if (exchanges_tokens_) {
    // Every copy of a token goes its own way: one per active expert, to a GPU chosen evenly.
    const BytesPerSecond scale_up = hardware::usable_scale_up(node);
    const BytesPerSecond scale_out = node.nic.bandwidth * (double(node.nics) / node.accelerators);
    const double local = std::min(node.accelerators, replica_);
    const double copies = active_experts_ * hidden;
    const double bytes =
        exchange_bytes(stack.precision.dispatch) + exchange_bytes(stack.precision.combine);
    const Seconds inside = (local - 1) / replica_ * copies * bytes * byte / scale_up;
    const Seconds outside = (replica_ - local) / replica_ * copies * bytes * byte /
                            (scale_out * stack.all_to_all_efficiency);
    exchange_per_token_ = layers.experts * std::max(inside, outside);
    exchange_fixed_ = layers.experts * 2 * setting.decoding->all_to_all_floor;
  }
  if (tensor_ > 1) {
    // Sums of 16-bit activations after attention and feed-forward; experts that other groups share
    // are combined by their exchange instead.
    all_reduce_ = AllReduceTime(*setting.pool, tensor_);
    all_reduces_ = layers.all() + (exchanges_tokens_ ? layers.dense : layers.all());
    reduced_per_token_ = hidden * wide * byte;
  }
}

void DecodeModel::count_prefill(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const AcceleratorSpec& chip = accelerator_of(setting);
  const std::string& named = setting.stack->attention;
  const hardware::AttentionKernelSpec& kernels =
      hardware::attention_kernels(chip, named == hardware::unfused_attention ? "" : named);
  // The head multiplies the last token of a prompt only.
  const double head = double(model.hidden) * model.vocabulary;
  const double spread = routing_imbalance_ - 1; // waits for the fullest rank
  prompt_matrices_per_token_ =
      2 * (workload::parameters(model).active_matrices - head) * flop / multiply_rate(setting) +
      spread * expert_multiply_per_token_;
  const workload::AttentionDimensions core = workload::attention_dimensions(model.attention);
  const double scores_per_key = model.layers * core.heads;
  const Flops flops_per_score = 2 * (core.query_key_dim + core.value_dim) * flop;
  const Seconds per_score =
      flops_per_score / (hardware::peak(chip, hardware::wide_precision(chip), "cluster") *
                         kernels.forward_fraction) +
      kernels.exposed_exponentials * flop / chip.special_function_peak;
  prompt_attention_per_square_ = scores_per_key / 2 * per_score / chip.kernels->sustained_fraction;
  prompt_extra_length_ = kernels.query_tile + 2 * kernels.half_length;
  if (model.attention.kind == workload::AttentionKind::Latent) // keys and values of what is cached
    expand_per_cached_token_ = 2.0 * model.layers * model.attention.kv_rank * core.heads *
                               (model.attention.head_dim + core.value_dim) * flop /
                               multiply_rate(setting);
  prompt_kernels_per_token_ = prompt_kernel_time(setting, tensor_, compute_precision(setting),
                                                 std::max(1.0, routing_imbalance_));
  count_prefill_exchange(setting);
}

// Long messages: a token crosses the network once for each node that it goes to and spreads there
// (room network, MoE dispatch and combine).
void DecodeModel::count_prefill_exchange(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const hardware::NodeSpec& node = setting.pool->node.spec;
  const plan::StackSpec& stack = *setting.stack;
  if (tensor_ > 1) {
    const Bytes chunk = prompt_chunk * reduced_per_token_;
    prompt_exchange_ = all_reduces_ * tensor_ * all_reduce_(chunk) / prompt_chunk;
  }
  if (!exchanges_tokens_)
    return;
  const double nodes = std::max(1.0, double(replica_) / node.accelerators);
  const double ranks = std::min(node.accelerators, replica_);
  const double bytes =
      exchange_bytes(stack.precision.dispatch) + exchange_bytes(stack.precision.combine);
  const Bytes copy = model.hidden * bytes * routing_imbalance_ * byte;
  const BytesPerSecond scale_out = node.nic.bandwidth * (double(node.nics) / node.accelerators);
  const Seconds outside = workload::expected_destinations(model, nodes, model.experts->max_nodes) *
                          (nodes - 1) / nodes * copy / (scale_out * stack.all_to_all_efficiency);
  const Seconds inside = workload::expected_destinations(model, replica_, 0) * (ranks - 1) / ranks *
                         copy / hardware::usable_scale_up(node);
  prompt_exchange_ += (model.layers - model.dense_layers) * std::max(outside, inside);
}

double DecodeModel::kept(double context) const {
  return window_ > 0 ? std::min(context, double(window_)) : context;
}

double DecodeModel::fullest(const Load& load) const {
  return std::max({load.fullest, load.sequences, 1.0 / tensor_});
}

// Load of the fullest expert rank over the mean: what the router's preferences make of it, and what
// chance does where tokens are few (largest of `ranks` Poisson loads, in the Gaussian limit).
double DecodeModel::expert_imbalance(double tokens_per_gpu) const {
  if (expert_ranks_ <= 1)
    return 1;
  const double copies_per_rank = tokens_per_gpu * active_experts_ * replica_ / expert_ranks_;
  return routing_imbalance_ * (1 + std::sqrt(2 * portable_log(expert_ranks_) / copies_per_rank));
}

DecodeModel::Layers DecodeModel::dense_layers(const Load& load) const {
  const double sequences = fullest(load);
  return {dense_read_,
          sequences * (tokens_per_step_ * multiply_per_token_ + multiply_per_sequence_)};
}

DecodeModel::Layers DecodeModel::expert_layers(const Load& load) const {
  if (expert_slots_ == 0)
    return {};
  const double tokens = std::max(load.sequences, 1.0 / replica_) * tokens_per_step_;
  // Share of expert slots that some token of the replica is sent to.
  const double slots = expert_slots_ * expert_ranks_;
  const double hit = slots <= 1 ? 1 : 1 - power(1 - 1 / slots, tokens * replica_ * active_experts_);
  return {experts_read_ * hit, tokens * expert_imbalance(tokens) * expert_multiply_per_token_};
}

DecodeModel::Communication DecodeModel::communication(const Load& load) const {
  Communication sum;
  if (exchanges_tokens_) {
    // The fullest GPU sends the most, the rank of the favourite experts receives the most.
    const double tokens = std::max(load.sequences, 1.0 / replica_) * tokens_per_step_;
    const double most =
        std::max(fullest(load) * tokens_per_step_, tokens * expert_imbalance(tokens));
    sum.tokens = exchange_fixed_ + most * exchange_per_token_;
  }
  if (tensor_ > 1) {
    const double tokens = fullest(load) * tensor_ * tokens_per_step_;
    sum.sums = all_reduces_ * all_reduce_(tokens * reduced_per_token_);
  }
  return sum;
}

Seconds DecodeModel::slack(const Load& load) const {
  const Layers dense = dense_layers(load), experts = expert_layers(load);
  return slowdown_ * (std::max(Seconds{}, dense.read - dense.multiply) +
                      std::max(Seconds{}, experts.read - experts.multiply));
}

Seconds DecodeModel::layer_time(const Load& load) const {
  const Layers dense = dense_layers(load), experts = expert_layers(load);
  // Every GPU of a tensor-parallel group samples all of its sequences.
  const Seconds sampling = fullest(load) * tensor_ * tokens_per_step_ * sampling_per_sequence_;
  return std::max(dense.read, dense.multiply) + std::max(experts.read, experts.multiply) + sampling;
}

// `parts` batches one after another: each reads the weights and launches kernels by itself, and all
// but what two of them hide is exposed.
DecodeStep DecodeModel::device_step(const Load& load, int parts) const {
  const Load part{load.sequences / parts, load.fullest / parts, load.context};
  DecodeStep step;
  step.weights_or_gemm = slowdown_ * parts * layer_time(part);
  step.attention = slowdown_ * fullest(load) * kept(load.context) *
                   std::max(cache_read_per_context_, attention_per_context_);
  step.kernels = slowdown_ * parts * kernels_;
  const Seconds compute = step.weights_or_gemm + step.attention + step.kernels;
  const Communication sent = communication(part);
  const Seconds all = sent.tokens + sent.sums;
  step.all_to_all = exposed(compute, slowdown_ * parts * all, parts > 1);
  if (all > Seconds{})
    step.sums = step.all_to_all * (sent.sums / all);
  step.duration = compute + step.all_to_all;
  return step;
}

DecodeStep DecodeModel::step(const Load& load) const {
  SIM_ASSERT(load.sequences > 0 && load.context >= 0);
  DecodeStep step = device_step(load, 1);
  if (two_batch_overlap_) { // where it pays
    const DecodeStep halves = device_step(load, 2);
    if (halves.duration < step.duration)
      step = halves;
  }
  step.tokens_per_sequence = tokens_per_sequence_;
  step.host = std::max(Seconds{}, launch_ - step.duration) + host_step_ +
              fullest(load) * tensor_ * host_per_sequence_;
  step.duration += step.host;
  return step;
}

PrefillTime DecodeModel::prefill_parts(double tokens, double cached) const {
  PrefillTime time;
  if (tokens <= 0)
    return time;
  time.multiplies =
      slowdown_ * (tokens * prompt_matrices_per_token_ + cached * expand_per_cached_token_);
  // Twice the keys that a token sees on average, less one; all of them: tokens + 2 cached.
  const double whole = tokens + cached;
  const double all = whole * (2 * workload::causal_keys(whole, 0, window_) - 1);
  const double before =
      cached > 0 ? cached * (2 * workload::causal_keys(cached, 0, window_) - 1) : 0;
  time.attention =
      slowdown_ * (all - before + tokens * prompt_extra_length_) * prompt_attention_per_square_;
  time.kernels = slowdown_ * tokens * prompt_kernels_per_token_;
  const Seconds compute = time.multiplies + time.attention + time.kernels;
  time.exchange = exposed(compute, slowdown_ * tokens * prompt_exchange_, two_batch_overlap_);
  return time;
}

DecodeStep decode_step(const GenerationSetting& setting, double sequences_per_gpu, double context) {
  return DecodeModel(setting).step(sequences_per_gpu, context);
}

} // namespace sim::rollout
