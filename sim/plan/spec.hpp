// SPDX-License-Identifier: Apache-2.0
// Degrees of parallelism, and what the training software does (a stack): which precisions, what it
// recomputes, what it overlaps, how many SMs its communication takes. A stack says what is done,
// never by how much to scale the answer.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/workload/spec.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::plan {

enum class Schedule {
  OneForwardOneBackward,
  GPipe,
  ZeroBubbleH1,
  ZeroBubbleV,
  DualPipe,
  DualPipeV,
  CombinedOneForwardOneBackward
};
// FullEarlyStop: PyTorch's non-reentrant checkpointing, which computes a layer again from its input
// only until all that its backward pass needs is there.
enum class Recompute { None, Norms, Selective, Full, FullEarlyStop };
inline constexpr bool keeps_inputs_only(Recompute recompute) {
  return recompute == Recompute::Full || recompute == Recompute::FullEarlyStop;
}
// Which ranks are neighbours, innermost first.
enum class RankOrder { TensorContextDataPipeline, TensorContextPipelineData };

// Degrees that are absent are 1, except `data`, which is what the GPUs leave.
struct ParallelismSpec {
  int tensor = 1;
  int pipeline = 1;
  int context = 1;
  int expert = 1;
  int expert_tensor = 0; // 0: as tensor
  int data = 0;          // 0: GPUs / (tensor * pipeline * context)
  int zero_stage = 1;
  int data_shard = 0;                // 0: all data * context ranks
  bool reshard_after_forward = true; // zero_stage 3
  int micro_batch = 1;
  Schedule schedule = Schedule::OneForwardOneBackward;
  bool sequence_parallel = true; // with tensor > 1
  int virtual_stages = 1; // model chunks per pipeline rank (interleaved 1F1B, breadth-first GPipe)
  std::vector<int> layers_per_stage; // by chunk, in the order of the model; empty: cut evenly
  RankOrder rank_order = RankOrder::TensorContextDataPipeline;
};

inline constexpr int expert_tensor(const ParallelismSpec& layout) {
  return layout.expert_tensor > 0 ? layout.expert_tensor : layout.tensor;
}

// What shares a scale in 8-bit multiplies: a block of a tensor with an FP32 scale (DeepSeek-V3's
// 1 x 128 and 128 x 128), all of it, or 32 elements with a scale of one byte (MXFP8).
enum class Scaling { Block, Tensor, Micro };

struct PrecisionSpec {
  hardware::Precision gemm = hardware::Precision::Bf16;
  Scaling scaling = Scaling::Block;
  hardware::Precision dispatch = hardware::Precision::Bf16;
  hardware::Precision combine = hardware::Precision::Bf16;
  // Per parameter; moment_bytes: both moments together.
  Bytes gradient_bytes = 4 * byte, master_bytes = 4 * byte, moment_bytes = 8 * byte;
  Bytes weight_bytes = 2 * byte; // working copy that the kernels read
  // Layers whose multiplies stay in 16 bit; not prediction modules.
  int bf16_layers_at_start = 0, bf16_layers_at_end = 0;
};

struct OverlapSpec {
  bool data_gradients = true;  // reduce-scatter under the last backward passes
  bool data_parameters = true; // all-gather under the next forward
  double tensor =
      0; // share of tensor-parallel collectives that are fused with the GEMM beside them
  // A forward and a backward pass of two micro-batches run as one: dispatch and combine of each
  // under the computation of the other. Schedules of pairs (ScheduleRule::pairs) need it.
  bool expert_pairs = false;
};

// zero_stage 2 and 3.
struct ShardingSpec {
  int zero_stage = 1;          // of layouts that the program searches for
  int prefetch = 1;            // units whose weights are gathered ahead of the one that computes
  double gather_copies = 0;    // of a unit's weights, out of the buffer that they are gathered in
  double reduction_copies = 0; // of its gradients, before they are reduced
};

// Optimizer state in the host's memory, updated by its processors (ZeRO-Offload, Ren et al. 2021,
// arXiv 2101.06840; Megatron-Core's hybrid device optimizer).
struct OptimizerOffloadSpec {
  double share = 1;       // of each GPU's optimizer state
  bool gradients = false; // leave the device as they are reduced
  bool overlap = false;   // buckets are copied out, updated and copied back at the same time
};

