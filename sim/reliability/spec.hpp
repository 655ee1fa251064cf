// SPDX-License-Identifier: Apache-2.0
// What fails, how often, what it does to the job, and how the job goes on; how the state is saved.
#pragma once

#include "sim/base/fields.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::reliability {

// What a class of failures has one clock for each of.
enum class Component { Gpu, Nic, Link, Switch, Node, Rack, PowerDomain, Job };

// Which nodes go down together.
enum class Scope { None, Node, Leaf, Rack, PowerDomain };

enum class Effect { Stop, Slow, Corrupt };

enum class RepairLaw { Constant, Exponential, Lognormal };

// From the failure until the nodes are whole again.
struct RepairSpec {
  Seconds time{}; // mean
  RepairLaw law = RepairLaw::Constant;
  double spread = 0.5; // lognormal: standard deviation of the logarithm
  bool crew = true;    // it needs one of the crews
};

struct FailureClassSpec {
  Component component = Component::Gpu;
  PerSecond rate{};   // of one component, in the long run
  double shape = 1;   // Weibull; 1: exponential
  double scaling = 0; // component job: the rate grows with (GPUs / reference_gpus)^scaling
  std::int64_t reference_gpus = 0;
  double infant_factor = 1; // the rate starts that much higher
  Seconds infant_time{};    // and the excess decays with this time constant
  std::optional<Scope> scope;
  Effect effect = Effect::Stop;
  double speed = 1; // slow: of the part, relative to a healthy one
  Seconds notice{}; // the job is told before it stops
  std::optional<Seconds> detection, restart;
  double replace = 0; // share of these failures after which the scope's nodes are exchanged
  RepairSpec repair;
};

// Nodes that fail oftener than others until they are known.
struct LemonSpec {
  double share = 0;    // of nodes
  double factor = 10;  // of the failure rate of a healthy one
  int evict_after = 0; // failures of one; 0: it stays
};

struct RecoverySpec {
  int spares = 0; // nodes of the cluster that are set aside
  Seconds swap{};
  double spare_failures = 0;          // share of spares that are broken when they are put in place
  std::optional<Seconds> replacement; // a node from outside the cluster
  int crews = 0;                      // 0: any number
  bool elastic = false;
  double evict_below = 0; // speed
};

struct MaintenanceSpec {
  Seconds every{}, duration{};
};

struct ReliabilitySpec {
  std::string title;
  std::vector<std::string> measured_on; // accelerators
  PerGpuSecond failures{};              // without classes: one for all causes that grow with GPUs
  PerSecond job_failures{};             // and one for those that do not
  std::map<std::string, FailureClassSpec> classes;
  Seconds detection{}; // until the job is known to have stopped
  Seconds
      restart{}; // replace, relaunch, initialise communication; loading the checkpoint comes on top
  RecoverySpec recovery;
  std::optional<MaintenanceSpec> maintenance;
  std::optional<LemonSpec> lemons;
  int rack_nodes = 4, power_domain_nodes = 64;
};

enum class CheckpointMode { Synchronous, Asynchronous };
enum class IntervalRule { Daly, Young, Optimise };

// Copies in the host memory of other nodes beside those in storage.
struct MemoryTierSpec {
  std::int64_t every_steps = 1;
};

struct CheckpointSpec {
  Auto<Seconds> interval; // auto: by the rule
  IntervalRule interval_rule = IntervalRule::Daly;
  CheckpointMode mode = CheckpointMode::Asynchronous;
  BytesPerSecond storage_bandwidth = 1e12 * (byte / second); // of the whole cluster
  Auto<Bytes> bytes_per_parameter;                           // auto: by the stack's precision
  double write_failures = 0;
  std::int64_t keep = 0; // 0: all
  std::optional<MemoryTierSpec> memory;
};

