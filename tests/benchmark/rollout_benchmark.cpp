// SPDX-License-Identifier: Apache-2.0
// One rollout of DeepSeek-R1-Zero: 8,192 responses of up to 32,768 tokens on 512 H800.
#include "sim/rollout/rollout.hpp"
#include "tests/rollout/setting.hpp"

#include <benchmark/benchmark.h>

namespace {

void simulate_rollout(benchmark::State& state) {
  sim::rollout::Case one;
  one.lengths.mean[0].tokens = 16000;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(one.rollout(state.range(0)));
}
BENCHMARK(simulate_rollout)->Arg(512)->Arg(8192)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

} // namespace
