// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/trace.hpp"

#include "setting.hpp"
#include "sim/execution/step.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace sim;
using namespace sim::execution;

namespace {

struct Traced {
  StepTrace trace;
  StepResult step;
  std::size_t passes_per_stage = 0;
};

// Tensor over 4 GPUs, two stages, four micro-batches, two replicas.
Traced traced(Detail detail) {
  const hardware::PoolSpec pool =
      tests::pool_of(2, 400 * gigabyte / second, 25 * gigabyte / second, 80 * gigabyte);
  plan::StackSpec stack;
  StepSimulator simulator(pool, tests::dense_model(), stack, {detail, false});
  StepSimulator::Request request;
  request.layout.tensor = 4;
  request.layout.pipeline = 2;
  request.layout.data = 2;
  request.sequence_length = 4096;
  request.batch = 8;
  return {simulator.trace(request), simulator.step(request), 2 * 4};
}

Bytes moved(const StepTrace& trace, hardware::LinkKind kind) {
  Bytes sum{};
  for (const StepTrace::Traffic& traffic : trace.traffic)
    if (trace.trunks[traffic.trunk].kind == kind)
      sum += traffic.bytes;
  return sum;
}

} // namespace

TEST_CASE("a trace holds every pass once, in turn, and lasts as long as the step") {
  for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
    const Traced t = traced(detail);
    Seconds end{};
    std::map<std::uint32_t, std::vector<StepTrace::Span>> passes;
    for (const StepTrace::Span& span : t.trace.spans) {
      CHECK(span.begin <= span.end);
      end = std::max(end, span.end);
      if (span.what == StepTrace::What::Pass)
        passes[span.track].push_back(span);
    }
    double gpus = 0;
    for (const StepTrace::Track& track : t.trace.tracks)
      gpus += track.gpus;
    CHECK(gpus == Approx(16));
    REQUIRE(passes.size() == t.trace.tracks.size());
    for (const auto& [track, spans] : passes) {
      CHECK(spans.size() == t.passes_per_stage);
      for (std::size_t i = 1; i < spans.size(); ++i)
        CHECK(spans[i - 1].end <= spans[i].begin);
    }
    CHECK(end / second == Approx(t.step.duration / second).epsilon(1e-12)); // no jitter
  }
}

TEST_CASE("kernels lie within the passes of their track") {
  const Traced t = traced(Detail::Kernel);
  std::size_t kernels = 0;
  for (const StepTrace::Span& kernel : t.trace.spans) {
    if (kernel.what != StepTrace::What::Kernel)
      continue;
    ++kernels;
    CHECK_FALSE(kernel.kernel.empty());
    CHECK(std::any_of(t.trace.spans.begin(), t.trace.spans.end(), [&](const StepTrace::Span& pass) {
      return pass.what == StepTrace::What::Pass && pass.track == kernel.track &&
             pass.begin <= kernel.begin && kernel.end <= pass.end;
    }));
  }
  CHECK(kernels > 2 * 8 * 4); // stages, passes, layers of a stage
}

TEST_CASE("links carry the same bytes whether passes or kernels are played") {
  const Traced passes = traced(Detail::Pass), kernels = traced(Detail::Kernel);
  for (const auto kind : {hardware::LinkKind::ScaleUp, hardware::LinkKind::Nic}) {
    const double expected = moved(kernels.trace, kind) / byte;
    CHECK(expected > 0);
    CHECK(moved(passes.trace, kind) / byte == Approx(expected).epsilon(1e-9));
  }
}
