// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/profile.hpp"

#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::reliability;

namespace {

constexpr PerSecond per_hour = 1.0 / hour;

hardware::PoolSpec pool_of(int nodes) {
  hardware::PoolSpec pool;
  pool.nodes = nodes;
  pool.node->accelerators = 8;
  pool.node->nics = 8;
  pool.node->nic.bandwidth = 50e9 * (byte / second);
  pool.node->accelerator->scale_up_bandwidth = 450e9 * (byte / second);
  pool.fabric->builder = hardware::FabricBuilder::FatTree;
  pool.fabric->tiers = 2;
  pool.fabric->switch_ports = 64;
  pool.fabric->link_bandwidth = 50e9 * (byte / second);
  return pool;
}

FailureClassSpec counted(Component component) {
  FailureClassSpec c;
  c.component = component;
  c.rate = per_hour;
  return c;
}

} // namespace

TEST_CASE("components are counted on the machines") {
  ReliabilitySpec profile;
  profile.rack_nodes = 4;
  profile.power_domain_nodes = 24;
  for (const auto& [component, name] : EnumNames<Component>::names)
    profile.classes[std::string(name)] = counted(component);
  std::map<std::string, double> count;
  for (const JobFailureClass& c : job_classes(profile, pool_of(64)))
    count[c.name] = c.law.components;
  CHECK(count["gpu"] == 512);
  CHECK(count["nic"] == 512);
  CHECK(count["node"] == 64);
  CHECK(count["rack"] == 16);
  CHECK(count["power-domain"] == 3);
  CHECK(count["job"] == 1);
  // 512 NICs on leaves of 32 + 32 ports: 16 leaves, 8 spines of 64, 512 cables between them.
  CHECK(count["switch"] == 24);
  CHECK(count["link"] == 1024);
}

TEST_CASE("software fails with a power of the job's size") {
  ReliabilitySpec profile;
  profile.classes["bug"] = counted(Component::Job);
  profile.classes["bug"].scaling = 0.5;
  profile.classes["bug"].reference_gpus = 2048;
  CHECK(stop_rate(job_classes(profile, pool_of(64))) / per_hour == Approx(0.5)); // 512 GPUs
  CHECK(stop_rate(job_classes(profile, pool_of(256))) / per_hour == Approx(1));
  profile.classes["bug"].reference_gpus = 0;
  CHECK_THROWS_AS(job_classes(profile, pool_of(64)), InfeasibleError);
}

TEST_CASE("lemon nodes take their share of the failures that a class has in the mean") {
  ReliabilitySpec profile;
  profile.classes["gpu"] = counted(Component::Gpu);
  profile.classes["job"] = counted(Component::Job);
  const PerSecond without = stop_rate(job_classes(profile, pool_of(100)));
  profile.lemons = LemonSpec{0.02, 10, 3};
  const std::vector<JobFailureClass> classes = job_classes(profile, pool_of(100));
  REQUIRE(classes.size() == 3);
  CHECK(classes[2].name == "gpu-of-lemons");
  CHECK(classes[2].lemons == 2);
  CHECK(classes[2].law.components == 16);
  CHECK(classes[2].nodes == 1);
  // 800 GPUs at a rate r and 16 of them at 9 r more: 800 a hour in all.
  CHECK(classes[0].law.rate / per_hour == Approx(800.0 / (800 + 9 * 16)));
  CHECK(classes[2].law.rate / classes[0].law.rate == Approx(9));
  CHECK(stop_rate(classes) / without == Approx(1));
  CHECK(class_names(profile) == std::vector<std::string>{"gpu", "job", "gpu-of-lemons"});
  // Of ten nodes a fifth of one, on average: the mean rate is the same.
  CHECK(stop_rate(job_classes(profile, pool_of(10))) / per_hour == Approx(81));
  CHECK(job_classes(profile, pool_of(10))[2].lemons == Approx(0.2));
  CHECK(job_classes(profile, pool_of(10))[0].law.rate == classes[0].law.rate);
  // Nothing is left that they could fail oftener in.
  profile.classes.erase("gpu");
  profile.failures = 1e-5 * PerGpuSecond::from_base(1);
  CHECK_THROWS_WITH(job_classes(profile, pool_of(10)),
                    Catch::Matchers::StartsWith("reliability.lemons: "));
}

TEST_CASE("one node uses no fabric: no link and no switch of it fails") {
  ReliabilitySpec profile;
  profile.classes["link"] = counted(Component::Link);
  profile.classes["switch"] = counted(Component::Switch);
  profile.classes["switch"].replace = 1;
  for (const JobFailureClass& c : job_classes(profile, pool_of(1))) {
    CHECK(c.law.components == 0);
    CHECK(c.nodes == (c.name == "switch" ? 1 : 0));
  }
}

TEST_CASE("failures without a class add up over GPUs and the job") {
  ReliabilitySpec spec;
  // Llama 3: 419 unexpected interruptions in 54 days on 16,384 GPUs; 3.09 hours between two.
  spec.failures = 419 / (16384 * 54 * 86400.0) * PerGpuSecond::from_base(1);
  CHECK(1.0 / stop_rate(job_classes(spec, pool_of(2048))) / hour == Approx(3.093).epsilon(1e-3));
  spec.job_failures = 1.0 / (10 * hour);
  CHECK(job_classes(spec, pool_of(1)).size() == 2);
  CHECK(class_names(spec) == std::vector<std::string>{"unclassified", "unclassified-job"});
  CHECK(fails(spec));
  CHECK_FALSE(fails(ReliabilitySpec{}));
}

TEST_CASE("a scope takes its nodes down, and copies in their memory with them") {
  ReliabilitySpec profile;
  profile.rack_nodes = 4;
  profile.power_domain_nodes = 100;
  for (const auto& [scope, name] : EnumNames<Scope>::names) {
    if (scope == Scope::None)
      continue;
    profile.classes[std::string(name)] = counted(Component::Gpu);
    profile.classes[std::string(name)].scope = scope;
    profile.classes[std::string(name)].replace = 1;
  }
  for (const JobFailureClass& c : job_classes(profile, pool_of(64))) {
    CAPTURE(c.name);
    // 32 ports down, eight NICs a node: four nodes under a leaf.
    const std::int64_t nodes = c.name == "node" ? 1 : c.name == "power-domain" ? 64 : 4;
    CHECK(c.nodes == nodes);
    CHECK(c.memory_survives == (c.name == "node"));
  }
  profile.classes["node"].scope = Scope::None;
  CHECK_THROWS_AS(job_classes(profile, pool_of(64)), InfeasibleError); // nothing to exchange
}

TEST_CASE("slow parts do not stop the job") {
  ReliabilitySpec profile;
  profile.classes["slow"] = counted(Component::Gpu);
  profile.classes["slow"].effect = Effect::Slow;
  profile.classes["slow"].speed = 0.8;
  CHECK(stop_rate(job_classes(profile, pool_of(2))) == PerSecond{});
}
