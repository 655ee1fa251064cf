// SPDX-License-Identifier: Apache-2.0
#include "sim/network/ring_count.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <optional>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;
using hardware::RoutingPolicy;

namespace {

// A fabric that does not say that it repeats itself: its rings are walked.
class Walked final : public topology::Fabric {
public:
  explicit Walked(const topology::Fabric& fabric) : fabric_(fabric) {}
  [[nodiscard]] int gpus() const override { return fabric_.gpus(); }
  [[nodiscard]] int gpus_per_node() const override { return fabric_.gpus_per_node(); }
  [[nodiscard]] std::span<const topology::Link> links() const override { return fabric_.links(); }
  void route(int a, int b, std::vector<topology::RouteStep>& out) const override {
    fabric_.route(a, b, out);
  }
  void add_loads(std::span<const topology::Transfer> transfers,
                 std::span<double> load) const override {
    fabric_.add_loads(transfers, load);
  }
  [[nodiscard]] Seconds latency(int a, int b) const override { return fabric_.latency(a, b); }
  [[nodiscard]] topology::Counts counts() const override { return fabric_.counts(); }
  [[nodiscard]] double efficiency() const override { return fabric_.efficiency(); }
  [[nodiscard]] std::uint32_t nic_vertex(int gpu) const override { return fabric_.nic_vertex(gpu); }
  [[nodiscard]] int shortest_hops(int a, int b) const override {
    return fabric_.shortest_hops(a, b);
  }
  [[nodiscard]] std::vector<topology::FreeEdge> free_edges() const override {
    return fabric_.free_edges();
  }

  [[nodiscard]] std::span<const topology::Trunk> trunks() const override {
    return fabric_.trunks();
  }
  [[nodiscard]] std::uint32_t trunk_of(topology::LinkId link) const override {
    return fabric_.trunk_of(link);
  }
  void trunk_route(int a, int b, std::vector<topology::TrunkStep>& out) const override {
    fabric_.trunk_route(a, b, out);
  }

private:
  const topology::Fabric& fabric_;
};

double flows(const Footprint& footprint, topology::LinkKind kind) {
  return footprint.flows[static_cast<std::size_t>(kind)];
}

template <std::size_t n> int one_of(const int (&values)[n], RandomStream& random) {
  return values[random.below(n)];
}

// Last leaves and pods that are not full, pods that end within a leaf, fewer NICs than GPUs.
std::unique_ptr<topology::Fabric> random_fabric(RandomStream& random) {
  constexpr FabricBuilder builders[] = {FabricBuilder::RailOptimized, FabricBuilder::FatTree,
                                        FabricBuilder::MultiPlane};
  constexpr int node_sizes[] = {1, 2, 3, 4, 6, 8}, ports[] = {4, 8, 12, 16, 32, 64};
  for (;;) {
    auto pool = test::pool(builders[random.below(3)], 1 + static_cast<int>(random.below(96)),
                           2 + static_cast<int>(random.below(2)), one_of(ports, random));
    pool.node.spec.accelerators = one_of(node_sizes, random);
    pool.node.spec.nics =
        1 + static_cast<int>(random.below(static_cast<std::uint64_t>(pool.node.spec.accelerators)));
    pool.fabric.spec.leaf_oversubscription = 1 + static_cast<double>(random.below(3));
    pool.fabric.spec.spine_oversubscription = 1 + static_cast<double>(random.below(3));
    pool.fabric.spec.pod_nodes = static_cast<int>(random.below(24));
    if (random.below(8) == 0)
      pool.fabric.spec.routing = RoutingPolicy::Static;
    if (random.below(4) == 0) // leaves that take several NICs of a node
      pool.fabric.spec.rails = 1 + static_cast<int>(random.below(4));
    try {
      return topology::build(pool);
    } catch (const InfeasibleError&) { // too many nodes for the ports
    }
  }
}

} // namespace

