// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/random_layout.hpp"

#include <algorithm>

namespace sim::swarm {
namespace {

bool needs_more_sharding(const Model& model, const Machine& machine, const Layout& layout) {
  const double shards =
      double(layout.tensor * layout.pipeline) * (model.routed > 0 ? double(layout.expert) : 1);
  return model.parameters * 6 / shards > machine.memory / 2;
}

// The largest power of two below `most` that divides both.
std::int64_t common_power(std::int64_t a, std::int64_t b, std::int64_t most) {
  std::int64_t power = 1;
  while (2 * power <= most && a % (2 * power) == 0 && b % (2 * power) == 0)
    power *= 2;
  return power;
}

void choose_degrees(Choices& choices, const Model& model, const Machine& machine, Layout& layout) {
  const std::int64_t gpus = machine.gpus();
  const std::int64_t most_tensor = common_power(machine.accelerators, model.heads, 8);
  while (layout.tensor < most_tensor &&
         (choices.chance(30) || needs_more_sharding(model, machine, layout)))
    layout.tensor *= 2;
  while (2 * layout.pipeline <= model.layers && gpus % (layout.tensor * layout.pipeline * 2) == 0 &&
         (choices.chance(30) || needs_more_sharding(model, machine, layout)))
    layout.pipeline *= 2;
  if (choices.chance(15) && gpus % (layout.tensor * layout.pipeline * 2) == 0)
    layout.context = 2;
  layout.data = gpus / (layout.tensor * layout.pipeline * layout.context);
  if (model.routed > 0 && choices.chance(80))
    layout.expert =
        common_power(layout.data * layout.context, model.routed, choices.power_of_two(1, 6));
}

void choose_schedule(Choices& choices, const Model& model, Layout& layout) {
  if (layout.pipeline > 1 && choices.chance(30) && 2 * layout.pipeline <= model.layers)
    layout.virtual_stages = 2;
  else if (layout.pipeline > 1 && choices.chance(30))
    layout.dual_pipe = true;
  layout.micro_batch = choices.one_of({1, 1, 2});
}

void choose_sharding(Choices& choices, Layout& layout) {
  const int wanted = choices.one_of({0, 1, 1, 1, 2, 3, 3});
  const int zero_stage = layout.dual_pipe ? std::min(wanted, 1) : wanted;
  layout.tree["zero_stage"] = zero_stage;
  if (zero_stage > 0 && choices.chance(30))
    layout.tree["data_shard"] =
        layout.expert * common_power(layout.data * layout.context / layout.expert, 64, 8);
  if (zero_stage == 3 && choices.chance(30))
    layout.tree["reshard_after_forward"] = false;
}

} // namespace

std::int64_t Layout::batch(Choices& choices) const {
  const std::int64_t rounds = choices.between(1, 4);
  std::int64_t micro_batches = rounds;
  if (virtual_stages > 1)
    micro_batches = pipeline * choices.between(1, 2);
  if (dual_pipe)
    micro_batches = 2 * pipeline + 2 * choices.between(0, 2);
  return data * micro_batch * micro_batches;
}

Layout random_layout(Choices& choices, const Model& model, const Machine& machine) {
  Layout layout;
  choose_degrees(choices, model, machine, layout);
  choose_schedule(choices, model, layout);
  Tree& tree = layout.tree;
  tree["tensor"] = layout.tensor;
  tree["pipeline"] = layout.pipeline;
  if (layout.context > 1)
    tree["context"] = layout.context;
  if (layout.expert > 1)
    tree["expert"] = layout.expert;
  if (choices.chance(40))
    tree["data"] = layout.data;
  tree["micro_batch"] = layout.micro_batch;
  choose_sharding(choices, layout);
  if (layout.virtual_stages > 1)
    tree["virtual_stages"] = layout.virtual_stages;
  if (layout.dual_pipe)
    tree["schedule"] = "dualpipe";
  if (choices.chance(20))
    tree["sequence_parallel"] = false;
  if (layout.context == 1 && choices.chance(30))
    tree["rank_order"] = "tensor-context-pipeline-data";
  return layout;
}

} // namespace sim::swarm
