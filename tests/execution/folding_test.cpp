// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/folding.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/execution/machine_builder.hpp"
#include "sim/execution/step.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/topology/fabric.hpp"
#include "tests/execution/setting.hpp"
#include "tests/network/library.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <tuple>

using namespace sim;
using namespace sim::execution;
using tests::dense_model;
using tests::expert_model;
using tests::pool_of;

namespace {

// What one element of a machine is next to: neighbours by class, with how.
using Sight = std::map<std::tuple<std::uint32_t, std::uint32_t, double>, int>;

struct Sights {
  std::vector<Sight> actors, teams, trunks;
};
Sights sights_of(const Machine& machine, const Partition& partition) {
  Sights sights;
  sights.actors.resize(machine.actors.size());
  sights.teams.resize(machine.teams.size());
  sights.trunks.resize(machine.trunks.size());
  for (std::size_t id = 0; id < machine.teams.size(); ++id) {
    const Team& team = machine.teams[id];
    std::uint32_t place = 0;
    const bool message = is_message(team.kind);
    for (const std::uint32_t actor : machine.members_of(team)) {
      const std::uint32_t role = message ? place++ : 0;
      ++sights.actors[actor][{partition.teams[id], role, 0}];
      ++sights.teams[id][{partition.actors[actor], role, 0}];
    }
    std::uint32_t pattern = 0;
    for (const Use& use : machine.uses_of(team)) {
      for (const network::TrunkLoad& load : machine.loads_of(use)) {
        ++sights.trunks[load.trunk][{partition.teams[id], pattern, load.flows}];
        ++sights.teams[id][{partition.trunks[load.trunk], pattern + 2, load.flows}];
      }
      ++pattern;
    }
  }
  return sights;
}

// Whether no two elements of a class differ in what they are next to: the definition of an
// equitable partition, edge by edge.
bool is_equitable(const Machine& machine, const Partition& partition) {
  const Sights sights = sights_of(machine, partition);
  const auto alike = [](const std::vector<std::uint32_t>& classes, const std::vector<Sight>& seen) {
    std::map<std::uint32_t, const Sight*> first;
    return std::all_of(classes.begin(), classes.end(),
                       [&, i = std::size_t{0}](std::uint32_t c) mutable {
                         const Sight& own = seen[i++];
                         return *first.try_emplace(c, &own).first->second == own;
                       });
  };
  return alike(partition.actors, sights.actors) && alike(partition.teams, sights.teams) &&
         alike(partition.trunks, sights.trunks);
}

// Numbers equal keys alike, by first appearance.
template <class Key>
std::uint32_t number(const std::vector<Key>& keys, std::vector<std::uint32_t>& numbers) {
  std::map<Key, std::uint32_t> known;
  numbers.clear();
  for (const Key& key : keys)
    numbers.push_back(
        known.try_emplace(key, static_cast<std::uint32_t>(known.size())).first->second);
  return static_cast<std::uint32_t>(known.size());
}

// The coarsest equitable partition by its definition: all are split by what they see, until nobody
// is.
Partition coarsest_by_rounds(const Machine& machine) {
  Partition p;
  std::vector<std::vector<double>> actors, teams, trunks;
  for (const Actor& actor : machine.actors)
    actors.push_back({double(actor.stage), actor.speed, double(actor.interior)});
  for (const Team& team : machine.teams) {
    teams.push_back({double(team.kind), team.gpus});
    for (const Use& use : machine.uses_of(team))
      teams.back().push_back(use.latency / second);
  }
  for (const Trunk& trunk : machine.trunks)
    trunks.push_back({trunk.capacity.base(), trunk.can_bind ? 1.0 : 0.0, trunk.storage.base()});
  p.actor_classes = number(actors, p.actors);
  p.team_classes = number(teams, p.teams);
  p.trunk_classes = number(trunks, p.trunks);
  const auto split = [](std::vector<std::uint32_t>& classes, const std::vector<Sight>& seen) {
    std::vector<std::pair<std::uint32_t, Sight>> keys;
    for (std::size_t i = 0; i < classes.size(); ++i)
      keys.emplace_back(classes[i], seen[i]);
    return number(keys, classes);
  };
  for (std::uint32_t before = 0, now = 1; before != now;) {
    before = p.actor_classes + p.team_classes + p.trunk_classes;
    const Sights sights = sights_of(machine, p);
    p.actor_classes = split(p.actors, sights.actors);
    p.team_classes = split(p.teams, sights.teams);
    p.trunk_classes = split(p.trunks, sights.trunks);
    now = p.actor_classes + p.team_classes + p.trunk_classes;
  }
  return p;
}

// `trees`: whose inner ranks and leaves differ.
Patterns all_patterns(const plan::ParallelismSpec& layout, int gpus, bool trees = false) {
  const plan::Groups groups = plan::groups_of(layout, gpus);
  Patterns patterns;
  const auto add = [&](TeamKind kind, network::Pattern pattern, network::Group group) {
    network::Transfers transfers;
    transfers.pattern = pattern;
    transfers.group = group;
    patterns[static_cast<std::size_t>(kind)].push_back(transfers);
  };
  add(TeamKind::Tensor, network::Pattern::Ring, groups.tensor);
  add(TeamKind::Expert, network::Pattern::AllPairs, groups.expert);
  add(TeamKind::Context, network::Pattern::Ring, groups.context);
  add(TeamKind::Tensor, network::Pattern::InSwitch, groups.tensor);
  add(TeamKind::Data, network::Pattern::Ring, groups.data);
  if (trees)
    add(TeamKind::Data, network::Pattern::DoubleTree, groups.data);
  add(TeamKind::ExpertData, network::Pattern::Ring, groups.expert_data);
  add(TeamKind::Next, network::Pattern::Neighbours, {});
  add(TeamKind::Previous, network::Pattern::Neighbours, {});
  return patterns;
}

plan::ParallelismSpec layout_of(int tensor, int pipeline, int context, int expert, int gpus) {
  plan::ParallelismSpec layout;
  layout.tensor = tensor;
  layout.pipeline = pipeline;
  layout.context = context;
  layout.expert = expert;
  layout.data = gpus / (tensor * pipeline * context);
  return layout;
}

hardware::PoolSpec pool_with(int nodes, hardware::FabricBuilder builder) {
  hardware::PoolSpec pool =
      pool_of(nodes, 450 * gigabyte / second, 50 * gigabyte / second, 1000 * gigabyte);
  pool.fabric.spec.builder = builder;
  return pool;
}

} // namespace

