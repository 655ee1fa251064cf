// SPDX-License-Identifier: Apache-2.0
// The inside of the nodes, for all fabrics: which links GPUs have, what lies between them and the
// NICs, and the numbers of these links and vertices.
//
//   GPU -- scale-up -- switch of the node            NVLink to NVSwitches, or the GPU's PCIe port
//   host or switch of the node -- PCIe -- PCIe switch   only where it can limit the NICs below it
//   PCIe switch, or GPU, or switch of the node .. NIC   no link
//
// A node whose GPUs are joined by PCIe reaches its NICs over the same ports: what leaves the node
// loads the sending GPU's scale-up link too.
#pragma once

#include "sim/topology/ends.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace sim::topology {

struct NodeWiring {
  int nodes = 0, gpus_per_node = 0;
  int nics_per_node = 0; // 0: one node alone
  int scale_up_switches = 1;
  bool shared_port = false;              // scale-up links lead to the NICs too
  int pcie_links = 0, nics_per_pcie = 1; // of a node; no links: PCIe limits nobody
  BytesPerSecond scale_up{}, pcie{};     // usable, of one link

  [[nodiscard]] int gpus() const { return nodes * gpus_per_node; }
  [[nodiscard]] int nics() const { return nodes * nics_per_node; }
  [[nodiscard]] int all_pcie_links() const { return nodes * pcie_links; }
  // Links of nodes are more than GPUs, switches and NICs.
  [[nodiscard]] bool plain() const { return !shared_port && pcie_links == 0; }

  [[nodiscard]] std::uint32_t scale_up_vertex(int node) const { return id(gpus() + node); }
  [[nodiscard]] std::uint32_t host_vertex(int node) const {
    return scale_up_vertex(shared_port ? node : nodes + node);
  }
  [[nodiscard]] std::uint32_t pcie_vertex(int link) const {
    return scale_up_vertex((shared_port ? nodes : 2 * nodes) + link);
  }
  [[nodiscard]] std::uint32_t first_nic_vertex() const {
    return pcie_links > 0 ? pcie_vertex(all_pcie_links()) : scale_up_vertex(nodes);
  }

  [[nodiscard]] LinkId scale_up_link(int gpu) const { return 2 * id(gpu); }
  [[nodiscard]] LinkId pcie_link(int nic) const {
    return scale_up_link(gpus()) + 2 * id(pcie_of(nic));
  }
  [[nodiscard]] LinkId nic_link(int nic) const {
    return scale_up_link(gpus() + all_pcie_links()) + 2 * id(nic);
  }
  [[nodiscard]] LinkId first_switch_link() const { return nic_link(nics()); }
  // Number of the PCIe link above a NIC.
  [[nodiscard]] int pcie_of(int nic) const {
    return nic / nics_per_node * pcie_links + nic % nics_per_node / nics_per_pcie;
  }

  // Appends the links below the NICs, one up, and the next number down.
  void append_links(std::vector<Link>& links) const;
  // Pairs of vertices that are joined, though not by a link: GPU or switch to NIC. `nic_of` gives
  // the vertex of the NIC that a GPU uses.
  template <class NicOf> [[nodiscard]] std::vector<FreeEdge> free_edges(NicOf nic_of) const;

  // Calls put(link) for what a transfer takes from GPU a to the switch of the sending NIC, and from
  // the switch of the taking NIC to GPU b.
  template <class Put> void leave(const Ends& ends, int a, Put put) const {
    if (ends.relay != a) {
      put(scale_up_link(a));
      put(scale_up_link(ends.relay) + 1);
    }
    if (shared_port)
      put(scale_up_link(ends.relay));
    if (pcie_links > 0)
      put(pcie_link(ends.source_nic));
    put(nic_link(ends.source_nic));
  }
  template <class Put> void enter(const Ends& ends, int b, Put put) const {
    put(nic_link(ends.destination_nic) + 1);
    if (pcie_links > 0)
      put(pcie_link(ends.destination_nic) + 1);
    if (shared_port)
      put(scale_up_link(ends.landing) + 1);
    if (ends.landing != b) {
      put(scale_up_link(ends.landing));
      put(scale_up_link(b) + 1);
    }
  }
  // Whether a NIC and what lies between it and its GPUs works.
  [[nodiscard]] bool works(int nic, std::span<const Link> links) const {
    return links[nic_link(nic)].capacity > BytesPerSecond{} &&
           (pcie_links == 0 || links[pcie_link(nic)].capacity > BytesPerSecond{});
  }

private:
  [[nodiscard]] static std::uint32_t id(int index) { return static_cast<std::uint32_t>(index); }
};

// Of the pool's nodes. PCIe before the NICs is left out where all NICs of a link may run at full
// rate, unless a weak link names it. Throws InfeasibleError where PCIe links do not divide the
// NICs, and where PCIe joins the GPUs without a word on it or with switches that add.
NodeWiring wire_nodes(const hardware::PoolSpec& pool);

// Weakens the scale-up links of the nodes whose scale-up switches are weak: each switch has an
// equal share of every GPU's links. True: one is. Throws InfeasibleError for one that does not
// exist.
bool weaken_scale_up(const NodeWiring& wiring, std::span<const hardware::WeakSwitchSpec> weak,
                     std::vector<Link>& links);

template <class NicOf> std::vector<FreeEdge> NodeWiring::free_edges(NicOf nic_of) const {
  std::vector<FreeEdge> edges;
  if (nics_per_node == 0)
    return edges;
  for (int gpu = 0; gpu < gpus() && !shared_port; ++gpu)
    edges.emplace_back(id(gpu), pcie_links > 0 ? host_vertex(gpu / gpus_per_node) : nic_of(gpu));
  for (int nic = 0; nic < nics() && !plain(); ++nic)
    edges.emplace_back(pcie_links > 0 ? pcie_vertex(pcie_of(nic))
                                      : scale_up_vertex(nic / nics_per_node),
                       first_nic_vertex() + id(nic));
  return edges;
}

} // namespace sim::topology
