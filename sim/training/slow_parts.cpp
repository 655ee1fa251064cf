// SPDX-License-Identifier: Apache-2.0
// What a slow part costs a step: the step is simulated with it. One state for each kind of part and
// severity; the slowest replica sets the pace where the replicas' gradients meet, so the slowest of
// several parts counts.
#include "sim/training/stage.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace sim::training {
namespace {

using reliability::Component;

// The pool with one such part, in its middle: neither the first nor the last pipeline stage.
hardware::PoolSpec with_slow_part(const hardware::PoolSpec& pool, Component component,
                                  double speed) {
  hardware::PoolSpec slow = pool;
  const int node = pool.nodes / 2, each = pool.node->accelerators;
  const auto slow_gpu = [&](int gpu) {
    for (const hardware::SlowGpuSpec& known : slow.slow_gpus)
      if (known.gpu == gpu)
        return; // slow already
    slow.slow_gpus.push_back({gpu, speed});
  };
  switch (component) {
  case Component::Gpu:
    slow_gpu(node * each);
    break;
  case Component::Node:
    for (int i = 0; i < each; ++i)
      slow_gpu(node * each + i);
    break;
  case Component::Nic:
  case Component::Link:
    if (pool.nodes > 1)
      slow.weak_links.push_back(
          {hardware::LinkKind::Nic, node * pool.node->nics, std::nullopt, speed});
    break;
  case Component::Switch:
    if (pool.nodes > 1)
      slow.weak_switches.push_back({hardware::SwitchTier::Leaf, 0, speed});
    break;
  case Component::Rack:
  case Component::PowerDomain:
  case Component::Job:
    break;
  }
  return slow;
}

} // namespace

void measure_slow_parts(StageContext& context, PreparedStage& prepared,
                        execution::StepSimulator::Request request) {
  request.layout = prepared.result.step.layout;
  std::map<std::pair<Component, double>, double> known;
  for (reliability::JobFailureClass& failure : prepared.job.classes) {
    const auto spec = context.input.reliability.classes.find(failure.name);
    if (failure.effect != reliability::Effect::Slow ||
        spec == context.input.reliability.classes.end())
      continue;
    const Component component = spec->second.component;
    if (component == Component::Rack || component == Component::PowerDomain ||
        component == Component::Job)
      continue; // all of it is slower
    const auto [state, unknown] = known.try_emplace({component, failure.part_speed}, 1.0);
    if (unknown) {
      const hardware::PoolSpec pool =
          with_slow_part(*context.pool.spec, component, failure.part_speed);
      execution::StepSimulator simulator(pool, context.input.model.spec, context.pool.stack,
                                         context.input.fidelity);
      const execution::StepResult& step = simulator.step(request);
      context.course.add(step.fingerprint);
      state->second = std::min(1.0, prepared.result.step.duration / step.duration);
    }
    failure.speed = state->second;
  }
}

} // namespace sim::training
