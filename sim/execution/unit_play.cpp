// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/unit_play.hpp"

#include <bit>
#include <string_view>

namespace sim::execution {
namespace {

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

// Notes whole numbers, switches and choices of a table of fields, and lists of whole numbers.
struct KeyWriter {
  std::vector<std::uint64_t>& key;
  template <class Rule>
  void operator()(std::string_view, const std::vector<int>& values, const Rule&, std::string_view) {
    key.push_back(values.size());
    for (const int value : values)
      key.push_back(static_cast<std::uint64_t>(value));
  }
  template <class Value, class Rule>
  void operator()(std::string_view, const Value& value, const Rule&, std::string_view) {
    key.push_back(static_cast<std::uint64_t>(value));
  }
};

} // namespace

UnitScripts::UnitScripts(const plan::StepSetting& setting, network::CollectivePlanner& planner)
    : setting_(setting), builder_(setting_, {}, planner) {}

int UnitScripts::number_of(const plan::StageChunk& chunk) { return builder_.number_of(chunk); }

const OwnScript& UnitScripts::script(const plan::PassKey& numbered, double speed, bool fused) {
  const auto known = scripts_.find({numbered, speed, fused});
  if (known != scripts_.end())
    return known->second;
  const plan::Pass pass = builder_.build(numbered); // serves both: most passes are asked for so
  for (const bool joined : {false, true}) {
    OwnScript& own = scripts_[{numbered, speed, joined}];
    own.script = compile(pass, setting_.accelerator(), speed, joined, own.patterns);
  }
  return scripts_.at({numbered, speed, fused});
}

// All keys of a layout but those that a pass does not see.
std::vector<std::uint64_t> PlayMemory::unit_key(const plan::StepSetting& setting) {
  const plan::ParallelismSpec& given = setting.layout;
  const plan::Groups groups = plan::groups_of(given, setting.gpus());
  plan::ParallelismSpec layout = given;
  layout.pipeline = layout.virtual_stages = 1;
  layout.schedule = {};
  layout.rank_order = {};
  layout.layers_per_stage.clear();
  layout.data = 0;
  std::vector<std::uint64_t> key;
  const auto add = [&key](auto value) { key.push_back(static_cast<std::uint64_t>(value)); };
  if (given.zero_stage >= 2) {
    for (const network::Group& group : {groups.shard, groups.expert_shard}) {
      add(group.size);
      add(group.stride);
    }
  } else {
    layout.zero_stage = layout.data_shard = 0;
  }
  KeyWriter writer{key};
  fields(writer, layout);
  for (const network::Group& group :
       {groups.tensor, groups.context, groups.expert, groups.expert_tensor}) {
    add(group.size);
    add(group.size > 1 ? group.stride : 0);
  }
  key.push_back(bits(setting.sequence_length));
  key.push_back(bits(setting.attended_length));
  add(setting.mode);
  return key;
}

UnitScripts& PlayMemory::unit_of(const plan::StepSetting& setting,
                                 const std::vector<std::uint64_t>& key) {
  std::unique_ptr<UnitScripts>& unit = units_[key];
  if (!unit)
    unit = std::make_unique<UnitScripts>(setting, cluster.planner);
  return *unit;
}

const std::vector<plan::StageChunk>& PlayMemory::cut(const plan::StepSetting& setting) {
  const auto [place, added] =
      cuts_.try_emplace({plan::chunk_count(setting.layout), setting.layout.layers_per_stage,
                         setting.sequence_length});
  if (added)
    place->second = plan::chunks_of(setting);
  return place->second;
}

Interior& PlayMemory::interior(std::vector<std::uint64_t> unit_key, std::uint64_t inside) {
  unit_key.push_back(inside);
  return interiors_[std::move(unit_key)];
}

} // namespace sim::execution
