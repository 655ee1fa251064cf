// SPDX-License-Identifier: Apache-2.0
// Completion times of random flows against SimGrid, an independent flow-level simulator (Casanova,
// Giersch, Legrand, Quinson, Suter, JPDC 74, 2014). Its CM02 model with all factors 1 and without
// latency is plain max-min fairness.
//
// SimGrid's precisions are absolute (a time below surf/precision is zero), so flows last 10 s or
// more. There is one SimGrid engine per process, hence a child process per instance.
#include "sim/base/random.hpp"
#include "sim/engine/activity.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <simgrid/s4u.hpp>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace sim;

namespace {

struct Flow {
  double start = 0;        // s
  std::uint64_t bytes = 0; // SimGrid counts whole ones
  double bound = 0;        // bytes per second; 0: none
  std::vector<std::uint32_t> links;
};

struct Instance {
  std::vector<double> capacities; // bytes per second
  std::vector<Flow> flows;
};

// Links of 1 to 10 MB/s; each flow crosses up to six, a third are bounded, half start at once.
Instance random_instance(std::uint64_t seed, std::uint64_t flows, std::uint64_t links) {
  RandomStream random(seed, "peer");
  Instance instance;
  for (std::uint64_t l = 0; l < links; ++l)
    instance.capacities.push_back(1e6 * (1 + 9 * random.uniform()));
  for (std::uint64_t f = 0; f < flows; ++f) {
    Flow flow;
    flow.start = random.below(2) == 0 ? 0 : 30 * random.uniform();
    flow.bytes = 100'000'000 + random.below(1'000'000'000); // 10 s or more at 10 MB/s
    flow.bound = random.below(3) == 0 ? 1e6 * (0.05 + 2 * random.uniform()) : 0;
    for (std::uint64_t hop = std::min(links, 1 + random.below(6)); hop > 0;) {
      const auto link = static_cast<std::uint32_t>(random.below(links));
      if (std::find(flow.links.begin(), flow.links.end(), link) == flow.links.end()) {
        flow.links.push_back(link);
        --hop;
      }
    }
    instance.flows.push_back(flow);
  }
  return instance;
}

std::vector<double> play_here(const Instance& instance) {
  engine::Engine engine;
  for (const double capacity : instance.capacities)
    engine.add_resource(capacity);
  for (std::size_t f = 0; f < instance.flows.size(); ++f) {
    const Flow& flow = instance.flows[f];
    std::vector<engine::Draw> draws;
    for (const std::uint32_t link : flow.links)
      draws.push_back({link, 1});
    engine::ActivitySpec spec;
    spec.latency = flow.start * second;
    spec.work = static_cast<double>(flow.bytes);
    if (flow.bound > 0)
      spec.bound = flow.bound;
    spec.draws = draws;
    spec.tag = static_cast<std::uint32_t>(f);
    engine.start(spec);
  }
  std::vector<double> ends(instance.flows.size());
  while (!engine.idle())
    for (const std::uint32_t tag : engine.advance())
      ends[tag] = engine.now() / second;
  return ends;
}

void configure_plain_max_min() {
  namespace s4u = simgrid::s4u;
  for (const char* setting :
       {"network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0",
        "network/latency-factor:1", "network/bandwidth-factor:1", "network/weight-S:0",
        "network/loopback-lat:0", "maxmin/precision:1e-9", "surf/precision:1e-9"})
    s4u::Engine::set_config(setting);
}

// Each flow has two hosts of its own and an actor that sends from one to the other.
std::vector<double> play_in_simgrid(const Instance& instance) {
  namespace s4u = simgrid::s4u;
  std::string name = "peer", quiet = "--log=root.threshold:critical";
  char* arguments[] = {name.data(), quiet.data(), nullptr};
  int count = 2;
  s4u::Engine engine(&count, arguments);
  configure_plain_max_min();
  auto* zone = s4u::create_full_zone("zone");
  std::vector<const s4u::Link*> links;
  for (std::size_t l = 0; l < instance.capacities.size(); ++l)
    links.push_back(zone->create_link("link" + std::to_string(l), instance.capacities[l])
                        ->set_latency(0)
                        ->seal());
  std::vector<double> ends(instance.flows.size());
  for (std::size_t f = 0; f < instance.flows.size(); ++f) {
    const Flow& flow = instance.flows[f];
    auto* from = zone->create_host("from" + std::to_string(f), 1e9)->seal();
    auto* to = zone->create_host("to" + std::to_string(f), 1e9)->seal();
    std::vector<s4u::LinkInRoute> route;
    for (const std::uint32_t link : flow.links)
      route.emplace_back(links[link]);
    if (flow.bound > 0) // a link of its own: Comm::set_rate() does not reach direct messages
      route.emplace_back(
          zone->create_link("bound" + std::to_string(f), flow.bound)->set_latency(0)->seal());
    zone->add_route(from->get_netpoint(), to->get_netpoint(), nullptr, nullptr, route, false);
    s4u::Actor::create("sender" + std::to_string(f), from, [&flow, &ends, f, from, to] {
      s4u::this_actor::sleep_for(flow.start);
      s4u::Comm::sendto(from, to, flow.bytes);
      ends[f] = s4u::Engine::get_clock();
    });
  }
  zone->seal();
  engine.run();
  return ends;
}

// Empty when the child did not come to its end.
std::vector<double> play_in_child(const Instance& instance) {
  int channel[2];
  REQUIRE(pipe(channel) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::vector<double> ends = play_in_simgrid(instance);
    const std::size_t bytes = ends.size() * sizeof(double);
    const bool written = write(channel[1], ends.data(), bytes) == static_cast<ssize_t>(bytes);
    _exit(written ? 0 : 1);
  }
  close(channel[1]);
  std::vector<double> ends(instance.flows.size());
  std::size_t got = 0;
  const std::size_t bytes = ends.size() * sizeof(double);
  for (ssize_t part = 1; part > 0 && got < bytes; got += static_cast<std::size_t>(part))
    part = std::max<ssize_t>(
        0, read(channel[0], reinterpret_cast<char*>(ends.data()) + got, bytes - got));
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 || got != bytes)
    ends.clear();
  return ends;
}

double worst_difference(const Instance& instance) {
  const std::vector<double> ours = play_here(instance), theirs = play_in_child(instance);
  REQUIRE(theirs.size() == ours.size());
  double worst = 0;
  for (std::size_t f = 0; f < ours.size(); ++f) {
    REQUIRE(theirs[f] - instance.flows[f].start >= 10 * (1 - 1e-9));
    worst = std::max(worst, std::fabs(ours[f] - theirs[f]) / theirs[f]);
  }
  return worst;
}

} // namespace

TEST_CASE("300 random sets of up to 200 flows end when SimGrid says") {
  double worst = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    RandomStream sizes(seed, "peer-size");
    const std::uint64_t flows = 1 + sizes.below(200), links = 1 + sizes.below(60);
    INFO("seed " << seed << ", " << flows << " flows, " << links << " links");
    const double difference = worst_difference(random_instance(seed, flows, links));
    worst = std::max(worst, difference);
    CHECK(difference <= 1e-9);
  }
  WARN("worst relative difference " << worst);
}

TEST_CASE("three random sets of 1,000 flows end when SimGrid says") {
  double worst = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const double difference =
        worst_difference(random_instance(1000 + seed, 1000, 100 + 100 * seed));
    worst = std::max(worst, difference);
    CHECK(difference <= 1e-9);
  }
  WARN("worst relative difference " << worst);
}