template <class V> void fields(V& v, RepairSpec& s) {
  v("time", s.time, non_negative, "Mean time until the nodes are whole again.");
  v("law", s.law, anything, "Distribution of that time.");
  v("spread", s.spread, Rule{.low = 0, .high = 5},
    "Lognormal: standard deviation of the logarithm.");
  v("crew", s.crew, anything, "Whether it takes one of the crews.");
}
template <class V> void fields(V& v, FailureClassSpec& s) {
  v("component", s.component, anything, "What fails: each has a clock of its own.");
  v("rate", s.rate, required(non_negative), "Failures of one component per time, in the long run.");
  v("shape", s.shape, Rule{.low = 0.2, .high = 20},
    "Shape of the Weibull law of a component's life; 1: exponential, below: early failures.");
  v("scaling", s.scaling, Rule{.low = 0, .high = 2},
    "Component job: the rate grows with (GPUs / reference_gpus) to this power.");
  v("reference_gpus", s.reference_gpus, non_negative, "GPUs of the job that `rate` was seen on.");
  v("infant_factor", s.infant_factor, Rule{.low = 0, .high = 1000},
    "Infant mortality: the rate of a new cluster relative to the long run.");
  v("infant_time", s.infant_time, non_negative, "Time constant with which the difference decays.");
  v("scope", s.scope, anything, "Nodes that go down together; absent: those of the component.");
  v("effect", s.effect, anything,
    "stop: the job stops; slow: it goes on slower; corrupt: its state is wrong from then on.");
  v("speed", s.speed, Rule{.low = 0, .high = 1, .low_open = true},
    "Effect slow: speed of the part relative to a healthy one.");
  v("notice", s.notice, non_negative,
    "Warning before the job stops (spot capacity); a checkpoint that fits is written.");
  v("detection", s.detection, non_negative,
    "Until it is noticed; absent: the profile's. Effect corrupt: until the state is known wrong.");
  v("restart", s.restart, non_negative, "Absent: the profile's.");
  v("replace", s.replace, fraction, "Share of these failures that cost the nodes of the scope.");
  v("repair", s.repair, anything, "Until such nodes, or slow parts, are whole again.");
}
template <class V> void fields(V& v, LemonSpec& s) {
  v("share", s.share, required(fraction), "Share of nodes.");
  v("factor", s.factor, Rule{.low = 1, .high = 1e4},
    "Failures of one relative to a healthy node. Rates of classes are means over both.");
  v("evict_after", s.evict_after, non_negative,
    "Failures after which one is known and exchanged for good; 0: never.");
}
template <class V> void fields(V& v, RecoverySpec& s) {
  v("spares", s.spares, Rule{.low = 0, .high = 1048576},
    "Nodes of the cluster that are set aside; the layout runs on the others.");
  v("swap", s.swap, non_negative, "Time to put a spare in place.");
  v("spare_failures", s.spare_failures, Rule{.low = 0, .high = 0.99},
    "Share of spares that turn out broken when they are put in place: another swap.");
  v("replacement", s.replacement, non_negative,
    "Time to get a node from outside the cluster; absent: there are none.");
  v("crews", s.crews, Rule{.low = 0, .high = 1048576}, "Repairs at a time; 0: any number.");
  v("elastic", s.elastic, anything,
    "Without spares, go on with fewer replicas until the nodes are repaired.");
  v("evict_below", s.evict_below, fraction,
    "Nodes with a part below this speed are exchanged once noticed; 0: never.");
}
template <class V> void fields(V& v, MaintenanceSpec& s) {
  v("every", s.every, required(positive), "Between two planned stops.");
  v("duration", s.duration, required(non_negative), "Of each; restart and loading come on top.");
}
template <class V> void fields(V& v, ReliabilitySpec& s) {
  v("title", s.title, required(), "Name for people.");
  v("measured_on", s.measured_on, anything,
    "Accelerators whose failures these are; on others the profile is a weak input.");
  v("failures", s.failures, non_negative, "Failures per GPU and time of causes without a class.");
  v("job_failures", s.job_failures, non_negative,
    "Failures of the job per time, whatever its size.");
  v("classes", s.classes, anything, "Classes of failures by name.");
  v("detection", s.detection, non_negative, "From the failure until it is noticed.");
  v("restart", s.restart, non_negative, "From notice until training can load its checkpoint.");
  v("recovery", s.recovery, anything, "How the job goes on.");
  v("maintenance", s.maintenance, anything, "Planned stops.");
  v("lemons", s.lemons, anything, "Nodes that fail oftener than others; absent: all are alike.");
  v("rack_nodes", s.rack_nodes, at_least_one, "Nodes of a rack.");
  v("power_domain_nodes", s.power_domain_nodes, at_least_one, "Nodes behind one power feed.");
}
template <class V> void fields(V& v, MemoryTierSpec& s) {
  v("every_steps", s.every_steps, at_least_one, "Steps between copies.");
}
template <class V> void fields(V& v, CheckpointSpec& s) {
  v("interval", s.interval, positive, "Between checkpoints; auto: by `interval_rule`.");
  v("interval_rule", s.interval_rule, anything,
    "daly: his higher-order estimate; young: sqrt(2 d M); optimise: the true optimum, in whole "
    "steps.");
  v("mode", s.mode, anything,
    "Synchronous stops the step until storage has it; asynchronous only until host memory has it.");
  v("storage_bandwidth", s.storage_bandwidth, positive, "Of the whole cluster.");
  v("bytes_per_parameter", s.bytes_per_parameter, positive,
    "Saved state; auto: master weights, moments and working weights of the stack.");
  v("write_failures", s.write_failures, Rule{.low = 0, .high = 0.99},
    "Share of checkpoints that storage does not get.");
  v("keep", s.keep, non_negative,
    "Checkpoints kept: a rollback cannot go back beyond them; 0: all.");
  v("memory", s.memory, anything,
    "Copies in the memory of other nodes, for failures of a node or of software.");
}

} // namespace sim::reliability

