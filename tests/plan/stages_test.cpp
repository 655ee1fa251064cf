// SPDX-License-Identifier: Apache-2.0
#include "sim/base/random.hpp"
#include "sim/plan/layout.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <numeric>

using namespace sim;
using namespace sim::plan;

namespace {

constexpr double sequence_length = 2048;

workload::ModelSpec random_model(RandomStream& random, int layers) {
  workload::ModelSpec model;
  model.layers = layers;
  model.hidden = static_cast<int>(256 * (1 + random.below(4)));
  model.attention.heads = 8;
  model.attention.head_dim = 32;
  model.inner = static_cast<int>(512 * (1 + random.below(8)));
  model.vocabulary = static_cast<int>(1000 * (1 + random.below(100)));
  if (random.below(2) == 1) {
    model.experts = workload::ExpertsSpec{8, 1, 2, 512, 0};
    model.dense_layers = static_cast<int>(random.below(static_cast<std::uint64_t>(layers)) + 1);
  }
  return model;
}

double flops_of(const workload::ModelSpec& model, workload::LayerKind kind) {
  workload::Shard shard;
  shard.sequence_length = sequence_length;
  const workload::LayerOperators layer = workload::layer_operators(model, kind, shard);
  double sum = 0;
  for (const auto* part :
       {&layer.attention, &layer.router, &layer.experts, &layer.shared, &layer.feed_forward})
    sum += workload::forward_flops(*part).causal / flop;
  return sum;
}

double head_flops(const workload::ModelSpec& model) {
  workload::Shard shard;
  shard.sequence_length = sequence_length;
  return workload::forward_flops(workload::head_operators(model, shard)).causal / flop;
}

// The largest chunk of the best cut, by trying all of them: `units` from `from` on into `chunks`.
double least_largest(const std::vector<double>& units, std::size_t from, int chunks) {
  if (chunks == 1)
    return std::accumulate(units.begin() + static_cast<std::ptrdiff_t>(from), units.end(), 0.0);
  double best = std::numeric_limits<double>::infinity(), first = 0;
  for (std::size_t end = from + 1; end + static_cast<std::size_t>(chunks) - 1 <= units.size();
       ++end) {
    first += units[end - 1];
    best = std::min(best, std::max(first, least_largest(units, end, chunks - 1)));
  }
  return best;
}

} // namespace

