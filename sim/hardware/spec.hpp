// SPDX-License-Identifier: Apache-2.0
// What things are: kernels of a generation, accelerators, NICs, nodes, fabrics, clusters.
// Bandwidths are per direction.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/base/time.hpp"
#include "sim/hardware/collective_library.hpp"
#include "sim/hardware/fabric_parts.hpp"
#include "sim/hardware/node_parts.hpp"
#include "sim/hardware/product.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim::hardware {

enum class Precision { Fp32, Tf32, Bf16, Fp16, Fp8, Fp4 };

// Matrix-multiply kernels of one precision: eta = peak_fraction * K / (K + half_k), times tile and
// wave quantisation.
struct GemmKernelSpec {
  double peak_fraction = 0;
  double half_k = 0; // elements of K at which half of peak_fraction is reached
  int tile_m = 128, tile_n = 128;
  double weight_gradient_fraction = 1; // of peak_fraction, for K-grouped FP32 accumulation
  // The same with one scale per tensor, which need not be added up outside the tensor cores.
  std::optional<double> weight_gradient_fraction_per_tensor = std::nullopt;
  double half_tile_fraction = 0; // rate of a tile of half the area; 0: the library has one tile
  int most_splits = 1;           // parts into which the library cuts K when tiles are few
  bool either_major = true;      // operands may lie along K or across it; false: along K alone
  double grouped_fraction = 1;   // rate of multiplies of several experts relative to a single one
};

// One implementation of fused attention. While tensor cores run they reach a fraction of peak; part
// of the exponentials is not hidden beside them; each query tile waits for its first keys.
struct AttentionKernelSpec {
  double forward_fraction = 0, backward_fraction = 0;
  double half_length = 0;          // keys
  double exposed_exponentials = 1; // share of their time that nothing hides
  int query_tile = 128;
};

// Attention by name of the implementation, and decoding.
struct AttentionKernelsSpec {
  std::string standard; // what runs where a stack names none
  std::map<std::string, AttentionKernelSpec> implementations;
  double decode_bandwidth_fraction = 0.8; // of memory bandwidth, reading the KV cache
  double decode_compute_fraction = 0.6;   // of BF16 peak, absorbed latent attention
};

// Attention of two batched matrix multiplies with softmax between them; every chip has it.
inline constexpr std::string_view unfused_attention = "unfused";

// Memory-bound kernels: share of memory bandwidth by kind, times size / (size + half_size).
struct MemoryKernelSpec {
  double elementwise = 0, norm = 0, cast = 0, permute = 0, optimizer = 0, gemm = 0;
  Bytes half_size{};
  std::optional<double> transpose; // absent: as casts
};

// How the clock follows power: dynamic power goes with clock x voltage^2, and voltage with the
// clock down to a floor.
struct PowerCurveSpec {
  double voltage_floor = 0; // least voltage over that at the rated power
};

// What the kernels of one chip generation reach.
struct KernelSpec {
  std::map<Precision, GemmKernelSpec> gemm;
  AttentionKernelsSpec attention;
  MemoryKernelSpec memory;
  Seconds launch_gap{}; // between back-to-back kernels on a stream
  double sustained_fraction =
      1; // what power, clocks and caches leave of a lone kernel's rate, in a running step
  std::optional<PowerCurveSpec> power_curve; // absent: not known
};

struct AcceleratorSpec {
  std::string title;
  std::map<Precision, FlopsPerSecond> peak;                // dense
  std::map<IntegerPrecision, FlopsPerSecond> integer_peak; // the same, operations as FLOPs
  FlopsPerSecond special_function_peak{};                  // exponentials; 0: not known
  Bytes memory{};
  BytesPerSecond memory_bandwidth{};
  int streaming_multiprocessors = 0;   // 0: not known
  BytesPerSecond scale_up_bandwidth{}; // to the scale-up switch, raw; 0: there is no such link
  double scale_up_efficiency = 0;      // share that collectives can use; 0: not known
  BytesPerSecond host_bandwidth{};     // PCIe or C2C
  Watts power{}, idle_power{};
  std::optional<Watts> power_limit; // set below power; absent: power
  Date launched;
  std::optional<ProductSpec> product;
  Named<KernelSpec> kernels; // no gemm: nobody measured them
  // Absent: plain messages at the rates of links, and the faster of the algorithms.
  std::optional<Named<CollectiveLibrarySpec>> collectives;
};