TEST_CASE("a healthy, full machine folds into one GPU a stage") {
  const int gpus = 512;
  const auto fabric = topology::build(pool_with(64, hardware::FabricBuilder::FatTree));
  const plan::ParallelismSpec layout = layout_of(8, 4, 1, 1, gpus);
  const Machine whole = whole_machine(*fabric, layout, all_patterns(layout, gpus), {}, false);
  const Partition partition = coarsest_partition(whole);
  CHECK(partition.actor_classes == 4);
  CHECK(is_equitable(whole, partition));
  const Machine one = folded(whole, partition);
  REQUIRE(one.actors.size() == 4);
  CHECK(one.chains == 1);
  for (const Actor& actor : one.actors)
    CHECK(actor.multiplicity == 128);
}

TEST_CASE("partitions are equitable, and the coarsest that are, whatever is uneven") {
  const auto check = [](const Machine& machine) {
    const Partition partition = coarsest_partition(machine), slow = coarsest_by_rounds(machine);
    CHECK(is_equitable(machine, partition));
    CHECK(partition.actors == slow.actors);
    CHECK(partition.teams == slow.teams);
    CHECK(partition.trunks == slow.trunks);
  };
  RandomStream random(3, "folding");
  for (int i = 0; i < 60; ++i) {
    const int nodes = 4 * (1 + static_cast<int>(random.below(8)));
    const int gpus = 8 * nodes;
    hardware::PoolSpec pool = pool_with(
        nodes, std::array{hardware::FabricBuilder::FatTree, hardware::FabricBuilder::RailOptimized,
                          hardware::FabricBuilder::MultiPlane}[random.below(3)]);
    pool.fabric.spec.switch_ports = 16 << random.below(2);
    pool.fabric.spec.leaf_oversubscription = 1 + static_cast<double>(random.below(3));
    if (pool.fabric.spec.builder == hardware::FabricBuilder::FatTree)
      pool.fabric.spec.switch_ports = 64;
    std::unique_ptr<topology::Fabric> fabric;
    try {
      fabric = topology::build(pool);
    } catch (const InfeasibleError&) {
      continue; // more nodes than such switches carry
    }
    plan::ParallelismSpec layout =
        layout_of(1 << random.below(3), 1 << random.below(3), 1, 1 << random.below(3), gpus);
    if (layout.data % layout.expert != 0)
      layout.expert = 1;
    std::vector<double> speeds;
    if (random.below(2) == 1) {
      speeds.assign(static_cast<std::size_t>(gpus), 1.0);
      speeds[random.below(static_cast<std::uint64_t>(gpus))] = 0.7;
    }
    const Machine whole =
        whole_machine(*fabric, layout, all_patterns(layout, gpus, i % 2 == 0), speeds, false);
    check(whole);
    check(unit_machine(whole, RankMap(layout, gpus)));
  }
}

