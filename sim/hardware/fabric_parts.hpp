// SPDX-License-Identifier: Apache-2.0
// The parts of a fabric that have tables of their own: tiers, a graph written out, sites, what is
// weak. Bandwidths are per direction.
#pragma once

#include "sim/base/fields.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::hardware {

// From the inside out; a link's kind is the tier it belongs to.
enum class LinkKind : std::uint8_t {
  ScaleUp, // a GPU's port of the scale-up domain: NVLink to the NVSwitches, or PCIe
  Pcie,    // a PCIe link that all NICs below it share on their way to the GPUs
  Nic,
  LeafUplink,
  SpineUplink,
  Local,   // between switches of one tier and group: full mesh, torus, Slim Fly, dragonfly group
  Global,  // between groups of a dragonfly
  WideArea // between sites, and from a site's uppermost switches to its border
};
enum class SwitchTier : std::uint8_t { Leaf, Spine, Core, Border, ScaleUp };

// A vertex of a graph: a switch, and the NICs on it. NICs go to vertices in the order written: the
// next ones of all nodes, or, with a rail, NIC `rail` of the next nodes.
struct GraphVertexSpec {
  std::string name;
  SwitchTier kind = SwitchTier::Leaf;
  int ports = 0; // of NICs and cables together
  int nics = 0;
  std::optional<int> rail = std::nullopt;
};

struct GraphLinkSpec {
  std::string from, to;
  std::optional<BytesPerSecond> bandwidth =
      std::nullopt; // of one cable; absent: the fabric's link_bandwidth
  std::optional<Seconds> latency = std::nullopt; // absent: half of the fabric's tier_latency
  int cables = 1;
  int metric = 1; // routes take the least sum of metrics
};

struct GraphSpec {
  std::vector<GraphVertexSpec> vertices;
  std::vector<GraphLinkSpec> links;
};

// Data centres with a fabric each, every two joined by one link between their borders.
struct SitesSpec {
  int count = 2;
  BytesPerSecond bandwidth{}; // of a link between two sites
  Seconds latency{};          // of that link, one way
};

// Both directions of a link, all parallel cables of it, or all uplinks of a switch.
struct WeakLinkSpec {
  LinkKind tier = LinkKind::Nic;
  int device = 0; // GPU, PCIe link or NIC (node x number of a node + i), leaf or spine: lower end
  std::optional<int> to = std::nullopt; // spine within the pod, or core of the set; absent: all
  double capacity = 1;                  // relative to the healthy link; 0: broken
};

// All links of a switch; of a scale-up switch (node x scale_up_switches + i), its share of the
// links of its node's GPUs.
struct WeakSwitchSpec {
  SwitchTier tier = SwitchTier::Leaf;
  int device = 0;
  double capacity = 1; // relative to healthy links; 0: broken
};

template <class V> void fields(V& v, GraphVertexSpec& s) {
  v("name", s.name, required(), "What links call it.");
  v("kind", s.kind, anything, "Tier of the switch.");
  v("ports", s.ports, required(at_least_one), "Ports for NICs and cables together.");
  v("nics", s.nics, non_negative,
    "NICs on it. Vertices take them in the order written: the next of all nodes.");
  v("rail", s.rail, non_negative, "It takes NIC `rail` of the next `nics` nodes instead.");
}
template <class V> void fields(V& v, GraphLinkSpec& s) {
  v("from", s.from, required(), "Name of a vertex.");
  v("to", s.to, required(), "Name of another vertex.");
  v("bandwidth", s.bandwidth, positive,
    "Per cable and direction; absent: the fabric's link_bandwidth.");
  v("latency", s.latency, non_negative,
    "Of the link and the switch behind it, one way; absent: half of tier_latency.");
  v("cables", s.cables, at_least_one, "Parallel cables.");
  v("metric", s.metric, Rule{.low = 1, .high = 10000},
    "Flows take the paths with the least sum of metrics.");
}
template <class V> void fields(V& v, GraphSpec& s) {
  v("vertices", s.vertices, required(), "Switches.");
  v("links", s.links, anything, "Links between switches.");
}
template <class V> void fields(V& v, SitesSpec& s) {
  v("count", s.count, Rule{.low = 2, .high = 64},
    "Data centres; nodes are dealt to them in order, in equal parts.");
  v("bandwidth", s.bandwidth, required(positive), "Between each two sites, per direction.");
  v("latency", s.latency, required(non_negative), "Between two sites, one way.");
}
template <class V> void fields(V& v, WeakLinkSpec& s) {
  v("tier", s.tier, required(), "Which links.");
  v("device", s.device, required(non_negative),
    "Lower end: GPU, PCIe link or NIC (node x their number in a node + i), leaf or spine, counted "
    "from 0.");
  v("to", s.to, non_negative,
    "Upper end of an uplink: spine of the leaf's pod, or core of the spine's set; absent: all.");
  v("capacity", s.capacity, required(fraction),
    "Capacity relative to the healthy link, both directions; 0: broken.");
}
template <class V> void fields(V& v, WeakSwitchSpec& s) {
  v("tier", s.tier, required(), "Which switches.");
  v("device", s.device, required(non_negative),
    "Number in its tier, counted from 0; scale-up: node x scale_up_switches + i.");
  v("capacity", s.capacity, required(fraction),
    "Capacity of its links relative to healthy ones; 0: broken.");
}

} // namespace sim::hardware

namespace sim {
inline namespace base {
template <> struct EnumNames<hardware::LinkKind> {
  static constexpr std::array names{
      std::pair{hardware::LinkKind::ScaleUp, std::string_view{"scale-up"}},
      std::pair{hardware::LinkKind::Pcie, std::string_view{"pcie"}},
      std::pair{hardware::LinkKind::Nic, std::string_view{"nic"}},
      std::pair{hardware::LinkKind::LeafUplink, std::string_view{"leaf-uplink"}},
      std::pair{hardware::LinkKind::SpineUplink, std::string_view{"spine-uplink"}},
      std::pair{hardware::LinkKind::Local, std::string_view{"local"}},
      std::pair{hardware::LinkKind::Global, std::string_view{"global"}},
      std::pair{hardware::LinkKind::WideArea, std::string_view{"wide-area"}}};
};
template <> struct EnumNames<hardware::SwitchTier> {
  static constexpr std::array names{
      std::pair{hardware::SwitchTier::Leaf, std::string_view{"leaf"}},
      std::pair{hardware::SwitchTier::Spine, std::string_view{"spine"}},
      std::pair{hardware::SwitchTier::Core, std::string_view{"core"}},
      std::pair{hardware::SwitchTier::Border, std::string_view{"border"}},
      std::pair{hardware::SwitchTier::ScaleUp, std::string_view{"scale-up"}}};
};
} // namespace base
} // namespace sim