struct NodeSpec {
  Named<AcceleratorSpec> accelerator;
  int accelerators = 0;
  int nics = 0; // for training traffic
  NicSpec nic;
  ScaleUpWiring scale_up = ScaleUpWiring::Switch;
  int scale_up_switches = 1;    // each takes an equal share of every GPU's scale-up links
  std::optional<PcieSpec> pcie; // absent: it never limits a NIC
  std::optional<HostSpec> host; // absent: not known
  StorageSpec storage;
  bool in_switch_reduction = false; // the scale-up switch adds and multicasts (NVLink SHARP)
  Watts power{};                    // the whole node at full load
  Watts idle_power{};               // the whole node, no kernel running
};

// Of a GPU's link to the others of its node: of the accelerator's own links, or of its PCIe port.
// Requires pcie where scale_up is Pcie.
inline BytesPerSecond usable_scale_up(const NodeSpec& node) {
  const AcceleratorSpec& gpu = node.accelerator.spec;
  return node.scale_up == ScaleUpWiring::Pcie ? gpu.host_bandwidth * node.pcie->efficiency
                                              : gpu.scale_up_bandwidth * gpu.scale_up_efficiency;
}

// Of a GPU to the memory of its host, per direction: PCIe as far as large transfers see it.
inline BytesPerSecond usable_host_bandwidth(const NodeSpec& node) {
  const AcceleratorSpec& gpu = node.accelerator.spec;
  const bool link_of_its_own = gpu.product && gpu.product->pcie_bandwidth; // C2C
  return gpu.host_bandwidth * (node.pcie && !link_of_its_own ? node.pcie->efficiency : 1.0);
}

enum class FabricBuilder {
  RailOptimized,
  FatTree,
  MultiPlane,
  RailOnly,
  Dragonfly,
  DragonflyPlus,
  FullMesh,
  SlimFly,
  Torus,
  Graph
};
enum class RoutingPolicy { Adaptive, Static, Ecmp };

struct FabricSpec {
  FabricBuilder builder = FabricBuilder::RailOptimized;
  int tiers = 2;        // switch tiers: 1 = leaf, 2 = leaf and spine, 3 = leaf, spine and core
  int switch_ports = 0; // at link_bandwidth
  int spine_ports = 0;  // of spines and cores, where these are larger chassis; 0: switch_ports
  BytesPerSecond link_bandwidth{};
  int rails = 0;                    // rail-optimized; 0: one for each NIC of a node
  int pod_nodes = 0;                // three tiers: nodes under one set of spines
  double leaf_oversubscription = 1; // down : up
  double spine_oversubscription = 1;
  RoutingPolicy routing = RoutingPolicy::Adaptive;
  int queue_pairs = 4;               // ecmp: of one flow, each with a path of its own
  std::int64_t hash_seed = 1;        // ecmp
  bool in_network_reduction = false; // switches add and multicast (SHARP)
  double efficiency = 1;             // share of line rate that large collectives see
  Seconds scale_up_latency{};        // one small message inside a node
  Seconds leaf_latency{};            // one small message under one leaf
  Seconds tier_latency{};            // more for each switch tier above the leaf
  Watts switch_power{};
  std::optional<Dollars> switch_price, cable_price, nic_price; // absent: not known
  // Dragonflies, full mesh, Slim Fly.
  int switch_endpoints = 0;    // NICs on a leaf; 0: what balances the wiring
  int group_switches = 0;      // leaves of a group; 0: balanced
  int global_ports = 0;        // of a switch to other groups; 0: balanced
  int groups = 0;              // 0: as many as seat the nodes
  int order = 0;               // Slim Fly: q of 2 q^2 switches; 0: the least that seats the nodes
  std::vector<int> dimensions; // torus: routers along each
  std::optional<GraphSpec> graph;
  std::optional<SitesSpec> sites;
};

struct SlowGpuSpec {
  int gpu = 0;      // rank
  double speed = 1; // of its kernels, relative to a healthy GPU
};

