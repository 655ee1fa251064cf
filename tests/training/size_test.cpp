// SPDX-License-Identifier: Apache-2.0
#include "sim/training/size.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::training;

namespace {

execution::StepSimulator::Request request(int pipeline, int virtual_stages, std::int64_t batch) {
  execution::StepSimulator::Request request;
  request.layout.tensor = 2;
  request.layout.pipeline = pipeline;
  request.layout.virtual_stages = virtual_stages;
  request.layout.micro_batch = 2;
  request.batch = batch;
  return request;
}

RunInput cluster_of(int nodes, int accelerators) {
  RunInput input;
  input.cluster.main.nodes = nodes;
  input.cluster.main.node->accelerators = accelerators;
  return input;
}

} // namespace

TEST_CASE("passes are micro-batches x chunks x directions") {
  // 64 GPUs / (2 x 4) = 8 replicas; 160 sequences / (8 x 2) = 10 micro-batches; 4 x 3 chunks.
  execution::StepSimulator::Request step = request(4, 3, 160);
  CHECK(passes_in(step, 64) == 2 * 10 * 12);
  step.mode = plan::StepMode::ForwardOnly;
  CHECK(passes_in(step, 64) == 10 * 12);
  step.layout.data = 4; // as given, whatever the GPUs
  CHECK(passes_in(step, 64) == 20 * 12);
}

TEST_CASE("the largest degrees and batches there are overflow nothing") {
  execution::StepSimulator::Request step = request(1 << 20, 1 << 20, 1'000'000'000'000'000);
  step.layout.micro_batch = 1;
  step.layout.tensor = 1;
  CHECK(passes_in(step, 1 << 20) == 2e15 * 1048576.0 * 1048576.0);
  step.layout.tensor = 2; // more than the GPUs
  CHECK(passes_in(step, 1 << 20) == 0);
}

TEST_CASE("GPUs count over all pools") {
  CHECK_NOTHROW(require_bounded(cluster_of(1 << 17, 8)));
  CHECK_THROWS_AS(require_bounded(cluster_of((1 << 17) + 1, 8)), InfeasibleError);
  RunInput input;
  for (const char* name : {"a", "b"}) {
    input.cluster.pools[name].nodes = 1 << 16;
    input.cluster.pools[name].node->accelerators = 8;
  }
  CHECK_NOTHROW(require_bounded(input));
  input.cluster.pools["b"].nodes += 1;
  CHECK_THROWS_WITH(require_bounded(input),
                    Catch::Matchers::StartsWith("cluster.pools: limit: 1048576 GPUs, 1048584"));
}
