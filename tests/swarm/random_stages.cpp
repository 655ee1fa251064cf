// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/random_stages.hpp"

#include <algorithm>

namespace sim::swarm {
namespace {

Tree point(const char* key, std::int64_t step, std::int64_t tokens) {
  Tree point;
  point[key] = step;
  point["tokens"] = tokens;
  return point;
}

Tree random_response(Choices& choices, std::int64_t longest) {
  Tree response;
  Tree& mean = response["mean"];
  mean.push(point("step", 0, longest / choices.between(2, 8)));
  if (choices.chance(30))
    mean.push(point("step", 40, longest / 2));
  Tree& cap = response["cap"];
  if (choices.chance(30))
    cap.push(point("until_step", 20, longest / 2));
  cap.push(point("until_step", 100, longest));
  if (choices.chance(50))
    response["sigma"] = choices.one_of({0.0, 0.3, 1.0});
  return response;
}

Tree random_decoding(Choices& choices, const Machine& machine) {
  Tree decoding;
  if (choices.chance(30))
    decoding["expert"] = machine.accelerators;
  if (choices.chance(30)) {
    decoding["drafts"] = choices.between(1, 3);
    decoding["acceptance"] = choices.one_of({0.0, 0.5, 0.85, 1.0});
  }
  if (!machine.narrow || choices.chance(30))
    decoding["weight_bytes"] = "2 B";
  if (choices.chance(30))
    decoding["all_to_all_floor"] = "30 us";
  if (choices.chance(30))
    decoding["kernel_floor"] = "50 us";
  return decoding;
}

void add_work(Choices& choices, Tree& stage, std::int64_t batch) {
  const std::int64_t steps = choices.one_of({1, 7, 300, 20000});
  if (choices.chance(50)) {
    stage["steps"] = steps;
    return;
  }
  const std::int64_t length = 1024; // whatever the sequences are: any number will do
  stage["tokens"] = double(steps) * double(batch) * double(length) * choices.one_of({1.0, 0.37});
}

void add_batch(Choices& choices, Tree& stage, std::int64_t batch) {
  if (!choices.chance(25) || batch < 4) {
    stage["batch"] = batch;
    return;
  }
  Tree& ramp = stage["batch"];
  ramp["start"] = batch / choices.between(2, 4);
  ramp["end"] = batch;
  ramp["ramp_tokens"] = double(batch) * 4096 * double(choices.between(1, 50));
  ramp["ramp_steps"] = choices.between(1, 4);
}

void add_reinforcement(Choices& choices, Tree& stage, const Machine& machine,
                       std::int64_t sequence_length) {
  std::int64_t longest = choices.one_of({512, 2048, 8192});
  if (choices.chance(90)) // else it may be refused
    longest = std::min(longest, sequence_length);
  stage["steps"] = choices.between(1, 120);
  Tree& loop = stage["reinforcement"];
  loop["outputs_per_rollout"] = choices.one_of({16, 128, 1000, 8192});
  loop["updates_per_rollout"] = choices.one_of({1, 3, 16});
  loop["prompt_tokens"] = choices.one_of({0, 150});
  loop["response"] = random_response(choices, longest);
  loop["decoding"] = random_decoding(choices, machine);
  if (choices.chance(30))
    loop["reference_model"] = false;
  if (choices.chance(30))
    loop["offload"] = false;
  if (choices.chance(40))
    loop["phase_overhead"] = "10 s";
}

void add_inference(Choices& choices, Tree& stage, const Machine& machine) {
  stage["tokens"] = double(choices.between(1, 1000)) * 1e6;
  Tree& load = stage["inference"];
  load["prompt_tokens"] = choices.one_of({0, 150, 2000});
  load["response"] = random_response(choices, choices.one_of({512, 4096}));
  load["decoding"] = random_decoding(choices, machine);
  if (choices.chance(20))
    load["batch_per_gpu"] = choices.between(1, 32);
}

} // namespace

Tree random_stage(Choices& choices, const std::string& name, const Machine& machine,
                  const std::optional<Layout>& layout) {
  Tree stage;
  stage["name"] = name;
  const std::uint64_t kind = choices.below(100);
  if (kind < 12) {
    stage["kind"] = "inference";
    add_inference(choices, stage, machine);
    return stage;
  }
  const std::int64_t batch =
      layout ? layout->batch(choices) : machine.gpus() * choices.power_of_two(0, 3);
  const std::int64_t sequence_length = choices.one_of({512, 1024, 2048, 4096, 8192});
  stage["sequence_length"] = sequence_length;
  if (kind < 24) {
    stage["kind"] = "rl";
    stage["batch"] = batch;
    add_reinforcement(choices, stage, machine, sequence_length);
    return stage;
  }
  add_batch(choices, stage, batch);
  if (kind < 40) {
    stage["kind"] = "sft";
    stage["samples"] = choices.one_of({100, 5000, 200000});
    stage["tokens_per_sample"] = choices.one_of({77.7, 512.0, 3000.0});
    stage["epochs"] = choices.one_of({1.0, 2.0, 0.5});
    return stage;
  }
  stage["kind"] = "pretraining";
  add_work(choices, stage, batch);
  return stage;
}

} // namespace sim::swarm
