// SPDX-License-Identifier: Apache-2.0
// A scenario as a value: what the text says, checked key by key.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/economics/spec.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/plan/spec.hpp"
#include "sim/probe/spec.hpp"
#include "sim/reliability/spec.hpp"
#include "sim/training/spec.hpp"
#include "sim/workload/spec.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

enum class PublishedRole { HeldOut, Fitted, BackSolved };

// What was measured, to be printed beside the result.
struct PublishedSpec {
  std::string quantity; // path in the result: stages.pre-training.gpu_hours
  std::string value;    // with unit, "2664e3 GPU-hour"; plain number for counts and shares
  PublishedRole role = PublishedRole::HeldOut;
  std::string source;
};

struct AssertSpec {
  std::string quantity;
  std::optional<std::string> min, max; // with unit
};

// Where numbers of this file come from; `of` are key paths (a path covers what lies below it).
struct ProvenanceSpec {
  std::vector<std::string> of;
  std::string kind; // measured, datasheet, reported, derived, fitted, assumed
  std::string source;
};

struct Scenario {
  std::string name;
  std::string description;
  training::CalendarSpec calendar;
  hardware::ClusterSpec cluster;
  Named<workload::ModelSpec> model;
  Named<plan::StackSpec> stack;
  Auto<plan::ParallelismSpec> parallelism;
  std::vector<training::StageSpec> stages;
  std::vector<probe::ProbeSpec> probes;
  Named<reliability::ReliabilitySpec> reliability;
  reliability::CheckpointSpec checkpoint;
  economics::PriceSpec price;
  std::optional<economics::ExportControlsSpec> export_controls;
  economics::ScopeSpec scope;
  plan::PortSpec port;
  std::string builds_on; // path of another scenario, relative to this file
  std::vector<PublishedSpec> published;
  std::vector<AssertSpec> asserts;
  std::vector<ProvenanceSpec> provenance;
  // Of the catalogue, where the scenario asks for them: rules of export, with its own laid over,
  // and price lists by accelerator.
  economics::RuleBook rule_book;
  std::map<std::string, economics::PriceListSpec> price_lists;
};

template <class V> void fields(V& v, PublishedSpec& s) {
  v("quantity", s.quantity, required(), "Path in the result.");
  v("value", s.value, required(), "What was measured, with its unit.");
  v("role", s.role, required(), "held-out: evidence; fitted, back-solved: not.");
  v("source", s.source, required(), "Where it was published.");
}
template <class V> void fields(V& v, AssertSpec& s) {
  v("quantity", s.quantity, required(), "Path in the result.");
  v("min", s.min, anything, "Least value, with its unit.");
  v("max", s.max, anything, "Largest value, with its unit.");
}
template <class V> void fields(V& v, ProvenanceSpec& s) {
  v("of", s.of, required(), "Key paths of this file; a path covers what lies below it.");
  v("kind", s.kind, required(), "measured, datasheet, reported, derived, fitted or assumed.");
  v("source", s.source, anything, "Title, place, date; or how it was chosen.");
}
template <class V> void fields(V& v, Scenario& s) {
  v("name", s.name, required(), "Title of the run.");
  v("description", s.description, anything, "For people.");
  v("calendar", s.calendar, anything, "Dates.");
  v("cluster", s.cluster, required(), "The machines.");
  v("model", s.model, required(), "The model.");
  v("stack", s.stack, required(), "The training software.");
  v("parallelism", s.parallelism, anything, "Layout; auto: search for the fastest that fits.");
  v("stages", s.stages, required(), "What happens, in order.");
  v("reliability", s.reliability, anything, "Failures and recovery; absent: none.");
  v("checkpoint", s.checkpoint, anything, "Saving the state.");
  v("price", s.price, required(), "Prices.");
  v("export_controls", s.export_controls, anything,
    "Where the chips go to: what export rules say of them, beside the result.");
  v("scope", s.scope, anything, "What the dollars cover.");
  v("port", s.port, anything, "How to carry the run to hardware that lacks something.");
  v("builds_on", s.builds_on, anything,
    "Scenario of the run that this one starts from; not counted in the totals.");
  v("published", s.published, anything, "What was measured.");
  v("assert", s.asserts, anything, "Limits that make the run fail with exit code 1.");
  v("probes", s.probes, anything, "Single kernels and collectives to time on the same machines.");
  v("provenance", s.provenance, anything, "Where this file's numbers come from.");
}

} // namespace sim::scenario

namespace sim {
inline namespace base {
template <> struct EnumNames<scenario::PublishedRole> {
  static constexpr std::array names{
      std::pair{scenario::PublishedRole::HeldOut, std::string_view{"held-out"}},
      std::pair{scenario::PublishedRole::Fitted, std::string_view{"fitted"}},
      std::pair{scenario::PublishedRole::BackSolved, std::string_view{"back-solved"}}};
};
} // namespace base
} // namespace sim