// How context ranks come by keys and values: all before the attention core (Llama 3, arXiv
// 2407.21783); in a ring beside it (Liu et al. 2023, arXiv 2310.01889); or each takes whole
// sequences of its share of the heads (DeepSpeed-Ulysses, arXiv 2309.14509).
enum class ContextExchange { AllGather, Ring, AllToAll };

// Kernels of expert dispatch and combine. Normal: a token crosses the network once for each node it
// goes to. Low latency: once for each of its experts, straight to the expert's rank; so does NCCL's
// all-to-all, which sends what was permuted.
enum class ExchangeKernels { Normal, LowLatency, AllToAll };
struct ExchangeSpec {
  ExchangeKernels kernels = ExchangeKernels::Normal;
  double scale_up_efficiency = 1; // share of what collectives can use
  bool own_copy = false;          // the copy for the rank itself takes the same way as the others
  Seconds latency{};              // start, counts and completion
};

struct StackSpec {
  std::string title;
  PrecisionSpec precision;
  Recompute recompute = Recompute::None;
  std::vector<workload::Module> recompute_modules; // selective; empty: attention core
  int recompute_layers = 0;                        // full: first ones of each chunk; 0: all
  int offload_layers = 0; // first ones of each chunk whose activations wait in the host's memory
  std::optional<OptimizerOffloadSpec> optimizer_offload; // absent: all on the device
  std::string attention; // implementation; empty: the accelerator's default
  bool dropout = false;  // on attention scores and both branches' results
  ContextExchange context_exchange = ContextExchange::AllGather;
  OverlapSpec overlap;
  ShardingSpec sharding;
  bool fused_gradient_sums = true; // weight gradients are added up by their multiplies
  bool fused_loss = true;          // cross entropy is one kernel in each direction
  bool scatter_gather = false;     // messages between stages without sequence parallelism are cut
  int communication_sms = 16;      // held by a running collective kernel
  int dispatch_sms = 24;           // held by MoE dispatch and combine kernels
  double all_to_all_efficiency =
      0.88; // share of NIC line rate that dispatch and combine reach alone
  ExchangeSpec exchange;
  Seconds dispatch_handshake{}; // exchange of counts before each dispatch and combine
  double overlapped_communication_slowdown =
      1;                       // of dispatch and combine while kernels compute beside them
  double expert_imbalance = 1; // load of the fullest rank over the mean
  std::optional<double> expert_capacity; // rows of every expert over the mean; absent: dropless
  double jitter = 0;                     // standard deviation of a rank's step time over its mean
  Seconds kernel_launch{};               // host time for each kernel
  Seconds synchronisation{}; // host work per step: gradient norm, logging, launch of the step
  Bytes framework_memory{};  // context, communication buffers, per GPU
  double fragmentation = 0;  // share of allocated memory lost in the allocator
  double rollout_efficiency =
      1; // speed of the generation engine relative to its kernels' rooflines
};

enum class PortLayout { Auto, Keep };
enum class PortScaleUp { Pcie, Keep };

// Rules for what the target hardware lacks. Each substitution made is listed in the result.
struct PortSpec {
  std::vector<hardware::Precision> precision; // in order of preference; empty: no substitution
  PortLayout layout = PortLayout::Keep;       // auto: search when the given layout does not fit
  PortScaleUp scale_up = PortScaleUp::Keep;   // pcie: where the accelerator has no links of its own
};

inline constexpr Rule any_degree{.low = 1, .high = 1 << 20};
inline constexpr Rule zero_stages{.low = 0, .high = 3};

