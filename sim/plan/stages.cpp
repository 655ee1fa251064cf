// SPDX-License-Identifier: Apache-2.0
// Layers to pipeline stages: as the layout says; else the same number to each chunk where that goes
// (Megatron-LM's rule, megatron/core/transformer/transformer_block.py); else the contiguous cut
// whose largest stage is smallest; among those, the most even one (least sum of squares), by
// dynamic programming over (stages used, units placed).
#include "sim/plan/layout.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <limits>

namespace sim::plan {
namespace {

// What must stay together: embedding, one layer, or everything after the last layer.
std::vector<double> unit_costs(const workload::ModelSpec& model, double sequence_length) {
  workload::Shard shard;
  shard.sequence_length = sequence_length;
  const auto flops_of = [](const workload::LayerOperators& layer) {
    Flops sum{};
    for (const auto* part :
         {&layer.attention, &layer.router, &layer.experts, &layer.shared, &layer.feed_forward})
      sum += workload::forward_flops(*part).causal;
    return sum / flop;
  };
  const double dense =
      flops_of(workload::layer_operators(model, workload::LayerKind::Dense, shard));
  const double experts =
      model.experts
          ? flops_of(workload::layer_operators(model, workload::LayerKind::Experts, shard))
          : dense;
  std::vector<double> costs{0.0};
  for (int layer = 0; layer < model.layers; ++layer)
    costs.push_back(workload::layer_kind(model, layer) == workload::LayerKind::Dense ? dense
                                                                                     : experts);
  const double head = workload::forward_flops(workload::head_operators(model, shard)).causal / flop;
  const double projection =
      workload::forward_flops(workload::prediction_projection_operators(model, shard)).causal /
      flop;
  costs.push_back(head + model.multi_token_prediction * (experts + projection + head));
  return costs;
}

struct Cut {
  double largest = std::numeric_limits<double>::infinity(), squares = 0;
  int from = 0;
};

// Whether the units fill at most so many chunks when none may cost more than `most`.
bool fits(const std::vector<double>& costs, int chunks, double most) {
  int used = 1;
  double sum = 0;
  for (const double cost : costs) {
    if (cost > most)
      return false;
    if (sum + cost > most) {
      ++used;
      sum = 0;
    }
    sum += cost;
  }
  return used <= chunks;
}

// Barely more than the largest chunk of the best cut, by bisection: no longer chunk needs a look.
double bound_of(const std::vector<double>& costs, int chunks) {
  double low = 0, high = 0;
  for (const double cost : costs)
    high += cost;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (fits(costs, chunks, middle) ? high : low) = middle;
  }
  return high * (1 + 1e-6);
}

// Ends of the chunks: chunk i holds units [ends[i - 1], ends[i]).
std::vector<int> best_cut(const std::vector<double>& costs, int chunks) {
  const int units = static_cast<int>(costs.size());
  std::vector<double> prefix(costs.size() + 1, 0.0);
  for (std::size_t i = 0; i < costs.size(); ++i)
    prefix[i + 1] = prefix[i] + costs[i];
  const auto at = [units](int used, int placed) {
    return static_cast<std::size_t>(used) * static_cast<std::size_t>(units + 1) +
           static_cast<std::size_t>(placed);
  };
  std::vector<Cut> best(static_cast<std::size_t>(chunks + 1) * static_cast<std::size_t>(units + 1));
  best[at(0, 0)].largest = 0;
  const double bound = bound_of(costs, chunks);
  for (int used = 1; used <= chunks; ++used)
    for (int placed = used, first = used - 1; placed <= units - (chunks - used); ++placed) {
      const auto cost_from = [&](int from) {
        return prefix[static_cast<std::size_t>(placed)] - prefix[static_cast<std::size_t>(from)];
      };
      while (cost_from(first) > bound)
        ++first;
      for (int from = first; from < placed; ++from) {
        const Cut& before = best[at(used - 1, from)];
        const double cost = cost_from(from);
        const double largest = std::max(before.largest, cost);
        const double squares = before.squares + cost * cost;
        Cut& cut = best[at(used, placed)];
        if (largest < cut.largest || (largest == cut.largest && squares < cut.squares))
          cut = {largest, squares, from};
      }
    }
  std::vector<int> ends(static_cast<std::size_t>(chunks));
  int placed = units;
  for (int used = chunks; used > 0; --used) {
    ends[static_cast<std::size_t>(used - 1)] = placed;
    placed = best[at(used, placed)].from;
  }
  return ends;
}

// The same number of layers in each; the embedding goes with the first, the head with the last.
std::vector<int> equal_cut(int layers, int chunks) {
  std::vector<int> ends;
  for (int i = 1; i <= chunks; ++i)
    ends.push_back(1 + i * (layers / chunks) + (i == chunks ? 1 : 0));
  return ends;
}

// So many layers in each; embedding and head likewise.
std::vector<int> given_cut(const std::vector<int>& layers) {
  std::vector<int> ends;
  int end = 1;
  for (const int count : layers)
    ends.push_back(end += count);
  ++ends.back();
  return ends;
}

std::vector<int> cut_of(const workload::ModelSpec& model, const ParallelismSpec& layout,
                        const std::vector<double>& costs) {
  const int chunks = chunk_count(layout);
  if (!layout.layers_per_stage.empty())
    return given_cut(layout.layers_per_stage);
  return model.layers % chunks == 0 ? equal_cut(model.layers, chunks) : best_cut(costs, chunks);
}

} // namespace

std::vector<StageChunk> chunks_of(const workload::ModelSpec& model, const ParallelismSpec& layout,
                                  double sequence_length) {
  const std::vector<double> costs = unit_costs(model, sequence_length);
  const std::vector<int> ends = cut_of(model, layout, costs);
  std::vector<StageChunk> result(ends.size());
  int unit = 0;
  const int last_unit = static_cast<int>(costs.size()) - 1;
  for (std::size_t chunk = 0; chunk < result.size(); ++chunk)
    for (; unit < ends[chunk]; ++unit) {
      if (unit == 0) {
        result[chunk].embedding = true;
      } else if (unit == last_unit) {
        result[chunk].head = true;
        result[chunk].prediction_modules = model.multi_token_prediction;
      } else if (workload::layer_kind(model, unit - 1) == workload::LayerKind::Dense) {
        ++result[chunk].dense_layers;
      } else {
        ++result[chunk].expert_layers;
      }
    }
  return result;
}

std::vector<StageChunk> chunks_of(const StepSetting& setting) {
  std::vector<StageChunk> chunks =
      chunks_of(*setting.model, setting.layout, setting.sequence_length);
  const PrecisionSpec& precision = setting.stack->precision;
  const int first_narrow = precision.bf16_layers_at_start,
            end_narrow = setting.model->layers - precision.bf16_layers_at_end;
  int begin = 0; // of the chunk, in the model
  for (StageChunk& chunk : chunks) {
    const int layers = chunk.layers();
    chunk.wide_first = std::clamp(first_narrow - begin, 0, layers);
    chunk.wide_last = std::clamp(begin + layers - end_narrow, 0, layers - chunk.wide_first);
    begin += layers;
  }
  return chunks;
}

} // namespace sim::plan