namespace sim {
inline namespace base {
template <> struct EnumNames<reliability::CheckpointMode> {
  static constexpr std::array names{
      std::pair{reliability::CheckpointMode::Synchronous, std::string_view{"synchronous"}},
      std::pair{reliability::CheckpointMode::Asynchronous, std::string_view{"asynchronous"}}};
};
template <> struct EnumNames<reliability::IntervalRule> {
  static constexpr std::array names{
      std::pair{reliability::IntervalRule::Daly, std::string_view{"daly"}},
      std::pair{reliability::IntervalRule::Young, std::string_view{"young"}},
      std::pair{reliability::IntervalRule::Optimise, std::string_view{"optimise"}}};
};
template <> struct EnumNames<reliability::Component> {
  static constexpr std::array names{
      std::pair{reliability::Component::Gpu, std::string_view{"gpu"}},
      std::pair{reliability::Component::Nic, std::string_view{"nic"}},
      std::pair{reliability::Component::Link, std::string_view{"link"}},
      std::pair{reliability::Component::Switch, std::string_view{"switch"}},
      std::pair{reliability::Component::Node, std::string_view{"node"}},
      std::pair{reliability::Component::Rack, std::string_view{"rack"}},
      std::pair{reliability::Component::PowerDomain, std::string_view{"power-domain"}},
      std::pair{reliability::Component::Job, std::string_view{"job"}}};
};
template <> struct EnumNames<reliability::Scope> {
  static constexpr std::array names{
      std::pair{reliability::Scope::None, std::string_view{"none"}},
      std::pair{reliability::Scope::Node, std::string_view{"node"}},
      std::pair{reliability::Scope::Leaf, std::string_view{"leaf"}},
      std::pair{reliability::Scope::Rack, std::string_view{"rack"}},
      std::pair{reliability::Scope::PowerDomain, std::string_view{"power-domain"}}};
};
template <> struct EnumNames<reliability::Effect> {
  static constexpr std::array names{
      std::pair{reliability::Effect::Stop, std::string_view{"stop"}},
      std::pair{reliability::Effect::Slow, std::string_view{"slow"}},
      std::pair{reliability::Effect::Corrupt, std::string_view{"corrupt"}}};
};
template <> struct EnumNames<reliability::RepairLaw> {
  static constexpr std::array names{
      std::pair{reliability::RepairLaw::Constant, std::string_view{"constant"}},
      std::pair{reliability::RepairLaw::Exponential, std::string_view{"exponential"}},
      std::pair{reliability::RepairLaw::Lognormal, std::string_view{"lognormal"}}};
};
template <> inline constexpr std::string_view shorthand_key<reliability::RepairSpec> = "time";
template <>
inline constexpr std::string_view catalogue_kind<reliability::ReliabilitySpec> = "reliability";
} // namespace base
} // namespace sim
