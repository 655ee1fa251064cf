// SPDX-License-Identifier: Apache-2.0
// The choice against NCCL's model evaluated by hand for two communicators.
#include "sim/network/tuning.hpp"

#include "tests/network/library.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::network;
using hardware::Protocol;

namespace {

constexpr double within = 0.01;
const BytesPerSecond gbps = gigabyte / second;

// 8 H100: rings of 24 channels of 15 GB/s, NVLS of 16 of 20.
const CommunicatorShape one_node{.ranks = 8,
                                 .nodes = 1,
                                 .channels = 24,
                                 .nvls_channels = 16,
                                 .intra = 15 * gbps,
                                 .nvls_intra = 20 * gbps,
                                 .inter = {},
                                 .nics = {},
                                 .nvls = true,
                                 .collnet = false};
const CommunicatorShape sixteen_nodes{.ranks = 128,
                                      .nodes = 16,
                                      .channels = 16,
                                      .nvls_channels = 16,
                                      .intra = 20 * gbps,
                                      .nvls_intra = 20 * gbps,
                                      .inter = 22 * gbps,
                                      .nics = 22 * gbps,
                                      .nvls = true,
                                      .collnet = false};

struct Expected {
  const CommunicatorShape& shape;
  Bytes size;
  Algorithm algorithm;
  Protocol protocol;
  double microseconds;
};

} // namespace

TEST_CASE("all-reduce on 8 and 128 H100: algorithm, protocol and time of NCCL's table") {
  const auto library = test::hopper_library();
  const Expected cases[]{{one_node, 65536 * byte, Algorithm::Ring, Protocol::LL, 15.8},
                         {one_node, 1 * mebibyte, Algorithm::Ring, Protocol::LL, 28.0},
                         {one_node, 16 * mebibyte, Algorithm::Nvls, Protocol::Simple, 82.6},
                         {one_node, gibibyte, Algorithm::Nvls, Protocol::Simple, 3710},
                         {sixteen_nodes, 65536 * byte, Algorithm::Tree, Protocol::LL, 65.9},
                         {sixteen_nodes, 1 * mebibyte, Algorithm::Tree, Protocol::LL128, 111},
                         {sixteen_nodes, 16 * mebibyte, Algorithm::Tree, Protocol::LL128, 222},
                         {sixteen_nodes, gibibyte, Algorithm::NvlsTree, Protocol::Simple, 6250}};
  for (const Expected& expected : cases) {
    INFO(expected.size.base() << " B on " << expected.shape.nodes << " nodes");
    const Choice choice = choose(library, CollectiveKind::AllReduce, expected.size, expected.shape);
    CHECK(choice.algorithm == expected.algorithm);
    CHECK(choice.protocol == expected.protocol);
    const auto time =
        tuned_time(library, choice, CollectiveKind::AllReduce, expected.size, expected.shape);
    REQUIRE(time.has_value());
    CHECK(*time / microsecond == Approx(expected.microseconds).epsilon(within));
  }
}

TEST_CASE("what was not chosen: NVLS at 1 MiB, the Simple ring at 1 GiB, its latency over nodes") {
  const auto library = test::hopper_library();
  const auto time = [&](Choice choice, Bytes size, const CommunicatorShape& shape) {
    return *tuned_time(library, choice, CollectiveKind::AllReduce, size, shape) / microsecond;
  };
  CHECK(time({Algorithm::Nvls, Protocol::Simple}, mebibyte, one_node) ==
        Approx(28.6).epsilon(within));
  CHECK(time({Algorithm::Ring, Protocol::Simple}, gibibyte, one_node) ==
        Approx(5280).epsilon(within));
  // 16 channels of 22 GB/s: 2 x 127/128 GiB take 6.05 ms beside 1.67 ms of latency.
  CHECK(time({Algorithm::Ring, Protocol::Simple}, gibibyte, sixteen_nodes) -
            2 * 127.0 / 128 * 1073741824 / 352e3 ==
        Approx(1670).epsilon(within));
}

TEST_CASE("NVLS needs three ranks and its switch; PAT a rank a node and its release") {
  auto library = test::hopper_library();
  CommunicatorShape shape = one_node;
  const auto offers = [&](Algorithm algorithm, CollectiveKind kind) {
    return tuned_time(library, {algorithm, Protocol::Simple}, kind, gibibyte, shape).has_value();
  };
  CHECK(offers(Algorithm::Nvls, CollectiveKind::AllReduce));
  shape.ranks = 2;
  CHECK_FALSE(offers(Algorithm::Nvls, CollectiveKind::AllReduce));
  shape = one_node;
  shape.nvls = false;
  CHECK_FALSE(offers(Algorithm::Nvls, CollectiveKind::AllReduce));
  CHECK(choose(library, CollectiveKind::AllReduce, gibibyte, shape).algorithm == Algorithm::Ring);
  shape = sixteen_nodes;
  library.pat = true;
  CHECK_FALSE(offers(Algorithm::Pat, CollectiveKind::AllGather));
  shape.ranks = 16;
  CHECK(offers(Algorithm::Pat, CollectiveKind::AllGather));
  library.pat = false;
  CHECK_FALSE(offers(Algorithm::Pat, CollectiveKind::AllGather));
  CHECK_FALSE(offers(Algorithm::CollNet, CollectiveKind::AllReduce));
  shape.collnet = true;
  CHECK(offers(Algorithm::CollNet, CollectiveKind::AllReduce));
}
