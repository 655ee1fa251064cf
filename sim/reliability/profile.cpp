// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/profile.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/topology/layout.hpp"

#include <algorithm>
#include <memory>
#include <optional>

namespace sim::reliability {
namespace {

// The machine room as failures see it. The fabric is built only where a class asks for its parts;
// one node uses none.
class Room {
public:
  Room(const ReliabilitySpec& reliability, const hardware::PoolSpec& pool)
      : reliability_(reliability), pool_(pool) {}

  [[nodiscard]] std::int64_t nodes() const { return pool_.nodes; }
  [[nodiscard]] std::int64_t gpus() const { return nodes() * pool_.node->accelerators; }

  double count(const FailureClassSpec& c, const std::string& path) {
    switch (c.component) {
    case Component::Gpu:
      return double(gpus());
    case Component::Nic:
      return double(nodes() * pool_.node->nics);
    case Component::Link:
      return nodes() < 2 ? 0 : double(nodes() * pool_.node->nics + fabric().counts().switch_links);
    case Component::Switch:
      return nodes() < 2 ? 0 : double(fabric().counts().switches);
    case Component::Node:
      return double(nodes());
    case Component::Rack:
      return groups(reliability_.rack_nodes);
    case Component::PowerDomain:
      return groups(reliability_.power_domain_nodes);
    case Component::Job:
      return job(c, path);
    }
    return 0;
  }

  std::int64_t nodes_of(Scope scope, const std::string& path) {
    switch (scope) {
    case Scope::None:
      return 0;
    case Scope::Node:
      return 1;
    case Scope::Leaf:
      return nodes() < 2 ? 1 : std::min(nodes(), leaf_nodes(path));
    case Scope::Rack:
      return std::min<std::int64_t>(nodes(), reliability_.rack_nodes);
    case Scope::PowerDomain:
      return std::min<std::int64_t>(nodes(), reliability_.power_domain_nodes);
    }
    return 0;
  }

private:
  [[nodiscard]] double groups(std::int64_t size) const {
    return double((nodes() + size - 1) / size);
  }
  // One clock that runs faster on a larger job.
  [[nodiscard]] double job(const FailureClassSpec& c, const std::string& path) const {
    if (c.scaling == 0)
      return 1;
    if (c.reference_gpus <= 0)
      throw InfeasibleError(path + ".reference_gpus",
                            "the size that the rate was seen on is missing",
                            "write reference_gpus, or scaling: 0");
    return portable_pow(double(gpus()) / double(c.reference_gpus), c.scaling);
  }
  const topology::Fabric& fabric() {
    if (!fabric_)
      fabric_ = topology::build(pool_);
    return *fabric_;
  }
  std::int64_t leaf_nodes(const std::string& path) {
    const topology::Layout* layout = fabric().uniform();
    if (layout == nullptr)
      throw InfeasibleError(path + ".scope",
                            "this fabric does not say which nodes are under a leaf",
                            "scope: node, rack or power-domain");
    return layout->nodes_per_leaf;
  }

