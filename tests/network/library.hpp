// SPDX-License-Identifier: Apache-2.0
// NCCL's table for Hopper (NVIDIA/nccl src/graph/tuning.cc, v2.30), and nothing fitted: round
// numbers where it says nothing.
#pragma once

#include "sim/hardware/collective_library.hpp"

namespace test {

inline sim::hardware::CollectiveLibrarySpec hopper_library() {
  using namespace sim;
  const Seconds us = microsecond;
  const BytesPerSecond gbps = gigabyte / second;
  hardware::CollectiveLibrarySpec library;
  library.channels = 16;
  library.node_channels = 24;
  library.nvls_channels = 16;
  library.nvls_efficiency = 0.85;
  library.nvls_latency = 20 * us;
  auto& t = library.tuning;
  t.base.ring = {6.6 * us, 14 * us, 8.4 * us};
  t.base.tree = {6.8 * us, 14 * us, 8.4 * us};
  t.base.pat = 8 * us;
  t.scale_up.ring = {0.6 * us, 1.9 * us, 3.4 * us};
  t.scale_up.tree = {0.6 * us, 1.25 * us, 4 * us};
  t.scale_up.collnet = 3.7 * us;
  t.scale_up.nvls = t.scale_up.nvls_tree = 25 * us;
  t.network.ring = {2.7 * us, 4 * us, 14 * us};
  t.network.tree = {5 * us, 8.5 * us, 14 * us};
  t.network.collnet = 31 * us;
  t.network.nvls = 18 * us;
  t.network.nvls_tree = 20.9 * us;
  t.network.pat = 14 * us;
  t.network_overhead = us;
  t.ring_latency_factor = 1.4;
  t.ll = {141 * gbps, 39 * gbps, 20.4 * gbps};
  t.channel_ring_ll128 = {36.7 * gbps, 36.7 * gbps, 36.7 * gbps};
  t.channel_tree = {38.7 * gbps, 41.4 * gbps, 36 * gbps};
  t.channel_tree_ll128 = {36.7 * gbps, 36.7 * gbps, 29 * gbps};
  t.channel_nvls_tree = {0 * gbps, 57.7 * gbps, 45.5 * gbps};
  t.tree_correction = {
      {hardware::Protocol::LL, {1,   1,   1,   1,   0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5,
                                0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1,   1,   1,   1,   1}},
      {hardware::Protocol::LL128, {1,   1,   1,   1,   1,   0.9, 0.8, 0.8, 0.8, 0.7, 0.6, 0.6,
                                   0.6, 0.6, 0.6, 0.6, 0.8, 0.9, 0.9, 0.9, 0.9, 1,   1}},
      {hardware::Protocol::Simple, {0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5,
                                    0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.7, 0.7, 0.8, 0.9, 0.9, 0.9}}};
  return library;
}

} // namespace test
