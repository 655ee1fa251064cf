// SPDX-License-Identifier: Apache-2.0
#include "sim/study/score_features.hpp"

#include "sim/base/quantity_text.hpp"

#include <cstdint>

namespace sim::study {

namespace {

std::string scale_of(std::int64_t gpus) {
  if (gpus <= 8)
    return "1 to 8 GPUs";
  if (gpus <= 64)
    return "9 to 64 GPUs";
  if (gpus <= 512)
    return "65 to 512 GPUs";
  return gpus <= 2048 ? "513 to 2,048 GPUs" : "2,049 GPUs and more";
}

std::string span_of(int tensor, int node) {
  if (tensor <= 1)
    return "none";
  return tensor <= node ? "within a node" : "across nodes";
}

std::string depth_of(int pipeline) {
  if (pipeline <= 2)
    return std::to_string(pipeline);
  if (pipeline <= 4)
    return "3 to 4";
  if (pipeline <= 8)
    return "5 to 8";
  return pipeline <= 16 ? "9 to 16" : "17 and more";
}

// The number that the text begins with, if any.
std::optional<double> leading_number(const std::string& text) {
  std::string digits;
  for (const char c : text.substr(0, text.find(' ')))
    if (c != ',')
      digits += c;
  return parse_number(digits);
}

} // namespace

std::string entry_name(const std::string& name, const std::string& title) {
  const std::string whole = name.substr(0, name.rfind(" (changed)"));
  return whole.empty() ? title : whole;
}

Features features_of(const scenario::Scenario& scenario) {
  Features features;
  if (scenario.stages.empty())
    return features;
  const training::StageSpec& stage = scenario.stages.front();
  const hardware::PoolSpec& pool = pool_named(scenario.cluster, stage.pool);
  const auto& chip = pool.node->accelerator;
  features.emplace_back("chip", entry_name(chip.name, chip->title));
  features.emplace_back("stack", entry_name(scenario.stack.name, scenario.stack->title));
  features.emplace_back("precision", std::string(name_of(scenario.stack->precision.gemm)));
  features.emplace_back("architecture", scenario.model->experts ? "mixture of experts" : "dense");
  features.emplace_back("sequence length", std::to_string(stage.sequence_length));
  features.emplace_back("scale", scale_of(std::int64_t{pool.nodes} * pool.node->accelerators));
  return features;
}

Features features_of(const Result& result) {
  Features features = features_of(result.scenario);
  if (features.empty() || result.run.stages.empty() ||
      result.run.stages.front().kind == training::StageKind::Inference)
    return features;
  const training::StageResult& stage = result.run.stages.front();
  const plan::ParallelismSpec& layout = stage.step.layout;
  const int node = pool_named(result.scenario.cluster, stage.pool).node->accelerators;
  features.emplace_back("tensor span", span_of(layout.tensor, node));
  features.emplace_back("pipeline depth", depth_of(layout.pipeline));
  features.emplace_back("micro-batch", std::to_string(layout.micro_batch));
  return features;
}

bool FeatureOrder::operator()(const std::string& a, const std::string& b) const {
  const std::optional<double> x = leading_number(a), y = leading_number(b);
  if (x && y && *x != *y)
    return *x < *y;
  return x.has_value() != y.has_value() ? x.has_value() : a < b;
}

} // namespace sim::study
