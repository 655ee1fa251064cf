// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/decode.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/workload/counts.hpp"
#include "sim/workload/dimensions.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace sim::rollout {
namespace {

using hardware::AcceleratorSpec;
using hardware::Precision;

constexpr double wide = 2;                // bytes of a 16-bit element
constexpr double scale_bytes = 4.0 / 128; // one FP32 scale per 128 narrow elements

const AcceleratorSpec& accelerator_of(const GenerationSetting& setting) {
  return setting.pool->node->accelerator.spec;
}

// Narrow weights are multiplied in FP8 where the chip can, else widened on the way to a 16-bit
// multiply.
Precision compute_precision(const GenerationSetting& setting) {
  const AcceleratorSpec& chip = accelerator_of(setting);
  const bool fp8 =
      chip.peak.contains(Precision::Fp8) && chip.kernels->gemm.contains(Precision::Fp8);
  return setting.decoding->weight_bytes <= 1 * byte && fp8 ? Precision::Fp8 : Precision::Bf16;
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

} // namespace

DecodeModel::DecodeModel(const GenerationSetting& setting)
    : gpus_(setting.pool->nodes * setting.pool->node->accelerators),
      replica_(replica_gpus(setting)) {
  const DecodingSpec& decoding = *setting.decoding;
  SIM_ASSERT(decoding.drafts >= 0 && decoding.acceptance >= 0 && decoding.acceptance <= 1);
  tokens_per_step_ = 1 + decoding.drafts;
  // A draft counts when all before it were accepted: 1 + a + a^2 + ... + a^drafts.
  for (double draft = 1, accepted = decoding.acceptance; draft <= decoding.drafts; ++draft) {
    tokens_per_sequence_ += accepted;
    accepted *= decoding.acceptance;
  }
  least_sequences_ = setting.model->experts ? 1 : 1.0 / replica_;
  slowdown_ = 1 / setting.stack->rollout_efficiency;
  kernels_ = layers_of(setting).all() * decoding.kernel_floor;
  count_weights(setting);
  count_attention(setting);
  count_communication(setting);
  count_prefill(setting);
}

void DecodeModel::count_weights(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const AcceleratorSpec& chip = accelerator_of(setting);
  const LayerCount layers = layers_of(setting);
  const workload::Parameters all = workload::parameters(model);
  const double head = double(model.hidden) * model.vocabulary;
  const double projection = 2.0 * model.hidden * model.hidden; // of a prediction module
  const BytesPerSecond bandwidth = chip.memory_bandwidth * chip.kernels->memory.gemm;
  const FlopsPerSecond rate = multiply_rate(setting);
  const double shards = model.experts ? 1 : replica_; // dense models: tensor parallelism

  double read = layers.drafts * projection;
  double draft_layer = 0;
  if (layers.dense > 0) {
    const auto layer = workload::layer_parameters(model, workload::LayerKind::Dense);
    read += layers.dense * layer.total();
    draft_layer = layer.total();
  }
  if (layers.experts > 0) {
    const auto layer = workload::layer_parameters(model, workload::LayerKind::Experts);
    read += layers.experts * (layer.total() - layer.experts);
    draft_layer = layer.total() - layer.experts + layer.active_experts;
    active_experts_ = model.experts->active;
    // Where experts do not divide over the GPUs, the rest of the slots holds second copies.
    expert_slots_ = std::ceil(double(model.experts->routed) / replica_);
    const double expert = layer.experts / model.experts->routed;
    experts_read_ =
        layers.experts * expert_slots_ * expert * setting.decoding->weight_bytes / bandwidth;
  }
  dense_read_ = (setting.decoding->weight_bytes / byte * read + wide * head * (1 + layers.drafts)) /
                shards * byte / bandwidth;
  multiply_per_token_ = 2 * all.active_matrices * flop / rate;
  multiply_per_sequence_ = 2 * layers.drafts * (draft_layer + projection + head) * flop / rate;
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
  const double copies = model.experts ? 1 : std::max(1.0, replica_ / kv_heads);
  const Bytes cache_per_token = layers * workload::kv_elements_per_token_layer(model) *
                                setting.decoding->kv_bytes_per_element * copies;
  cache_read_per_context_ =
      cache_per_token / (chip.memory_bandwidth * kernels.decode_bandwidth_fraction);
  // Scores and weighted sum per query token and token of context; latent attention works in the
  // compressed space.
  const double width =
      latent ? 2.0 * attention.kv_rank + attention.rope_dim : 2.0 * attention.head_dim;
  attention_per_context_ =
      tokens_per_step_ * layers * 2 * attention.heads * width * flop /
      (hardware::peak(chip, Precision::Bf16, "cluster") * kernels.decode_compute_fraction);
  const Bytes free = chip.memory * (1 - setting.stack->fragmentation) -
                     setting.stack->framework_memory - weights_per_gpu(setting, replica_);
  cache_tokens_ = free / cache_per_token;
  window_ = attention.window;
}

void DecodeModel::count_communication(const GenerationSetting& setting) {
  if (replica_ == 1)
    return;
  const hardware::NodeSpec& node = setting.pool->node.spec;
  const hardware::FabricSpec& fabric = setting.pool->fabric.spec;
  const plan::StackSpec& stack = *setting.stack;
  const BytesPerSecond scale_up = hardware::usable_scale_up(node);
  const BytesPerSecond scale_out = node.nic.bandwidth * (double(node.nics) / node.accelerators);
  const LayerCount layers = layers_of(setting);
  const double hidden = setting.model->hidden;
  if (expert_slots_ > 0) {
    // Every copy of a token goes its own way: one per active expert, to a GPU chosen evenly.
    const double local = std::min(node.accelerators, replica_);
    const double copies = active_experts_ * hidden;
    const double bytes =
        exchange_bytes(stack.precision.dispatch) + exchange_bytes(stack.precision.combine);
    const Seconds inside = (local - 1) / replica_ * copies * bytes * byte / scale_up;
    const Seconds outside = (replica_ - local) / replica_ * copies * bytes * byte /
                            (scale_out * stack.all_to_all_efficiency);
    communication_per_token_ = layers.experts * std::max(inside, outside);
    communication_fixed_ = layers.experts * 2 * setting.decoding->all_to_all_floor;
    return;
  }
  // Tensor parallelism: two all-reduces of 16-bit activations per layer, of all the replica's
  // tokens.
  const bool within_node = replica_ <= node.accelerators;
  const BytesPerSecond link =
      within_node ? scale_up
                  : std::min(scale_up, node.nics * node.nic.bandwidth * fabric.efficiency);
  Seconds latency = within_node ? fabric.scale_up_latency : fabric.leaf_latency;
  if (const auto& library = accelerator_of(setting).collectives; library && within_node) {
    const hardware::ProtocolLatencies& hop = (*library)->tuning.scale_up.ring;
    latency += std::max(Seconds{}, hop.simple - hop.ll); // handed over by a counter
  }
  const Bytes per_token = 2 * (replica_ - 1.0) / replica_ * replica_ * hidden * wide * byte;
  communication_per_token_ = 2 * layers.all() * (per_token / link);
  communication_fixed_ = 2 * layers.all() * 2 * latency; // reduce, then gather
}

void DecodeModel::count_prefill(const GenerationSetting& setting) {
  const workload::ModelSpec& model = *setting.model;
  const AcceleratorSpec& chip = accelerator_of(setting);
  const std::string& named = setting.stack->attention;
  const hardware::AttentionKernelSpec& kernels =
      hardware::attention_kernels(chip, named == hardware::unfused_attention ? "" : named);
  // The head multiplies the last token of a prompt only.
  const double head = double(model.hidden) * model.vocabulary;
  prompt_matrices_per_token_ =
      2 * (workload::parameters(model).active_matrices - head) * flop / multiply_rate(setting);
  const workload::AttentionDimensions core = workload::attention_dimensions(model.attention);
  const double scores_per_key = model.layers * core.heads;
  const Flops flops_per_score = 2 * (core.query_key_dim + core.value_dim) * flop;
  const Seconds per_score = flops_per_score / (hardware::peak(chip, Precision::Bf16, "cluster") *
                                               kernels.forward_fraction) +
                            kernels.exposed_exponentials * flop / chip.special_function_peak;
  prompt_attention_per_square_ = scores_per_key / 2 * per_score / chip.kernels->sustained_fraction;
  prompt_extra_length_ = kernels.query_tile + 2 * kernels.half_length;
}

double DecodeModel::kept(double context) const {
  return window_ > 0 ? std::min(context, double(window_)) : context;
}

DecodeStep DecodeModel::step(double sequences_per_gpu, double context) const {
  SIM_ASSERT(sequences_per_gpu > 0 && context >= 0);
  const double sequences = std::max(least_sequences_, sequences_per_gpu);
  const double tokens = sequences * tokens_per_step_;
  Seconds read = dense_read_;
  if (expert_slots_ > 0) {
    // Share of expert slots that some token of the replica is sent to.
    const double slots = expert_slots_ * replica_;
    const double hit =
        slots <= 1 ? 1 : 1 - power(1 - 1 / slots, tokens * replica_ * active_experts_);
    read += experts_read_ * hit;
  }
  DecodeStep step;
  step.tokens_per_sequence = tokens_per_sequence_;
  step.weights_or_gemm =
      slowdown_ * std::max(read, tokens * multiply_per_token_ + sequences * multiply_per_sequence_);
  step.attention = slowdown_ * sequences * kept(context) *
                   std::max(cache_read_per_context_, attention_per_context_);
  step.kernels = slowdown_ * kernels_;
  step.all_to_all = slowdown_ * (communication_fixed_ + tokens * communication_per_token_);
  step.duration = step.weights_or_gemm + step.attention + step.kernels + step.all_to_all;
  return step;
}

Seconds DecodeModel::prefill(double tokens) const {
  if (tokens <= 0)
    return Seconds{};
  const Seconds matrices = tokens * prompt_matrices_per_token_;
  const double keys = 2 * workload::causal_keys(tokens, 0, window_) - 1; // all: tokens
  const Seconds attention = tokens * (keys + prompt_extra_length_) * prompt_attention_per_square_;
  return slowdown_ * (matrices + attention);
}

DecodeStep decode_step(const GenerationSetting& setting, double sequences_per_gpu, double context) {
  return DecodeModel(setting).step(sequences_per_gpu, context);
}

} // namespace sim::rollout
