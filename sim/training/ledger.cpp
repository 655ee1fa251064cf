// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/training/result.hpp"

#include <algorithm>
#include <array>

namespace sim::training {
namespace {

using execution::categories;

constexpr double resolution =
    4503599627370496.0; // 2^52: shares as integers, without loss that a nanosecond could see

// Shares of the whole as integers; what rounding leaves below zero is nothing.
std::array<GpuNanoseconds, categories> weights_of(const execution::Breakdown& shares) {
  double total = 0;
  for (const Seconds share : shares.time)
    total += std::max(0.0, share.base());
  SIM_ASSERT(total > 0);
  std::array<GpuNanoseconds, categories> weights{};
  for (std::size_t i = 0; i < categories; ++i) {
    SIM_ASSERT(shares.time[i].base() > -1e-6 * total);
    weights[i] = static_cast<GpuNanoseconds>(
        std::max(0.0, shares.time[i].base()) / total * resolution + 0.5);
  }
  return weights;
}

} // namespace

// Largest remainder: each category gets the whole part of its share, and what is left goes one by
// one to the largest remainders, the first of equal ones first. With whole = q * sum + r, whole * w
// / sum = q * w + r * w / sum stays within 128 bits.
void Ledger::charge(RunTime span, std::int64_t gpus, const execution::Breakdown& shares) {
  SIM_ASSERT(span.nanoseconds >= 0 && gpus >= 0);
  const GpuNanoseconds whole = GpuNanoseconds{span.nanoseconds} * gpus;
  if (whole == 0)
    return;
  const auto weights = weights_of(shares);
  GpuNanoseconds sum = 0;
  for (const GpuNanoseconds weight : weights)
    sum += weight;
  const GpuNanoseconds quotient = whole / sum, rest = whole % sum;
  std::array<std::pair<GpuNanoseconds, std::size_t>, categories> remainders{};
  GpuNanoseconds left = whole;
  for (std::size_t i = 0; i < categories; ++i) {
    const GpuNanoseconds share = quotient * weights[i] + rest * weights[i] / sum;
    remainders[i] = {rest * weights[i] % sum, i};
    charged[i] += share;
    left -= share;
  }
  std::sort(remainders.begin(), remainders.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  SIM_ASSERT(left >= 0 && left < static_cast<GpuNanoseconds>(categories));
  for (std::size_t i = 0; left > 0; ++i, --left)
    charged[remainders[i].second] += 1;
}

void Ledger::charge(RunTime span, std::int64_t gpus, execution::Category category) {
  SIM_ASSERT(span.nanoseconds >= 0 && gpus >= 0);
  charge(GpuNanoseconds{span.nanoseconds} * gpus, category);
}

void Ledger::charge(GpuNanoseconds time, execution::Category category) {
  SIM_ASSERT(time >= 0);
  charged[static_cast<std::size_t>(category)] += time;
}

GpuNanoseconds Ledger::total() const {
  GpuNanoseconds sum = 0;
  for (const GpuNanoseconds part : charged)
    sum += part;
  return sum;
}

Ledger& Ledger::operator+=(const Ledger& other) {
  for (std::size_t i = 0; i < categories; ++i)
    charged[i] += other.charged[i];
  return *this;
}

} // namespace sim::training
