// SPDX-License-Identifier: Apache-2.0
// The inside of a node: how its GPUs are joined, how they reach the NICs, and how storage is
// reached. Bandwidths are per direction.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sim::hardware {

struct NicSpec {
  BytesPerSecond bandwidth{};
};

enum class ScaleUpWiring : std::uint8_t {
  Switch, // links of their own (NVLink), through switches that never block
  Pcie    // the PCIe port that also leads to the NICs
};

// What lies between GPUs and NICs: equal PCIe links, each to one PCIe switch with NICs on it.
struct PcieSpec {
  BytesPerSecond bandwidth{}; // of a link
  double efficiency = 1;      // share that large transfers see
  int nics = 1;               // that share a link
};

// The node's own processors and memory, which its GPUs share evenly.
struct HostSpec {
  Bytes memory{};
  BytesPerSecond memory_bandwidth{}; // of all channels, raw
  double efficiency = 1;             // share of it that a stream of sums reaches
};

enum class StorageNetwork : std::uint8_t { Own, Shared };

struct StorageSpec {
  StorageNetwork network = StorageNetwork::Own;
  std::optional<BytesPerSecond> bandwidth = std::nullopt; // of a node; absent: it stops nobody
};

template <class V> void fields(V& v, NicSpec& s) {
  v("bandwidth", s.bandwidth, required(positive), "Per direction.");
}
template <class V> void fields(V& v, PcieSpec& s) {
  v("bandwidth", s.bandwidth, required(positive), "Of a link, per direction, raw.");
  v("efficiency", s.efficiency, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Share of it that large transfers see.");
  v("nics", s.nics, at_least_one, "NICs that share a link.");
}
template <class V> void fields(V& v, HostSpec& s) {
  v("memory", s.memory, required(positive), "Of the whole node.");
  v("memory_bandwidth", s.memory_bandwidth, required(positive),
    "Of the memory channels of the whole node together, raw.");
  v("efficiency", s.efficiency, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Share of memory_bandwidth that an optimizer's update reaches.");
}
template <class V> void fields(V& v, StorageSpec& s) {
  v("network", s.network, anything,
    "Storage has NICs of its own, or shares those of training: then checkpoints slow it.");
  v("bandwidth", s.bandwidth, positive,
    "Between a node and storage, per direction; absent: only the storage itself limits.");
}

} // namespace sim::hardware

namespace sim {
inline namespace base {
template <> struct EnumNames<hardware::ScaleUpWiring> {
  static constexpr std::array names{
      std::pair{hardware::ScaleUpWiring::Switch, std::string_view{"switch"}},
      std::pair{hardware::ScaleUpWiring::Pcie, std::string_view{"pcie"}}};
};
template <> struct EnumNames<hardware::StorageNetwork> {
  static constexpr std::array names{
      std::pair{hardware::StorageNetwork::Own, std::string_view{"own"}},
      std::pair{hardware::StorageNetwork::Shared, std::string_view{"shared"}}};
};
} // namespace base
} // namespace sim