namespace {

// A question with something uneven in it.
struct Uneven {
  hardware::PoolSpec pool;
  workload::ModelSpec model;
  plan::StackSpec stack;
  StepSimulator::Request request;
};

template <class T> T one_of(RandomStream& random, std::initializer_list<T> choices) {
  return choices.begin()[random.below(choices.size())];
}

// The network, and what is wrong with it.
void make_uneven(RandomStream& random, hardware::PoolSpec& pool) {
  hardware::FabricSpec& fabric = pool.fabric.spec;
  const int gpus = 8 * pool.nodes;
  fabric.builder =
      one_of(random, {hardware::FabricBuilder::FatTree, hardware::FabricBuilder::RailOptimized,
                      hardware::FabricBuilder::MultiPlane});
  fabric.routing = one_of(random, {hardware::RoutingPolicy::Adaptive,
                                   hardware::RoutingPolicy::Static, hardware::RoutingPolicy::Ecmp});
  fabric.switch_ports = fabric.builder == hardware::FabricBuilder::FatTree ? 64 : 8;
  fabric.leaf_oversubscription = one_of(random, {1.0, 3.0});
  if (random.below(2) == 0) { // pods of three nodes, the last one not full
    fabric.tiers = 3;
    fabric.switch_ports = 64;
    fabric.pod_nodes = 3;
    fabric.spine_oversubscription = one_of(random, {1.0, 7.0});
  }
  for (std::uint64_t slow = random.below(3); slow > 0; --slow) {
    const int gpu = static_cast<int>(random.below(static_cast<std::uint64_t>(gpus)));
    const bool named = std::any_of(pool.slow_gpus.begin(), pool.slow_gpus.end(),
                                   [&](const auto& other) { return other.gpu == gpu; });
    if (!named)
      pool.slow_gpus.push_back({gpu, one_of(random, {0.5, 0.8})});
  }
  if (random.below(2) == 0) {
    hardware::WeakLinkSpec link;
    link.tier = topology::LinkKind::Nic;
    link.device = static_cast<int>(random.below(static_cast<std::uint64_t>(gpus)));
    link.capacity = 0.5;
    pool.weak_links.push_back(link);
  }
  if (random.below(2) == 0) {
    hardware::WeakLinkSpec link;
    link.tier = topology::LinkKind::LeafUplink;
    link.device = 0;
    link.to = 0;
    link.capacity = one_of(random, {0.0, 0.25});
    pool.weak_links.push_back(link);
  }
}

// A network drawn switch by switch, or rails without spines.
void draw_network(RandomStream& random, hardware::PoolSpec& pool) {
  using hardware::FabricBuilder;
  hardware::FabricSpec& fabric = pool.fabric.spec;
  fabric.builder = one_of(random, {FabricBuilder::RailOnly, FabricBuilder::Dragonfly,
                                   FabricBuilder::DragonflyPlus, FabricBuilder::FullMesh,
                                   FabricBuilder::SlimFly, FabricBuilder::Torus});
  fabric.tiers = fabric.builder == FabricBuilder::RailOnly ? 1 : 2;
  fabric.switch_ports = fabric.builder == FabricBuilder::FullMesh ? 32 : 16;
  if (fabric.builder == FabricBuilder::Torus) {
    fabric.dimensions = {pool.nodes};
    for (const int extent : {4, 2})
      if (fabric.dimensions.size() < 3 && fabric.dimensions[0] % extent == 0 &&
          fabric.dimensions[0] > extent) {
        fabric.dimensions[0] /= extent;
        fabric.dimensions.push_back(extent);
      }
  }
  if (fabric.builder != FabricBuilder::Torus && random.below(3) == 0)
    fabric.sites = hardware::SitesSpec{.count = 2,
                                       .bandwidth = 100 * gigabyte / second,
                                       .latency = one_of(random, {Seconds{}, 3 * millisecond})};
  fabric.routing = one_of(random, {hardware::RoutingPolicy::Adaptive,
                                   hardware::RoutingPolicy::Static, hardware::RoutingPolicy::Ecmp});
  const int gpus = 8 * pool.nodes;
  if (random.below(2) == 0)
    pool.slow_gpus.push_back(
        {static_cast<int>(random.below(static_cast<std::uint64_t>(gpus))), 0.7});
  if (random.below(2) == 0) {
    hardware::WeakLinkSpec link;
    link.device = static_cast<int>(random.below(static_cast<std::uint64_t>(gpus)));
    link.capacity = one_of(random, {0.0, 0.5}); // broken: the next NIC stands in
    pool.weak_links.push_back(link);
  }
  if (random.below(4) == 0)
    pool.weak_switches.push_back(
        {.tier = hardware::SwitchTier::Leaf, .device = 0, .capacity = 0.5});
}

Uneven draw(RandomStream& random, bool drawn_network) {
  Uneven uneven;
  uneven.pool = pool_of(one_of(random, {2, 3, 4, 8, 16}), 450 * gigabyte / second,
                        50 * gigabyte / second, 1e6 * gigabyte);
  if (drawn_network)
    draw_network(random, uneven.pool);
  else
    make_uneven(random, uneven.pool);
  if (random.below(2) == 0) { // trees, NVLS, protocols
    uneven.pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
    uneven.pool.node.spec.in_switch_reduction = random.below(2) == 0;
    uneven.pool.fabric.spec.in_network_reduction = random.below(4) == 0;
  }
  const bool experts = random.below(2) == 0;
  uneven.model = experts ? expert_model() : dense_model();
  if (experts)
    uneven.model.experts->shared = static_cast<int>(random.below(2));
  uneven.stack.communication_sms = 16;
  uneven.stack.overlap.tensor = one_of(random, {0.0, 0.5});
  uneven.stack.overlap.data_gradients = uneven.stack.overlap.data_parameters = random.below(2) == 0;
  uneven.stack.dispatch_handshake = one_of(random, {Seconds{}, 50 * microsecond});
  plan::ParallelismSpec& layout = uneven.request.layout;
  layout.tensor = one_of(random, {1, 2, 8});
  layout.pipeline = one_of(random, {1, 2});
  layout.context = one_of(random, {1, 1, 2, 4});
  layout.expert = experts ? one_of(random, {1, 2, 4, 8}) : 1;
  layout.zero_stage = one_of(random, {0, 1, 2, 3});
  layout.reshard_after_forward = random.below(2) == 0 || layout.zero_stage < 3;
  if (layout.zero_stage > 0)
    layout.data_shard = one_of(random, {0, 0, 2, 8});
  uneven.stack.sharding.prefetch = one_of(random, {0, 1, 2});
  uneven.stack.sharding.reduction_copies = one_of(random, {0.0, 2.0});
  if (layout.context == 1)
    layout.rank_order = one_of(random, {plan::RankOrder::TensorContextDataPipeline,
                                        plan::RankOrder::TensorContextPipelineData});
  if (layout.pipeline == 2 && random.below(3) == 0)
    layout.virtual_stages = experts ? 3 : 4;
  if (layout.pipeline == 2 && layout.virtual_stages == 1 && layout.zero_stage < 2 &&
      random.below(2) == 0)
    layout.schedule = one_of(random, {plan::Schedule::DualPipe, plan::Schedule::DualPipe,
                                      plan::Schedule::GPipe, plan::Schedule::ZeroBubbleH1,
                                      plan::Schedule::ZeroBubbleV, plan::Schedule::DualPipeV});
  uneven.stack.overlap.expert_pairs = plan::rule_of(layout.schedule).pairs;
  uneven.model.tied_embeddings = random.below(2) == 0;
  uneven.request.mode =
      random.below(8) == 0 ? plan::StepMode::ForwardOnly : plan::StepMode::Training;
  uneven.request.sequence_length = 4096;
  const int data = 8 * uneven.pool.nodes / (layout.tensor * layout.pipeline * layout.context);
  uneven.request.batch = 4 * std::max(1, data);
  return uneven;
}

StepResult play(const Uneven& uneven, Fidelity fidelity) {
  return StepSimulator(uneven.pool, uneven.model, uneven.stack, fidelity).step(uneven.request);
}

} // namespace

