// SPDX-License-Identifier: Apache-2.0
// The causes that GPU time is charged to. At each moment a GPU is charged to exactly one: compute
// running is productive (what neighbours slow it down is interference); else communication running
// is exposed, by dimension in the order below; else waiting, charged to what releases it. Work that
// a failure throws away is never productive.
#pragma once

#include "sim/base/quantity.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace sim::execution {

enum class Category : std::size_t {
  Productive,    // kernels of the model, optimizer included
  Recomputation, // activations computed again in the backward pass
  Interference,  // slow-down of kernels by communication beside them
  ExposedTensor,
  ExposedExpert,
  ExposedContext,
  ExposedPipeline,
  ExposedData,
  Bubble,          // waiting for another pipeline stage
  Straggler,       // waiting for a slower member of a team, or for the slowest rank through jitter
  Launch,          // the host has not launched what could run
  Synchronisation, // host work per step that nothing hides
  Generation,      // decoding and prefill: productive work of a rollout or inference
  RolloutTail,     // fewer than a tenth of the sequence slots busy
  Discarded,       // responses generated and not trained on
  AwaitingRollout, // trainers without responses
  AwaitingUpdate,  // rollout workers without newer weights
  AwaitingReward,  // the last rewards of a rollout are not known yet
  Transfer,        // offload, reload, weight synchronisation
  Evaluation,      // forward passes over held-out sequences
  Checkpoint,      // stalls for saving
  LostWork,        // done, then lost by a failure
  Detection,       // from a failure until it is noticed
  Recovery,        // exchange of nodes, restart, loading
  Repair,          // waiting for nodes, nodes in repair, what a shrunk job lacks
  Degradation,     // slow parts of a job that goes on
  Maintenance,     // planned stops
  Spare,           // nodes set aside that nobody needs
  Idle,            // nodes that are there, and that no layout runs on yet or nobody asks
};
inline constexpr std::size_t categories = 29;

std::string_view name_of(Category category); // "exposed-expert"

// Time by category; the sum is the whole.
struct Breakdown {
  std::array<Seconds, categories> time{};
  Seconds& operator[](Category c) { return time[static_cast<std::size_t>(c)]; }
  Seconds operator[](Category c) const { return time[static_cast<std::size_t>(c)]; }
  [[nodiscard]] Seconds total() const {
    Seconds sum{};
    for (const Seconds t : time)
      sum += t;
    return sum;
  }
  Breakdown& operator+=(const Breakdown& o) {
    for (std::size_t i = 0; i < categories; ++i)
      time[i] += o.time[i];
    return *this;
  }
  Breakdown& operator*=(double factor) {
    for (Seconds& t : time)
      t *= factor;
    return *this;
  }
};

} // namespace sim::execution
