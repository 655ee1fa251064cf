// SPDX-License-Identifier: Apache-2.0
// Probes: one kernel or one collective alone on the scenario's machines, as a benchmark times it.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/hardware/spec.hpp"

#include <optional>
#include <string>

namespace sim::probe {

enum class Pass { Forward, Backward };

// `groups` products of (m x k) by (k x n).
struct MatrixMultiplyProbe {
  int groups = 1, m = 0, n = 0, k = 0;
  hardware::Precision precision = hardware::Precision::Bf16;
};
// Attention in 16 bit.
struct AttentionProbe {
  std::string implementation; // empty: the accelerator's default
  int sequences = 1, sequence_length = 0, heads = 0, head_dim = 128;
  bool causal = true;
  Pass pass = Pass::Forward;
};
// Absorbed latent attention, as decoding kernels compute it: all heads read one latent vector a
// key.
struct LatentAttentionProbe {
  int sequences = 1, queries = 1, keys = 0, heads = 0; // of a sequence
  int latent_dim = 512, rope_dim = 64;
};
// Kernels that only move memory: sums, norms, casts, permutations, an optimizer's update.
struct MemoryProbe {
  hardware::MemoryKind kind = hardware::MemoryKind::Elementwise;
  Bytes size{}; // read and written together
};
enum class Operation { AllReduce, ReduceScatter, AllGather, AllToAll, Broadcast, SendReceive };
// Neighbouring ranks, from the first GPU on; all groups of the cluster do the same at once.
struct CollectiveProbe {
  Operation operation = Operation::AllReduce;
  Bytes size{}; // as NCCL's tests: the buffer; all-gather, reduce-scatter: the whole
  int ranks = 0;
  // Of the host that times each call by itself: until its kernels begin; and from then on, in
  // which the call does not end earlier.
  Seconds call_overhead{}, host_time{}, host_time_per_channel{};
};
enum class Direction { Dispatch, Combine };
// Expert dispatch or combine of the scenario's model by its stack.
struct ExchangeProbe {
  Direction direction = Direction::Dispatch;
  int tokens = 0; // of each rank
  int ranks = 0;  // that share the experts
};

// A dense layer of the scenario's model by its stack on neighbouring GPUs, as in a running step.
// Backward: with recomputation.
struct LayerProbe {
  int sequences = 1, sequence_length = 0, tensor = 1;
  bool sequence_parallel = false;
  Pass pass = Pass::Forward;
};

// Exactly one of them is given.
struct ProbeSpec {
  std::string name;
  std::optional<MatrixMultiplyProbe> matrix_multiply;
  std::optional<AttentionProbe> attention;
  std::optional<LatentAttentionProbe> latent_attention;
  std::optional<MemoryProbe> memory;
  std::optional<CollectiveProbe> collective;
  std::optional<ExchangeProbe> exchange;
  std::optional<LayerProbe> layer;
};

template <class V> void fields(V& v, MatrixMultiplyProbe& s) {
  v("groups", s.groups, at_least_one, "Independent products (grouped experts).");
  v("m", s.m, required(at_least_one), "Rows of the result, of each group.");
  v("n", s.n, required(at_least_one), "Columns of the result.");
  v("k", s.k, required(at_least_one), "Inner dimension.");
  v("precision", s.precision, anything, "Of the operands.");
}
template <class V> void fields(V& v, AttentionProbe& s) {
  v("implementation", s.implementation, anything,
    "Attention kernels by name, or unfused; absent: the accelerator's default.");
  v("sequences", s.sequences, at_least_one, "Sequences of the batch.");
  v("sequence_length", s.sequence_length, required(at_least_one), "Tokens of each.");
  v("heads", s.heads, required(at_least_one), "Heads; as many for keys and values.");
  v("head_dim", s.head_dim, at_least_one, "Dimension of a head.");
  v("causal", s.causal, anything, "Half of the scores is masked and not counted.");
  v("pass", s.pass, anything, "Backward counts 2.5 times the FLOPs of forward.");
}
template <class V> void fields(V& v, LatentAttentionProbe& s) {
  v("sequences", s.sequences, at_least_one, "Sequences of the batch.");
  v("queries", s.queries, at_least_one, "Query tokens of each.");
  v("keys", s.keys, required(at_least_one),
    "Cached tokens that each query reads; sparse attention: those chosen for it.");
  v("heads", s.heads, required(at_least_one), "Query heads.");
  v("latent_dim", s.latent_dim, at_least_one, "Elements of a latent vector.");
  v("rope_dim", s.rope_dim, at_least_one, "Elements of a rotary key, shared by the heads.");
}
template <class V> void fields(V& v, MemoryProbe& s) {
  v("kind", s.kind, anything, "What it does; each has a share of memory bandwidth of its own.");
  v("size", s.size, required(positive), "Bytes read and written together.");
}
template <class V> void fields(V& v, CollectiveProbe& s) {
  v("operation", s.operation, anything, "What is done.");
  v("size", s.size, required(positive),
    "As NCCL's tests count: the buffer of a rank; all-gather and reduce-scatter: the whole.");
  v("ranks", s.ranks, required(at_least_one), "Neighbouring GPUs that take part.");
  v("call_overhead", s.call_overhead, non_negative,
    "Host time in each measured call that is timed by itself, before its kernels begin.");
  v("host_time", s.host_time, non_negative, "Host time from then on: such a call ends no earlier.");
  v("host_time_per_channel", s.host_time_per_channel, non_negative,
    "Host time more for each channel of the library that takes part.");
}
template <class V> void fields(V& v, ExchangeProbe& s) {
  v("direction", s.direction, anything, "Dispatch to experts, or combine.");
  v("tokens", s.tokens, required(at_least_one), "Tokens of each rank.");
  v("ranks", s.ranks, required(at_least_one), "Ranks that share the model's experts.");
}
template <class V> void fields(V& v, LayerProbe& s) {
  v("sequences", s.sequences, at_least_one, "Sequences of the micro-batch.");
  v("sequence_length", s.sequence_length, required(at_least_one), "Tokens of each.");
  v("tensor", s.tensor, at_least_one, "Tensor-parallel degree: neighbouring GPUs.");
  v("sequence_parallel", s.sequence_parallel, anything, "Shard norms and residuals too.");
  v("pass", s.pass, anything, "Backward computes again what the stack recomputes.");
}
template <class V> void fields(V& v, ProbeSpec& s) {
  v("name", s.name, required(), "Name, unique in the scenario; quantities are addressed by it.");
  v("matrix_multiply", s.matrix_multiply, anything, "A matrix multiply.");
  v("attention", s.attention, anything, "Attention.");
  v("latent_attention", s.latent_attention, anything, "Absorbed latent attention (decoding).");
  v("memory", s.memory, anything, "A kernel bound by memory.");
  v("collective", s.collective, anything, "A collective on an idle fabric.");
  v("exchange", s.exchange, anything, "Expert dispatch or combine on an idle fabric.");
  v("layer", s.layer, anything, "A dense layer of the model, forward or backward.");
}

} // namespace sim::probe