namespace {

void check_same(const StepResult& exact, const StepResult& folded) {
  CHECK(exact.duration / folded.duration == Approx(1).epsilon(1e-9));
  for (std::size_t c = 0; c < categories; ++c)
    CHECK(exact.breakdown.time[c] / folded.duration ==
          Approx(folded.breakdown.time[c] / folded.duration).margin(1e-9));
  for (std::size_t d = 0; d < exact.communication.size(); ++d)
    CHECK(exact.communication[d] / folded.duration ==
          Approx(folded.communication[d] / folded.duration).margin(1e-9));
}

void compare_folded_with_exact(std::string_view stream, int cases, bool drawn_network) {
  RandomStream random(1, stream);
  int played = 0, refused = 0;
  while (played < cases) {
    const Uneven uneven = draw(random, drawn_network);
    const Detail detail = random.below(2) == 0 ? Detail::Pass : Detail::Kernel;
    StepResult folded, exact;
    try {
      folded = play(uneven, {detail, false});
    } catch (const InfeasibleError& error) {
      ++refused;
      REQUIRE(refused < 400); // a layout that does not divide, a network that does not reach
      CHECK_THROWS_AS(play(uneven, {detail, true}), InfeasibleError);
      continue;
    }
    exact = play(uneven, {detail, true});
    ++played;
    INFO("case " << played << ", " << uneven.pool.nodes << " nodes, detail " << name_of(detail));
    check_same(exact, folded);
    if (detail == Detail::Pass)
      check_same(play(uneven, {detail, false, true}), folded); // no longest path
    CHECK(exact.breakdown.total() / exact.duration == Approx(1).epsilon(1e-9));
  }
}

} // namespace