TEST_CASE("rings counted by position are those that are walked, to the bit") {
  RandomStream random(5, "rings");
  int counted = 0, climbing = 0, over_cores = 0, left_to_the_walk = 0;
  for (int i = 0; i < 1500; ++i) {
    const auto fabric = random_fabric(random);
    const Walked same(*fabric);
    Lowering lowering(*fabric), walking(same);
    CHECK(lowering.capacities().per_link == walking.capacities().per_link);
    for (int stride = 1; stride < fabric->gpus(); ++stride) {
      if (fabric->gpus() % stride != 0 || random.below(3) == 0)
        continue;
      for (int size = 2; size * stride <= fabric->gpus(); ++size) {
        if (fabric->gpus() % (size * stride) != 0)
          continue;
        const auto by_position = count_rings_by_position(*fabric, {size, stride});
        const Footprint walked = walking.footprint(Pattern::Ring, {size, stride});
        const Footprint found = by_position.value_or(walked);
        INFO("fabric " << i << ", " << fabric->gpus() << " GPUs, " << fabric->gpus_per_node()
                       << " a node, groups of " << size << ", " << stride << " apart");
        REQUIRE(found.flows == walked.flows);
        REQUIRE(found.latency == walked.latency);
        REQUIRE(found.channels == walked.channels);
        counted += static_cast<int>(by_position.has_value());
        climbing +=
            static_cast<int>(by_position && flows(walked, topology::LinkKind::LeafUplink) > 0);
        over_cores +=
            static_cast<int>(by_position && flows(walked, topology::LinkKind::SpineUplink) > 0);
        left_to_the_walk += static_cast<int>(!by_position);
      }
    }
  }
  CHECK(counted > 5000);
  CHECK(climbing > 1000);
  CHECK(over_cores > 300);
  CHECK(left_to_the_walk > 300);
}

TEST_CASE("a ring over 131,072 GPUs by hand") {
  // Switches of 128 ports: 16,384 nodes of 8 GPUs, 8 nodes a leaf, 64 leaves and 64 spines a pod:
  // 2,048 leaves, 32 pods; 4 cables from each spine to each of 16 cores. Each of the 8 rings leaves
  // every leaf and every pod once, and in a node each GPU sends in 7 of them.
  const auto fabric = topology::build(test::pool(FabricBuilder::FatTree, 16384, 3, 128));
  const auto counted = count_rings_by_position(*fabric, {131072, 1});
  REQUIRE(counted.has_value());
  CHECK(counted->channels == 8);
  CHECK(flows(*counted, topology::LinkKind::ScaleUp) == 7);
  CHECK(flows(*counted, topology::LinkKind::Nic) == 1);
  CHECK(flows(*counted, topology::LinkKind::LeafUplink) == 8 / 64.0);
  CHECK(flows(*counted, topology::LinkKind::SpineUplink) == 8 / (64.0 * 16));
  // 2.8 us below a leaf, one of them left out, 3.7 over a spine, 4.6 over a core.
  const double expected = 7 * 16384 * 3.3 + (16384 - 2048 - 1) * 2.8 + (2048 - 32) * 3.7 + 32 * 4.6;
  CHECK(counted->latency / microsecond == Approx(expected).epsilon(1e-12));
}

TEST_CASE("hops are summed alike in any order, the fastest left out") {
  HopTally tally, other;
  tally.add(3 * microsecond, 2);
  tally.add(1 * microsecond, 1);
  tally.add(3 * microsecond, 5);
  other.add(1 * microsecond, 1);
  other.add(3 * microsecond, 7);
  CHECK(tally.around_but_fastest() == other.around_but_fastest());
  CHECK(tally.around_but_fastest() / microsecond == Approx(21));
  tally.add(1 * microsecond, 2);
  CHECK(tally.around_but_fastest() / microsecond == Approx(23));
  tally.clear();
  CHECK_THROWS_AS(tally.around_but_fastest(), InternalError);
}
