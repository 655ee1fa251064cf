// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per call of our elementary functions, each beside the C library's.
#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace {

std::vector<double> arguments(double low, double high) {
  sim::RandomStream draws(1, "benchmark");
  std::vector<double> values(4096);
  for (double& value : values)
    value = low + (high - low) * draws.uniform();
  return values;
}

// Independent calls, so that a pipelined processor overlaps them.
template <class Function>
void per_call(benchmark::State& state, Function function, double low, double high) {
  const std::vector<double> values = arguments(low, high);
  for (auto _ : state)
    for (const double value : values)
      benchmark::DoNotOptimize(function(value));
  state.counters["per call"] =
      benchmark::Counter(double(state.iterations()) * double(values.size()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

constexpr double exponent = 2.37;

void exp_ours(benchmark::State& state) { per_call(state, sim::portable_exp, -20, 20); }
void exp_library(benchmark::State& state) {
  per_call(
      state, [](double x) { return std::exp(x); }, -20, 20);
}
void log_ours(benchmark::State& state) { per_call(state, sim::portable_log, 1e-3, 1e3); }
void log_library(benchmark::State& state) {
  per_call(
      state, [](double x) { return std::log(x); }, 1e-3, 1e3);
}
void pow_ours(benchmark::State& state) {
  per_call(
      state, [](double x) { return sim::portable_pow(x, exponent); }, 1e-2, 1e2);
}
void pow_library(benchmark::State& state) {
  per_call(
      state, [](double x) { return std::pow(x, exponent); }, 1e-2, 1e2);
}
void draw_exponential(benchmark::State& state) {
  sim::RandomStream stream(1, "benchmark");
  for (auto _ : state)
    benchmark::DoNotOptimize(stream.exponential());
}
void draw_normal(benchmark::State& state) {
  sim::RandomStream stream(1, "benchmark");
  for (auto _ : state)
    benchmark::DoNotOptimize(stream.normal());
}

BENCHMARK(exp_ours);
BENCHMARK(exp_library);
BENCHMARK(log_ours);
BENCHMARK(log_library);
BENCHMARK(pow_ours);
BENCHMARK(pow_library);
BENCHMARK(draw_exponential);
BENCHMARK(draw_normal);

} // namespace