template <class V> void fields(V& v, ParallelismSpec& s) {
  v("tensor", s.tensor, any_degree, "Tensor-parallel degree.");
  v("pipeline", s.pipeline, any_degree, "Pipeline-parallel degree.");
  v("context", s.context, any_degree, "Context-parallel degree.");
  v("expert", s.expert, any_degree,
    "Expert-parallel degree, taken from the data-parallel and context ranks, and from the tensor "
    "ranks that expert_tensor leaves.");
  v("expert_tensor", s.expert_tensor, Rule{.low = 0, .high = 1 << 20},
    "Ranks that cut each expert; absent: as tensor.");
  v("data", s.data, Rule{.low = 0, .high = 1 << 20},
    "Data-parallel degree; absent: what the other degrees leave.");
  v("zero_stage", s.zero_stage, zero_stages,
    "Sharded over data-parallel ranks: 0: nothing; 1: optimizer state; 2: gradients too, reduced "
    "in "
    "every micro-batch; 3: weights too (FSDP), gathered unit by unit (a layer, the embedding, the "
    "head) for every pass.");
  v("data_shard", s.data_shard, Rule{.low = 0, .high = 1 << 20},
    "Neighbouring data and context ranks that zero_stage shards over, with copies beyond them "
    "(HSDP); "
    "absent: all.");
  v("reshard_after_forward", s.reshard_after_forward, anything,
    "zero_stage 3: backward gathers the weights again (FULL_SHARD); false: they stay from a "
    "micro-batch's forward to its backward pass (SHARD_GRAD_OP).");
  v("micro_batch", s.micro_batch, any_degree, "Sequences per micro-batch.");
  v("schedule", s.schedule, anything, "Pipeline schedule.");
  v("sequence_parallel", s.sequence_parallel, anything,
    "Shard norms and residuals over the tensor-parallel group.");
  v("virtual_stages", s.virtual_stages, any_degree,
    "Model chunks per pipeline rank (1F1B: interleaved; GPipe: breadth-first); the other schedules "
    "have their own.");
  v("layers_per_stage", s.layers_per_stage, Rule{.low = 0, .high = 1 << 20},
    "Layers of each pipeline stage in the order of the model: pipeline times virtual_stages "
    "numbers "
    "(dualpipe: pipeline, dualpipe-v and zb-v: twice that). The embedding goes with the first "
    "stage, head and prediction modules with the last; absent: the same number each where that "
    "goes, else the most even cut.");
  v("rank_order", s.rank_order, anything,
    "Which ranks are neighbours on the machines, innermost first.");
}
template <class V> void fields(V& v, PrecisionSpec& s) {
  v("gemm", s.gemm, anything,
    "Matrix multiplies of the layers; attention, router, head and norms stay in 16 bit.");
  v("scaling", s.scaling, anything,
    "What shares a scale in 8-bit multiplies: a block of 128, the tensor, or 32 elements (MXFP8). "
    "4-bit ones have a scale for 16 elements and one for the tensor (NVFP4).");
  v("dispatch", s.dispatch, anything, "Expert dispatch.");
  v("combine", s.combine, anything, "Expert combine.");
  v("gradient_bytes", s.gradient_bytes, positive, "Per parameter.");
  v("master_bytes", s.master_bytes, non_negative, "Master weights, per parameter.");
  v("moment_bytes", s.moment_bytes, non_negative, "Both optimizer moments, per parameter.");
  v("weight_bytes", s.weight_bytes, positive, "Working copy of the weights, per parameter.");
  v("bf16_layers_at_start", s.bf16_layers_at_start, non_negative,
    "First layers of the model whose matrix multiplies stay in 16 bit.");
  v("bf16_layers_at_end", s.bf16_layers_at_end, non_negative,
    "Last layers of the model whose matrix multiplies stay in 16 bit; prediction modules follow "
    "them.");
}
template <class V> void fields(V& v, OptimizerOffloadSpec& s) {
  v("share", s.share, Rule{.low = 0, .high = 1, .low_open = true},
    "Of each GPU's optimizer state that lies in the host's memory and is updated there.");
  v("gradients", s.gradients, anything,
    "zero_stage 2, 3: its gradients leave the device as they are reduced, under the backward pass "
    "(ZeRO-Offload).");
  v("overlap", s.overlap, anything,
    "Layer by layer, gradients are copied out, the host updates and weights are copied back at the "
    "same time, beside the device's own part; false: one after another.");
}
template <class V> void fields(V& v, OverlapSpec& s) {
  v("data_gradients", s.data_gradients, anything,
    "Gradient reduce-scatter runs under the backward pass.");
  v("data_parameters", s.data_parameters, anything,
    "Parameter all-gather runs under the next forward pass.");
  v("tensor", s.tensor, fraction,
    "Share of tensor-parallel collectives fused with the neighbouring matrix multiply.");
  v("expert_pairs", s.expert_pairs, anything,
    "A forward and a backward pass of two micro-batches run as one, so that dispatch and combine "
    "of "
    "each run under the computation of the other: the schedules dualpipe, dualpipe-v and "
    "1f1b-combined are made of such pairs and need true; searches for a layout then try dualpipe "
    "and 1f1b-combined.");
}
template <class V> void fields(V& v, ShardingSpec& s) {
  v("zero_stage", s.zero_stage, zero_stages,
    "ZeRO stage of layouts that the program searches for.");
  v("prefetch", s.prefetch, Rule{.low = 0, .high = 1024},
    "zero_stage 3: units whose weights are gathered ahead of the one that computes; 0: none, as "
    "without overlap.data_parameters.");
  v("gather_copies", s.gather_copies, non_negative,
    "zero_stage 3: times that a unit's weights are copied once gathered (FSDP2: 1).");
  v("reduction_copies", s.reduction_copies, non_negative,
    "zero_stage 2, 3: times that a unit's gradients are copied or scaled before they are reduced "
    "(FSDP: into one flat tensor, and scaled: 2).");
}
template <class V> void fields(V& v, ExchangeSpec& s) {
  v("kernels", s.kernels, anything, "How tokens reach their experts.");
  v("scale_up_efficiency", s.scale_up_efficiency, Rule{.low = 0, .high = 1, .low_open = true},
    "Share of usable scale-up bandwidth that the kernels reach.");
  v("own_copy", s.own_copy, anything,
    "The copy for the rank itself takes the same buffers as the others.");
  v("latency", s.latency, non_negative, "Of one dispatch or combine, beside its bytes.");
}
template <class V> void fields(V& v, StackSpec& s) {
  v("title", s.title, required(), "Name for people.");
  v("precision", s.precision, anything, "Precision recipe.");
  v("recompute", s.recompute, anything, "What the backward pass computes again.");
  v("recompute_modules", s.recompute_modules, anything,
    "recompute: selective: parts of each layer; empty: attention-core.");
  v("recompute_layers", s.recompute_layers, non_negative,
    "recompute: full, full-early-stop: the first so many layers of each model chunk; 0: all.");
  v("offload_layers", s.offload_layers, non_negative,
    "The first so many layers of each model chunk whose activations are copied to the host in the "
    "forward pass and back ahead of the backward pass.");
  v("optimizer_offload", s.optimizer_offload, anything,
    "Optimizer state in the host's memory, which node.host describes; absent: on the device.");
  v("attention", s.attention, anything,
    "Attention kernels by name; absent: the accelerator's default; unfused: two batched multiplies "
    "with softmax between them.");
  v("dropout", s.dropout, anything,
    "Dropout after attention and feed-forward, and on the scores of unfused attention.");
  v("context_exchange", s.context_exchange, anything,
    "Context parallelism: keys and values of whole sequences gathered before the attention core; "
    "passed around a ring beside it; or heads for tokens around it (Ulysses).");
  v("overlap", s.overlap, anything, "What runs under computation.");
  v("sharding", s.sharding, anything, "How sharded gradients and weights are handled.");
  v("fused_gradient_sums", s.fused_gradient_sums, anything,
    "Multiplies add weight gradients to those of earlier micro-batches; false: a kernel after each "
    "does, as automatic differentiation by itself.");
  v("fused_loss", s.fused_loss, anything,
    "Cross entropy reads and writes the FP32 logits once in each direction; false: PyTorch's "
    "kernels "
    "one by one, as Megatron-LM's vocabulary-parallel cross entropy.");
  v("scatter_gather", s.scatter_gather, anything,
    "Without sequence parallelism: each tensor rank sends its share of the activations between "
    "stages, and the receivers gather them (Narayanan et al. 2021); false: each sends all.");
  v("communication_sms", s.communication_sms, non_negative, "SMs held by a running collective.");
  v("dispatch_sms", s.dispatch_sms, non_negative,
    "SMs held by expert dispatch and combine, whose rate is taken as reached with them: fewer slow "
    "nothing.");
  v("all_to_all_efficiency", s.all_to_all_efficiency, positive,
    "Share of NIC line rate that expert dispatch reaches alone.");
  v("exchange", s.exchange, anything, "Kernels of expert dispatch and combine.");
  v("dispatch_handshake", s.dispatch_handshake, non_negative,
    "Exchange of counts before each expert dispatch or combine.");
  v("overlapped_communication_slowdown", s.overlapped_communication_slowdown, at_least_one,
    "Slow-down of expert dispatch while kernels compute beside it.");
  v("expert_imbalance", s.expert_imbalance, at_least_one,
    "Load of the fullest expert rank over the mean.");
  v("expert_capacity", s.expert_capacity, at_least_one,
    "Capacity factor: rows of every expert over the mean, padded or dropped to it, in place of "
    "expert_imbalance; absent: dropless.");
  v("jitter", s.jitter, fraction,
    "Standard deviation of one rank's step time, relative: the step waits for the slowest rank.");
  v("kernel_launch", s.kernel_launch, non_negative,
    "Host time for each kernel; eager frameworks launch several for one that is counted here. A "
    "pass "
    "lasts at least as long as its launches.");
  v("synchronisation", s.synchronisation, non_negative, "Host work per step that nothing hides.");
  v("framework_memory", s.framework_memory, non_negative,
    "Context and communication buffers per GPU.");
  v("fragmentation", s.fragmentation, fraction, "Share of memory lost in the allocator.");
  v("rollout_efficiency", s.rollout_efficiency, positive,
    "Speed of the generation engine relative to its kernels' rooflines.");
}