TEST_CASE("the largest chunk of the cut is as small as that of any cut") {
  RandomStream random(1, "tests/stages");
  for (int round = 0; round < 200; ++round) {
    const int layers = static_cast<int>(2 + random.below(9));
    const workload::ModelSpec model = random_model(random, layers);
    ParallelismSpec layout;
    layout.pipeline =
        static_cast<int>(1 + random.below(static_cast<std::uint64_t>(std::min(5, layers))));
    const double dense = flops_of(model, workload::LayerKind::Dense);
    const double experts = model.experts ? flops_of(model, workload::LayerKind::Experts) : 0;
    std::vector<double> units{0.0}; // the embedding
    for (int layer = 0; layer < layers; ++layer)
      units.push_back(workload::layer_kind(model, layer) == workload::LayerKind::Dense ? dense
                                                                                       : experts);
    units.push_back(head_flops(model));
    double largest = 0;
    int placed = 0;
    for (const StageChunk& chunk : chunks_of(model, layout, sequence_length)) {
      largest = std::max(largest, chunk.dense_layers * dense + chunk.expert_layers * experts +
                                      (chunk.head ? units.back() : 0));
      placed += chunk.layers();
    }
    CHECK(placed == layers);
    if (layers % layout.pipeline != 0)
      CHECK(largest / least_largest(units, 0, layout.pipeline) == Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("every chunk gets the same number of layers where that goes") {
  RandomStream random(3, "tests/stages");
  for (int round = 0; round < 50; ++round) {
    ParallelismSpec layout;
    layout.pipeline = static_cast<int>(1 + random.below(5));
    layout.virtual_stages = layout.pipeline > 1 ? static_cast<int>(1 + random.below(3)) : 1;
    const int chunks = layout.pipeline * layout.virtual_stages;
    const int each = static_cast<int>(1 + random.below(4));
    const std::vector<StageChunk> cut =
        chunks_of(random_model(random, chunks * each), layout, sequence_length);
    REQUIRE(cut.size() == static_cast<std::size_t>(chunks));
    for (const StageChunk& chunk : cut) {
      CHECK(chunk.layers() == each);
      CHECK(chunk.embedding == (&chunk == &cut.front()));
      CHECK(chunk.head == (&chunk == &cut.back()));
    }
  }
}

TEST_CASE("the deepest model is cut as evenly as its layers can be") {
  RandomStream random(2, "tests/stages");
  workload::ModelSpec model = random_model(random, 1023);
  model.experts.reset();
  model.dense_layers = 0;
  ParallelismSpec layout;
  layout.pipeline = 64;
  layout.virtual_stages = 8;
  const std::vector<StageChunk> chunks = chunks_of(model, layout, sequence_length);
  REQUIRE(chunks.size() == 512);
  int most = 0;
  for (const StageChunk& chunk : chunks)
    most = std::max(most, chunk.layers());
  // 1,023 layers leave no chunk of its own for the head unless some hold three.
  CHECK(most == 3);
}

TEST_CASE("layers that are given for each stage lie there, in the order of the model") {
  RandomStream random(3, "tests/stages");
  for (int round = 0; round < 100; ++round) {
    ParallelismSpec layout;
    layout.pipeline = static_cast<int>(2 + random.below(4));
    layout.virtual_stages = static_cast<int>(1 + random.below(2));
    int layers = 0;
    for (int i = 0; i < layout.pipeline * layout.virtual_stages; ++i) {
      const bool end = i == 0 || i + 1 == layout.pipeline * layout.virtual_stages;
      layout.layers_per_stage.push_back(static_cast<int>(random.below(4)) + (end ? 0 : 1));
      layers += layout.layers_per_stage.back();
    }
    workload::ModelSpec model = random_model(random, std::max(1, layers));
    model.dense_layers = std::min(model.dense_layers, layers);
    if (layers == 0)
      continue;
    const std::vector<StageChunk> chunks = chunks_of(model, layout, sequence_length);
    REQUIRE(chunks.size() == layout.layers_per_stage.size());
    int first = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      CHECK(chunks[i].layers() == layout.layers_per_stage[i]);
      CHECK(chunks[i].embedding == (i == 0));
      CHECK(chunks[i].head == (i + 1 == chunks.size()));
      int dense = 0;
      for (int layer = first; layer < first + chunks[i].layers(); ++layer)
        dense += workload::layer_kind(model, layer) == workload::LayerKind::Dense ? 1 : 0;
      CHECK(chunks[i].dense_layers == dense);
      first += chunks[i].layers();
    }
  }
}

TEST_CASE("layers in 16 bit are the first and the last of the model, wherever stages are cut") {
  RandomStream random(4, "tests/stages");
  for (int round = 0; round < 100; ++round) {
    const int layers = static_cast<int>(4 + random.below(20));
    const workload::ModelSpec model = random_model(random, layers);
    StackSpec stack;
    stack.precision.bf16_layers_at_start =
        static_cast<int>(random.below(static_cast<std::uint64_t>(layers)));
    stack.precision.bf16_layers_at_end = static_cast<int>(
        random.below(static_cast<std::uint64_t>(layers - stack.precision.bf16_layers_at_start)));
    StepSetting setting;
    setting.model = &model;
    setting.stack = &stack;
    setting.sequence_length = sequence_length;
    setting.layout.pipeline = static_cast<int>(1 + random.below(4));
    int at = 0;
    for (const StageChunk& chunk : chunks_of(setting)) {
      int wide_dense = 0;
      for (int layer = 0; layer < chunk.layers(); ++layer, ++at) {
        const bool wide = at < stack.precision.bf16_layers_at_start ||
                          at >= layers - stack.precision.bf16_layers_at_end;
        CHECK(chunk.wide(layer) == wide);
        wide_dense += wide && layer < chunk.dense_layers ? 1 : 0;
      }
      CHECK(chunk.wide_dense_layers() == wide_dense);
      CHECK_FALSE(chunk.wide(std::numeric_limits<int>::max())); // a prediction module
    }
  }
}