// Nodes of a pool that are not there before a day.
struct DeliverySpec {
  Date date;
  int nodes = 0;
};

struct PoolSpec {
  Named<NodeSpec> node;
  int nodes = 0; // in the end
  Named<FabricSpec> fabric;
  Date acquired;
  std::vector<DeliverySpec> deliveries; // the rest is there from the start
  std::vector<SlowGpuSpec> slow_gpus;
  std::vector<WeakLinkSpec> weak_links;
  std::vector<WeakSwitchSpec> weak_switches;
};

// The flat form (node, nodes, fabric beside one another) is one pool called "main".
struct ClusterSpec {
  PoolSpec main;
  std::map<std::string, PoolSpec> pools;
};

template <class V> void fields(V& v, GemmKernelSpec& s) {
  v("peak_fraction", s.peak_fraction, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Share of dense peak for large K and full waves.");
  v("half_k", s.half_k, non_negative,
    "K (elements) at which half of peak_fraction is reached: pipeline fill and epilogue.");
  v("tile_m", s.tile_m, at_least_one, "Rows of one output tile.");
  v("tile_n", s.tile_n, at_least_one, "Columns of one output tile.");
  v("weight_gradient_fraction", s.weight_gradient_fraction, positive,
    "Weight-gradient rate relative to the forward kernel (FP32 accumulation).");
  v("weight_gradient_fraction_per_tensor", s.weight_gradient_fraction_per_tensor, positive,
    "The same with one scale per tensor; absent: no other.");
  v("half_tile_fraction", s.half_tile_fraction, fraction,
    "Rate of a tile of half the area relative to the whole one; 0: the library has one tile.");
  v("most_splits", s.most_splits, at_least_one,
    "Parts into which the library cuts K when there are fewer tiles than multiprocessors.");
  v("either_major", s.either_major, anything,
    "Operands may lie along K or across it; false: along K alone, so that weight gradients need "
    "transposed copies.");
  v("grouped_fraction", s.grouped_fraction, Rule{.low = 0, .high = 1, .low_open = true},
    "Rate of multiplies of several experts relative to a single one, apart from their tiles.");
}
template <class V> void fields(V& v, AttentionKernelSpec& s) {
  v("forward_fraction", s.forward_fraction, required(positive),
    "Share of BF16 peak that the products reach while they run, forward.");
  v("backward_fraction", s.backward_fraction, non_negative, "The same, backward; 0: not known.");
  v("half_length", s.half_length, non_negative,
    "What a query tile waits for its first keys and for its result, in keys.");
  v("exposed_exponentials", s.exposed_exponentials, fraction,
    "Share of the softmax's exponentials that the products do not hide.");
  v("query_tile", s.query_tile, at_least_one,
    "Rows of one query tile: causal masks waste half a tile on the diagonal.");
}
template <class V> void fields(V& v, AttentionKernelsSpec& s) {
  v("default", s.standard, required(), "Implementation that runs where the stack names none.");
  v("implementations", s.implementations, required(), "Fused attention by name.");
  v("decode_bandwidth_fraction", s.decode_bandwidth_fraction, positive,
    "Share of memory bandwidth when decoding reads the KV cache.");
  v("decode_compute_fraction", s.decode_compute_fraction, positive,
    "Share of BF16 peak when decoding with absorbed latent attention.");
}
template <class V> void fields(V& v, MemoryKernelSpec& s) {
  v("elementwise", s.elementwise, required(positive),
    "Share of memory bandwidth: activations, residual adds.");
  v("norm", s.norm, required(positive), "Share of memory bandwidth: normalisation, softmax, loss.");
  v("cast", s.cast, required(positive), "Share of memory bandwidth: precision casts.");
  v("transpose", s.transpose, positive,
    "Share of memory bandwidth: casts that also transpose; absent: as cast.");
  v("permute", s.permute, required(positive),
    "Share of memory bandwidth: token permutation, rotary embedding.");
  v("optimizer", s.optimizer, required(positive), "Share of memory bandwidth: optimizer step.");
  v("gemm", s.gemm, required(positive),
    "Share of memory bandwidth that a weight-bound matrix multiply reaches.");
  v("half_size", s.half_size, non_negative, "Bytes moved at which half of the share is reached.");
}
template <class V> void fields(V& v, PowerCurveSpec& s) {
  v("voltage_floor", s.voltage_floor, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Least voltage over that at the rated power: down to it power above idle falls with the cube "
    "of "
    "the clock, below it with the clock alone.");
}
template <class V> void fields(V& v, KernelSpec& s) {
  v("gemm", s.gemm, required(), "Matrix-multiply kernels by precision.");
  v("attention", s.attention, required(), "Attention kernels.");
  v("memory", s.memory, required(), "Memory-bound kernels.");
  v("launch_gap", s.launch_gap, non_negative, "Gap between back-to-back kernels on one stream.");
  v("sustained_fraction", s.sustained_fraction, Rule{.low = 0, .high = 1, .low_open = true},
    "Rate of a kernel inside a running step relative to the same kernel alone (power, clocks, "
    "caches).");
  v("power_curve", s.power_curve, anything,
    "How the clock follows power; absent: not known, and power_limit needs it.");
}
template <class V> void fields(V& v, AcceleratorSpec& s) {
  v("title", s.title, required(), "Vendor's name.");
  v("peak", s.peak, required(positive), "Dense peak rate by precision, without sparsity.");
  v("integer_peak", s.integer_peak, positive,
    "Dense integer rates, an operation as a FLOP; export rules count them.");
  v("special_function_peak", s.special_function_peak, non_negative,
    "Exponentials a second, each one FLOP: 16 per clock and streaming multiprocessor on NVIDIA's "
    "chips; 0: not known, and what simulates attention needs it.");
  v("memory", s.memory, required(positive), "Device memory.");
  v("memory_bandwidth", s.memory_bandwidth, required(positive), "Device memory bandwidth.");
  v("streaming_multiprocessors", s.streaming_multiprocessors, non_negative,
    "Streaming multiprocessors; 0: not known, and what simulates kernels needs it.");
  v("scale_up_bandwidth", s.scale_up_bandwidth, required(non_negative),
    "Links to the scale-up domain, per direction, raw; 0: there are none.");
  v("scale_up_efficiency", s.scale_up_efficiency, fraction,
    "Share of scale_up_bandwidth that collectives can use; 0: not known, and what simulates a node "
    "needs it.");
  v("host_bandwidth", s.host_bandwidth, required(positive), "To host memory, per direction.");
  v("power", s.power, non_negative, "Thermal design power; 0: not known.");
  v("idle_power", s.idle_power, non_negative, "Power without work.");
  v("power_limit", s.power_limit, positive,
    "Limit that is set below power, as by nvidia-smi -pl: clocks of the multiprocessors fall, "
    "those "
    "of memory and links do not; absent: power.");
  v("launched", s.launched, anything, "Day of launch.");
  v("product", s.product, anything, "What it is to buyers and export rules.");
  v("kernels", s.kernels, anything,
    "What the kernels of this generation reach; absent: nobody measured them, and no step can be "
    "simulated.");
  v("collectives", s.collectives, anything,
    "Library of collectives on this generation; absent: plain messages at the rates of links.");
}
template <class V> void fields(V& v, NodeSpec& s) {
  v("accelerator", s.accelerator, required(), "Accelerator of the node.");
  v("accelerators", s.accelerators, required(at_least_one),
    "Accelerators per node: one scale-up domain.");
  v("nics", s.nics, required(at_least_one), "NICs per node for training traffic.");
  v("nic", s.nic, required(), "The NIC.");
  v("scale_up", s.scale_up, anything,
    "How the GPUs of a node are joined: switch, by links of their own; pcie, by the port of "
    "host_bandwidth that leads to the NICs too (and pcie must be given).");
  v("scale_up_switches", s.scale_up_switches, at_least_one,
    "Switches that share the scale-up links of every GPU evenly (NVSwitches).");
  v("pcie", s.pcie, anything, "PCIe between GPUs and NICs; absent: it never limits a NIC.");
  v("host", s.host, anything, "Memory of the host, for what is kept there; absent: not known.");
  v("storage", s.storage, anything, "How checkpoints travel.");
  v("in_switch_reduction", s.in_switch_reduction, anything,
    "The scale-up switch adds and multicasts (NVLink SHARP).");
  v("power", s.power, required(positive), "Whole node at full load.");
  v("idle_power", s.idle_power, required(positive), "Whole node without work.");
}
template <class V> void fields(V& v, FabricSpec& s) {
  v("builder", s.builder, required(), "How the switches are wired.");
  v("tiers", s.tiers, Rule{.low = 1, .high = 3},
    "Switch tiers of rail-optimized, fat-tree, multi-plane and rail-only.");
  v("switch_ports", s.switch_ports, at_least_one,
    "Ports per switch; torus and graph do without it.");
  v("spine_ports", s.spine_ports, non_negative,
    "Ports per spine and core switch; absent: as switch_ports.");
  v("link_bandwidth", s.link_bandwidth, required(positive), "Per link and direction.");
  v("rails", s.rails, non_negative,
    "Rail-optimized: leaves that the NICs of a node take in turn; 0: one for each NIC.");
  v("pod_nodes", s.pod_nodes, non_negative, "Three tiers: nodes in one pod.");
  v("leaf_oversubscription", s.leaf_oversubscription, at_least_one,
    "Downlink over uplink capacity of a leaf.");
  v("spine_oversubscription", s.spine_oversubscription, at_least_one,
    "Downlink over uplink capacity of a pod.");
  v("routing", s.routing, anything, "How flows choose among equal paths.");
  v("queue_pairs", s.queue_pairs, Rule{.low = 1, .high = 128},
    "Routing ecmp: queue pairs of one flow, each with an equal share and a path of its own.");
  v("hash_seed", s.hash_seed, non_negative, "Routing ecmp: seed of the hash that chooses paths.");
  v("in_network_reduction", s.in_network_reduction, anything,
    "Switches add and multicast (SHARP).");
  v("efficiency", s.efficiency, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Share of line rate that large collectives see.");
  v("scale_up_latency", s.scale_up_latency, required(non_negative), "Small message inside a node.");
  v("leaf_latency", s.leaf_latency, required(non_negative),
    "Small message between nodes under one leaf.");
  v("tier_latency", s.tier_latency, required(non_negative), "Added for each tier above the leaf.");
  v("switch_power", s.switch_power, non_negative, "Per switch.");
  v("switch_price", s.switch_price, positive, "Of a switch with its optics.");
  v("cable_price", s.cable_price, positive, "Of a link between two switches.");
  v("nic_price", s.nic_price, positive, "Of a NIC.");
  v("switch_endpoints", s.switch_endpoints, non_negative,
    "Dragonfly, full mesh, Slim Fly: NICs on a leaf; 0: what balances the wiring.");
  v("group_switches", s.group_switches, non_negative,
    "Dragonfly: leaves of a group; 0: what balances the wiring.");
  v("global_ports", s.global_ports, non_negative,
    "Dragonfly: ports of a switch to other groups; 0: what balances the wiring.");
  v("groups", s.groups, non_negative, "Dragonfly: groups; 0: the fewest that seat the nodes.");
  v("order", s.order, non_negative,
    "Slim Fly: the odd prime q of 2 q^2 switches; 0: the least that seats the nodes.");
  v("dimensions", s.dimensions, at_least_one,
    "Torus: routers along each dimension, the first counted fastest; NICs of a node on one "
    "router.");
  v("graph", s.graph, anything, "Builder graph: switches and links one by one.");
  v("sites", s.sites, anything, "Several data centres with this fabric in each.");
}
template <class V> void fields(V& v, SlowGpuSpec& s) {
  v("gpu", s.gpu, required(non_negative), "Rank of the GPU, counted from 0.");
  v("speed", s.speed, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Speed of its kernels relative to a healthy GPU.");
}
template <class V> void fields(V& v, DeliverySpec& s) {
  v("date", s.date, required(), "Day from which on they are there.");
  v("nodes", s.nodes, required(at_least_one), "Nodes that come.");
}
template <class V> void fields(V& v, PoolSpec& s) {
  v("node", s.node, required(), "Node type.");
  v("nodes", s.nodes, required(at_least_one), "Number of nodes, deliveries among them.");
  v("fabric", s.fabric, required(), "Scale-out network.");
  v("acquired", s.acquired, anything, "Day on which the nodes were bought.");
  v("deliveries", s.deliveries, anything,
    "Nodes that come while the run goes on; the others are there from calendar.start.");
  v("slow_gpus", s.slow_gpus, anything, "GPUs that are slower than they should be.");
  v("weak_links", s.weak_links, anything, "Links that are weaker than they should be, or broken.");
  v("weak_switches", s.weak_switches, anything,
    "Switches that are slower than they should be, or broken.");
}
template <class V> void fields(V& v, ClusterSpec& s) {
  // The flat form's keys stand directly under `cluster`; they are required unless `pools` is given.
  v("node", s.main.node, anything, "Node type.");
  v("nodes", s.main.nodes, non_negative, "Number of nodes, deliveries among them.");
  v("fabric", s.main.fabric, anything, "Scale-out network.");
  v("acquired", s.main.acquired, anything, "Day on which the nodes were bought.");
  v("deliveries", s.main.deliveries, anything,
    "Nodes that come while the run goes on; the others are there from calendar.start.");
  v("slow_gpus", s.main.slow_gpus, anything, "GPUs that are slower than they should be.");
  v("weak_links", s.main.weak_links, anything,
    "Links that are weaker than they should be, or broken.");
  v("weak_switches", s.main.weak_switches, anything,
    "Switches that are slower than they should be, or broken.");
  v("pools", s.pools, anything, "Several pools by name, instead of one.");
}

} // namespace sim::hardware

namespace sim {
inline namespace base {
template <> struct EnumNames<hardware::Precision> {
  static constexpr std::array names{std::pair{hardware::Precision::Fp32, std::string_view{"fp32"}},
                                    std::pair{hardware::Precision::Tf32, std::string_view{"tf32"}},
                                    std::pair{hardware::Precision::Bf16, std::string_view{"bf16"}},
                                    std::pair{hardware::Precision::Fp16, std::string_view{"fp16"}},
                                    std::pair{hardware::Precision::Fp8, std::string_view{"fp8"}},
                                    std::pair{hardware::Precision::Fp4, std::string_view{"fp4"}}};
};
template <> struct EnumNames<hardware::FabricBuilder> {
  static constexpr std::array names{
      std::pair{hardware::FabricBuilder::RailOptimized, std::string_view{"rail-optimized"}},
      std::pair{hardware::FabricBuilder::FatTree, std::string_view{"fat-tree"}},
      std::pair{hardware::FabricBuilder::MultiPlane, std::string_view{"multi-plane"}},
      std::pair{hardware::FabricBuilder::RailOnly, std::string_view{"rail-only"}},
      std::pair{hardware::FabricBuilder::Dragonfly, std::string_view{"dragonfly"}},
      std::pair{hardware::FabricBuilder::DragonflyPlus, std::string_view{"dragonfly-plus"}},
      std::pair{hardware::FabricBuilder::FullMesh, std::string_view{"full-mesh"}},
      std::pair{hardware::FabricBuilder::SlimFly, std::string_view{"slim-fly"}},
      std::pair{hardware::FabricBuilder::Torus, std::string_view{"torus"}},
      std::pair{hardware::FabricBuilder::Graph, std::string_view{"graph"}}};
};
template <> struct EnumNames<hardware::RoutingPolicy> {
  static constexpr std::array names{
      std::pair{hardware::RoutingPolicy::Adaptive, std::string_view{"adaptive"}},
      std::pair{hardware::RoutingPolicy::Static, std::string_view{"static"}},
      std::pair{hardware::RoutingPolicy::Ecmp, std::string_view{"ecmp"}}};
};
template <> inline constexpr std::string_view catalogue_kind<hardware::KernelSpec> = "kernels";
template <>
inline constexpr std::string_view catalogue_kind<hardware::AcceleratorSpec> = "accelerators";
template <> inline constexpr std::string_view catalogue_kind<hardware::NodeSpec> = "nodes";
template <> inline constexpr std::string_view catalogue_kind<hardware::FabricSpec> = "fabrics";
} // namespace base
} // namespace sim