namespace sim {
inline namespace base {
template <> struct EnumNames<probe::Pass> {
  static constexpr std::array names{std::pair{probe::Pass::Forward, std::string_view{"forward"}},
                                    std::pair{probe::Pass::Backward, std::string_view{"backward"}}};
};
template <> struct EnumNames<hardware::MemoryKind> {
  static constexpr std::array names{
      std::pair{hardware::MemoryKind::Elementwise, std::string_view{"elementwise"}},
      std::pair{hardware::MemoryKind::Norm, std::string_view{"norm"}},
      std::pair{hardware::MemoryKind::Cast, std::string_view{"cast"}},
      std::pair{hardware::MemoryKind::Transpose, std::string_view{"transpose"}},
      std::pair{hardware::MemoryKind::Permute, std::string_view{"permute"}},
      std::pair{hardware::MemoryKind::Optimizer, std::string_view{"optimizer"}}};
};
template <> struct EnumNames<probe::Operation> {
  static constexpr std::array names{
      std::pair{probe::Operation::AllReduce, std::string_view{"all-reduce"}},
      std::pair{probe::Operation::ReduceScatter, std::string_view{"reduce-scatter"}},
      std::pair{probe::Operation::AllGather, std::string_view{"all-gather"}},
      std::pair{probe::Operation::AllToAll, std::string_view{"all-to-all"}},
      std::pair{probe::Operation::Broadcast, std::string_view{"broadcast"}},
      std::pair{probe::Operation::SendReceive, std::string_view{"send-receive"}}};
};
template <> struct EnumNames<probe::Direction> {
  static constexpr std::array names{
      std::pair{probe::Direction::Dispatch, std::string_view{"dispatch"}},
      std::pair{probe::Direction::Combine, std::string_view{"combine"}}};
};
} // namespace base
} // namespace sim