template <class V> void fields(V& v, PortSpec& s) {
  v("precision", s.precision, anything,
    "Precisions to fall back to, in order, where the accelerator lacks the stack's.");
  v("layout", s.layout, anything, "auto: search for a layout where the given one does not fit.");
  v("scale_up", s.scale_up, anything,
    "pcie: GPUs of an accelerator without links of its own are joined over PCIe.");
}

} // namespace sim::plan

namespace sim {
inline namespace base {
template <> struct EnumNames<plan::Schedule> {
  static constexpr std::array names{
      std::pair{plan::Schedule::OneForwardOneBackward, std::string_view{"1f1b"}},
      std::pair{plan::Schedule::GPipe, std::string_view{"gpipe"}},
      std::pair{plan::Schedule::ZeroBubbleH1, std::string_view{"zb-h1"}},
      std::pair{plan::Schedule::ZeroBubbleV, std::string_view{"zb-v"}},
      std::pair{plan::Schedule::DualPipe, std::string_view{"dualpipe"}},
      std::pair{plan::Schedule::DualPipeV, std::string_view{"dualpipe-v"}},
      std::pair{plan::Schedule::CombinedOneForwardOneBackward, std::string_view{"1f1b-combined"}}};
};
template <> struct EnumNames<plan::ContextExchange> {
  static constexpr std::array names{
      std::pair{plan::ContextExchange::AllGather, std::string_view{"all-gather"}},
      std::pair{plan::ContextExchange::Ring, std::string_view{"ring"}},
      std::pair{plan::ContextExchange::AllToAll, std::string_view{"all-to-all"}}};
};
template <> struct EnumNames<plan::ExchangeKernels> {
  static constexpr std::array names{
      std::pair{plan::ExchangeKernels::Normal, std::string_view{"normal"}},
      std::pair{plan::ExchangeKernels::LowLatency, std::string_view{"low-latency"}},
      std::pair{plan::ExchangeKernels::AllToAll, std::string_view{"all-to-all"}}};
};
template <> struct EnumNames<plan::Scaling> {
  static constexpr std::array names{std::pair{plan::Scaling::Block, std::string_view{"block"}},
                                    std::pair{plan::Scaling::Tensor, std::string_view{"tensor"}},
                                    std::pair{plan::Scaling::Micro, std::string_view{"micro"}}};
};
template <> struct EnumNames<plan::Recompute> {
  static constexpr std::array names{
      std::pair{plan::Recompute::None, std::string_view{"none"}},
      std::pair{plan::Recompute::Norms, std::string_view{"norms"}},
      std::pair{plan::Recompute::Selective, std::string_view{"selective"}},
      std::pair{plan::Recompute::Full, std::string_view{"full"}},
      std::pair{plan::Recompute::FullEarlyStop, std::string_view{"full-early-stop"}}};
};
template <> struct EnumNames<plan::RankOrder> {
  static constexpr std::array names{std::pair{plan::RankOrder::TensorContextDataPipeline,
                                              std::string_view{"tensor-context-data-pipeline"}},
                                    std::pair{plan::RankOrder::TensorContextPipelineData,
                                              std::string_view{"tensor-context-pipeline-data"}}};
};
template <> struct EnumNames<plan::PortLayout> {
  static constexpr std::array names{std::pair{plan::PortLayout::Auto, std::string_view{"auto"}},
                                    std::pair{plan::PortLayout::Keep, std::string_view{"keep"}}};
};
template <> struct EnumNames<plan::PortScaleUp> {
  static constexpr std::array names{std::pair{plan::PortScaleUp::Pcie, std::string_view{"pcie"}},
                                    std::pair{plan::PortScaleUp::Keep, std::string_view{"keep"}}};
};
template <> inline constexpr std::string_view catalogue_kind<plan::StackSpec> = "stacks";
} // namespace base
} // namespace sim