  const ReliabilitySpec& reliability_;
  const hardware::PoolSpec& pool_;
  std::unique_ptr<topology::Fabric> fabric_;
};

Scope scope_of(const FailureClassSpec& c) {
  if (c.scope)
    return *c.scope;
  switch (c.component) {
  case Component::Gpu:
  case Component::Nic:
  case Component::Node:
    return Scope::Node;
  case Component::Switch:
    return Scope::Leaf;
  case Component::Rack:
    return Scope::Rack;
  case Component::PowerDomain:
    return Scope::PowerDomain;
  case Component::Link:
  case Component::Job:
    break;
  }
  return Scope::None;
}

// Of the class, or else of the profile. A duration that the clock cannot hold is told of its key.
RunTime run_time(const std::optional<Seconds>& own, Seconds general, const std::string& path,
                 const char* key) {
  try {
    return to_run_time(own.value_or(general));
  } catch (const InfeasibleError& error) {
    throw InfeasibleError((own ? path + "." : "reliability.") + key, error.message(),
                          error.remedy());
  }
}

JobFailureClass job_class(const std::string& name, const FailureClassSpec& c,
                          const ReliabilitySpec& profile, Room& room) {
  const std::string path = "reliability.classes." + name;
  JobFailureClass out;
  out.name = name;
  out.law = {room.count(c, path), c.rate, c.shape, c.infant_factor, c.infant_time};
  if (c.shape != 1 && c.component == Component::Job)
    out.law.components = std::max(1.0, double(static_cast<std::int64_t>(out.law.components + 0.5)));
  out.effect = c.effect;
  out.speed = out.part_speed = c.effect == Effect::Slow ? c.speed : 1;
  out.detection = run_time(c.detection, profile.detection, path, "detection");
  out.restart = run_time(c.restart, profile.restart, path, "restart");
  out.notice = run_time(c.notice, c.notice, path, "notice");
  out.replace = c.replace;
  const Scope scope = scope_of(c);
  const bool exchanged =
      c.replace > 0 || (c.effect == Effect::Slow && c.speed < profile.recovery.evict_below);
  if (exchanged) {
    out.nodes = room.nodes_of(scope, path);
    if (out.nodes == 0)
      throw InfeasibleError(path + ".scope", "no node goes down with it, so none can be exchanged",
                            "scope: node, or replace: 0");
  }
  out.memory_survives = scope == Scope::None || scope == Scope::Node;
  out.repair = c.repair;
  return out;
}

bool in_lemons(const FailureClassSpec& c) {
  return c.effect == Effect::Stop &&
         (c.component == Component::Gpu || c.component == Component::Nic ||
          c.component == Component::Node);
}

// Splits the failures of `all` so that those of lemon nodes beyond a healthy node's are a class of
// their own. `all.law.rate` is the mean of both.
JobFailureClass split_lemons(JobFailureClass& all, const LemonSpec& lemons, double nodes) {
  const double excess = lemons.factor - 1;
  JobFailureClass of_lemons = all;
  all.law.rate /= 1 + excess * lemons.share;
  of_lemons.name = lemon_name(all.name);
  of_lemons.law = {all.law.components * lemons.share, excess * all.law.rate, 1, 1, {}};
  of_lemons.nodes = std::max<std::int64_t>(1, of_lemons.nodes);
  of_lemons.lemons = lemons.share * nodes;
  return of_lemons;
}

void add_lemons(const ReliabilitySpec& reliability, const Room& room,
                std::vector<JobFailureClass>& classes) {
  const std::size_t without = classes.size();
  std::size_t i = 0;
  for (const auto& [name, spec] : reliability.classes) {
    if (in_lemons(spec))
      classes.push_back(split_lemons(classes[i], *reliability.lemons, double(room.nodes())));
    ++i;
  }
  if (classes.size() == without)
    throw InfeasibleError("reliability.lemons",
                          "no class that stops the job counts GPUs, NICs or nodes: nothing is left "
                          "that lemons could fail oftener in",
                          "write such a class, or leave out lemons");
}

} // namespace

std::string lemon_name(const std::string& name) { return name + "-of-lemons"; }

std::vector<JobFailureClass> job_classes(const ReliabilitySpec& reliability,
                                         const hardware::PoolSpec& pool) {
  Room room(reliability, pool);
  std::vector<JobFailureClass> classes;
  for (const auto& [name, spec] : reliability.classes)
    classes.push_back(job_class(name, spec, reliability, room));
  if (reliability.lemons)
    add_lemons(reliability, room, classes);
  FailureClassSpec rest;
  rest.scope = Scope::None;
  if (reliability.failures > PerGpuSecond{}) {
    rest.rate = reliability.failures * (gpu_second / second);
    classes.push_back(job_class(unclassified, rest, reliability, room));
  }
  if (reliability.job_failures > PerSecond{}) {
    rest.component = Component::Job;
    rest.rate = reliability.job_failures;
    classes.push_back(job_class(unclassified_job, rest, reliability, room));
  }
  return classes;
}

std::vector<std::string> class_names(const ReliabilitySpec& reliability) {
  std::vector<std::string> names;
  for (const auto& entry : reliability.classes)
    names.push_back(entry.first);
  for (const auto& [name, spec] : reliability.classes)
    if (reliability.lemons && in_lemons(spec))
      names.push_back(lemon_name(name));
  if (reliability.failures > PerGpuSecond{})
    names.emplace_back(unclassified);
  if (reliability.job_failures > PerSecond{})
    names.emplace_back(unclassified_job);
  return names;
}

PerSecond stop_rate(const std::vector<JobFailureClass>& classes) {
  PerSecond sum{};
  for (const JobFailureClass& c : classes)
    if (c.effect != Effect::Slow)
      sum += c.law.rate * c.law.components;
  return sum;
}

bool fails(const ReliabilitySpec& reliability) {
  return reliability.failures > PerGpuSecond{} || reliability.job_failures > PerSecond{} ||
         reliability.maintenance.has_value() ||
         std::any_of(reliability.classes.begin(), reliability.classes.end(),
                     [](const auto& c) { return c.second.rate > PerSecond{}; });
}

} // namespace sim::reliability
