// SPDX-License-Identifier: Apache-2.0
// Switches of a McKay-Miller-Siran graph: (0, x, y) and (1, m, c) over the integers modulo a prime
// q. (0, x, y) meets (0, x, y') where y - y' is in X, (1, m, c) meets (1, m, c') where c - c' is in
// X', and (0, x, y) meets (1, m, c) where y = m x + c. X and X' are made of powers of a primitive
// element (Besta and Hoefler, SC 2014, section II.B; Hafner, Geometric realisation of the graphs of
// McKay-Miller-Siran, 2004).
#include "sim/topology/builder/slim_fly.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

#include <algorithm>
#include <string>

namespace sim::topology::builder {
namespace {

constexpr int greatest_order = 499;

bool is_prime(int q) {
  for (int d = 2; d * d <= q; ++d)
    if (q % d == 0)
      return false;
  return q >= 2;
}

int delta_of(int q) {
  if (q < 3 || q > greatest_order || q % 4 == 2)
    throw InfeasibleError("cluster.fabric.order",
                          "there is no Slim Fly of order " + std::to_string(q),
                          "an odd prime from 3 to " + std::to_string(greatest_order));
  return q % 4 == 3 ? -1 : q % 4;
}

std::vector<int> powers_of_primitive(int q) {
  for (int element = 2;; ++element) {
    std::vector<int> powers{1};
    for (int p = element; p != 1; p = p * element % q)
      powers.push_back(p);
    if (static_cast<int>(powers.size()) == q - 1)
      return powers;
  }
}

// Which differences X (first) and X' (second) hold.
std::pair<std::vector<char>, std::vector<char>> generators(int q) {
  const std::vector<int> powers = powers_of_primitive(q);
  const int w = (q - delta_of(q)) / 4;
  std::pair<std::vector<char>, std::vector<char>> sets{
      std::vector<char>(static_cast<std::size_t>(q)),
      std::vector<char>(static_cast<std::size_t>(q))};
  const auto put = [&](std::vector<char>& set, int power) {
    set[static_cast<std::size_t>(powers[static_cast<std::size_t>(power % (q - 1))])] = 1;
  };
  for (int i = 0; delta_of(q) == 1 && i < q - 1; ++i)
    put(i % 2 == 0 ? sets.first : sets.second, i);
  for (int i = 0; delta_of(q) == -1 && i < w; ++i) {
    put(sets.first, 2 * i);
    put(sets.first, 2 * w - 1 + 2 * i);
    put(sets.second, 2 * i + 1);
    put(sets.second, 2 * w + 2 * i);
  }
  return sets;
}

int half_up(int radix) { return (radix + 1) / 2; }

// The order asked for, or the least that seats the NICs.
int order_for(const hardware::PoolSpec& pool, int nics) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  if (fabric.order > 0)
    return fabric.order;
  std::int64_t most = 0;
  for (int q = 3; q <= greatest_order; q += 2) {
    const int endpoints =
        fabric.switch_endpoints > 0 ? fabric.switch_endpoints : half_up(slim_fly_radix(q));
    if (!is_prime(q) || std::int64_t{slim_fly_radix(q)} + endpoints > fabric.switch_ports)
      continue;
    most = std::int64_t{2} * q * q * endpoints;
    if (most >= nics)
      return q;
  }
  too_few_seats(pool, most, "more ports carry more nodes");
}

} // namespace

int slim_fly_radix(int q) { return (3 * q - delta_of(q)) / 2; }

Counts slim_fly_counts(int q, int endpoints) {
  const std::int64_t switches = std::int64_t{2} * q * q;
  Counts counts;
  counts.endpoints = switches * (endpoints > 0 ? endpoints : half_up(slim_fly_radix(q)));
  counts.switches = counts.switches_of_tier[0] = switches;
  counts.switch_links = switches * slim_fly_radix(q) / 2;
  counts.links_of_kind[static_cast<std::size_t>(LinkKind::Local)] = counts.switch_links;
  return counts;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> slim_fly_links(int q) {
  if (delta_of(q) == 0 || !is_prime(q))
    throw InfeasibleError("cluster.fabric.order",
                          "the links of a Slim Fly of order " + std::to_string(q) +
                              " are not built here",
                          "an odd prime from 3 to " + std::to_string(greatest_order));
  const auto [x_set, m_set] = generators(q);
  const auto number = [q](int side, int first, int second) {
    return static_cast<std::uint32_t>((side * q + first) * q + second);
  };
  std::vector<std::pair<std::uint32_t, std::uint32_t>> links;
  for (int side = 0; side < 2; ++side)
    for (int first = 0; first < q; ++first)
      for (int y = 0; y < q; ++y)
        for (int other = y + 1; other < q; ++other)
          if ((side == 0 ? x_set : m_set)[static_cast<std::size_t>(other - y)] != 0)
            links.emplace_back(number(side, first, y), number(side, first, other));
  for (int x = 0; x < q; ++x)
    for (int m = 0; m < q; ++m)
      for (int c = 0; c < q; ++c)
        links.emplace_back(number(0, x, (m * x + c) % q), number(1, m, c));
  return links;
}

Blueprint draw_slim_fly(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  check_switch_ports(fabric);
  const int nics = nics_of(pool), order = order_for(pool, nics);
  const int radix = slim_fly_radix(order);
  const int endpoints = fabric.switch_endpoints > 0 ? fabric.switch_endpoints : half_up(radix);
  if (std::int64_t{radix} + endpoints > fabric.switch_ports)
    throw InfeasibleError("cluster.fabric.switch_ports",
                          std::to_string(fabric.switch_ports) + " ports, but " +
                              std::to_string(radix) + " links and " + std::to_string(endpoints) +
                              " NICs need " + std::to_string(radix + endpoints),
                          "more ports, a lower order or fewer switch_endpoints");
  const Counts full = slim_fly_counts(order, endpoints);
  check_cables(static_cast<double>(full.switch_links));
  if (nics > full.endpoints)
    too_few_seats(pool, full.endpoints, "a higher order carries more nodes");
  Blueprint blueprint;
  blueprint.switches.assign(static_cast<std::size_t>(full.switches), hardware::SwitchTier::Leaf);
  Cable cable = Blueprint::plain(fabric);
  for (const auto& [from, to] : slim_fly_links(order)) {
    cable.from = from;
    cable.to = to;
    blueprint.cables.push_back(cable);
  }
  seat_in_order(blueprint, nics, endpoints);
  return blueprint;
}

std::int64_t slim_fly_seats(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  if (fabric.order > 0)
    return slim_fly_counts(fabric.order, fabric.switch_endpoints).endpoints;
  std::int64_t most = 0;
  for (int q = 3; q <= greatest_order; q += 2)
    if (const Counts c = slim_fly_counts(q, fabric.switch_endpoints);
        is_prime(q) && slim_fly_radix(q) + c.endpoints / c.switches <= fabric.switch_ports)
      most = c.endpoints;
  return most;
}

} // namespace sim::topology::builder