TEST_CASE(
    "folded and exact agree, whatever is uneven: slow GPUs, broken links, hashed routes, pods "
    "that are not full",
    "[slow]") {
  compare_folded_with_exact("uneven", 200, false);
}

TEST_CASE("folded and exact agree on networks that are drawn, with something uneven in them",
          "[slow]") {
  compare_folded_with_exact("drawn", 120, true);
}

TEST_CASE("links of symmetric networks fold into one class each under all-to-all traffic") {
  using hardware::FabricBuilder;
  const auto classes = [](hardware::PoolSpec pool) {
    const auto fabric = topology::build(pool);
    const int gpus = 8 * pool.nodes;
    plan::ParallelismSpec layout = layout_of(1, 1, 1, gpus, gpus);
    Patterns patterns;
    network::Transfers transfers;
    transfers.pattern = network::Pattern::AllPairs;
    transfers.group = plan::groups_of(layout, gpus).expert;
    patterns[static_cast<std::size_t>(TeamKind::Expert)].push_back(transfers);
    const Machine whole = whole_machine(*fabric, layout, patterns, {}, false);
    const Partition partition = coarsest_partition(whole);
    CHECK(is_equitable(whole, partition));
    CHECK(partition.actor_classes == 1); // all are in one team
    return partition.trunk_classes;
  };
  hardware::PoolSpec torus = pool_with(12, FabricBuilder::Torus);
  torus.fabric.spec.dimensions = {4, 3};
  // Nothing crosses the scale-up domain to another node: up and down links, NICs up and down; links
  // of the two dimensions; what carries nothing is a class too.
  const auto healthy = classes(torus);
  CHECK(healthy <= 4 + 2);
  torus.weak_links = {{.tier = topology::LinkKind::Local, .device = 0, .to = 1, .capacity = 0.5}};
  CHECK(classes(torus) > healthy);
  CHECK(classes(pool_with(8, FabricBuilder::FullMesh)) <= 4 + 1);
  CHECK(classes(pool_with(8, FabricBuilder::RailOnly)) <= 4);
}

TEST_CASE("a slow GPU slows the step at most by its own factor, and not without work for it") {
  hardware::PoolSpec pool =
      pool_of(2, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
  Uneven healthy{pool, dense_model(), {}, {}};
  healthy.request.layout.tensor = 8;
  healthy.request.sequence_length = 4096;
  healthy.request.batch = 8;
  Uneven slow = healthy;
  slow.pool.slow_gpus = {{3, 0.5}};
  for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
    const StepResult before = play(healthy, {detail, false}), after = play(slow, {detail, false});
    CHECK(after.duration > 1.3 * before.duration); // kernels take most of the step
    CHECK(after.duration < 2 * before.duration);
    // The other seven GPUs of its tensor group, and the other group, wait for it.
    CHECK(after.breakdown[Category::Straggler] + after.breakdown[Category::Bubble] >
          0.5 * (after.duration - before.duration));
  }
}
