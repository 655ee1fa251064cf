// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/pool_entry.hpp"

#include "sim/scenario/reader.hpp"

namespace sim::scenario {
namespace {

Node name_node(const std::string& name) {
  Node node;
  node.kind = Node::Kind::Scalar;
  node.text = name;
  return node;
}

} // namespace

hardware::PoolSpec read_pool_entry(const std::string& fabric, const std::string& node,
                                   const std::string& catalog_directory) {
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue(catalog_directory);
  catalogue.check(findings);
  Values values(catalogue, book, findings, 1, std::nullopt);
  Entries entries(catalogue, book, values, findings);
  Reader reader(findings, &entries, &book);
  hardware::PoolSpec pool;
  reader.read(name_node(fabric), pool.fabric, {}, "fabric");
  pool.node.spec.accelerators = pool.node.spec.nics = 8;
  pool.node.spec.nic.bandwidth = pool.fabric.spec.link_bandwidth;
  if (!node.empty())
    reader.read(name_node(node), pool.node, {}, "node");
  findings.raise();
  return pool;
}

} // namespace sim::scenario
