// SPDX-License-Identifier: Apache-2.0
// Closed estimate of a step's time, by which the layout search orders what it does not play
// (README.md). From the parts that the step itself is made of: kernels and collectives of one
// layer, of the embedding and of the head, at the times they take alone.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/plan/layout.hpp"
#include "sim/plan/pass.hpp"
#include "sim/plan/resident.hpp"

#include <map>
#include <tuple>
#include <vector>

namespace sim::execution {

// Estimates layouts of one setting; `planner` and what the setting points to must outlive it.
// Remembers what layouts share. Not for several threads at once.
class LayoutEstimate {
public:
  LayoutEstimate(const plan::StepSetting& setting, network::CollectivePlanner& planner)
      : setting_(setting), planner_(planner) {}

  // Without the wait for the slowest of many ranks. Requires a layout that plan::resolve()
  // returned; whether it fits in memory does not matter. Throws InfeasibleError: degrees that do
  // not divide the model ("parallelism..."), or what the chip cannot do.
  Seconds step(const plan::ParallelismSpec& layout);

private:
  // A chain of tasks without neighbours.
  struct ChainCost {
    Seconds critical{};   // the tasks that others wait for, one after another
    Seconds deferrable{}; // kernels that only the end of the pass waits for
    Seconds gaps{};       // of the critical path, without a kernel, once some are deferrable
    Seconds early_gaps{}; // the same before that
    Seconds scale_out{};  // the NIC is busy
    Seconds data{};       // shards of weights and gradients travel, beside the rest
  };
  // Layer, embedding or head for one micro-batch. `pair`: its forward beside its backward pass.
  struct PartCost {
    ChainCost forward, backward;
    Seconds pair{};
  };
  struct Parts {
    PartCost dense, experts, wide_dense, wide_experts, embedding, head;
    bool with_pairs = false;
  };
  // Chunk of the model for one micro-batch.
  struct ChunkCost {
    Seconds forward{}, backward{}, weight{}, pair{};
    Seconds forward_scale_out{}, backward_scale_out{};
    Seconds forward_data{}, backward_data{};
    [[nodiscard]] Seconds both() const { return forward + backward; }
  };
  // The model cut into chunks. Most chunks are alike: costs are computed for each kind once.
  struct Cut {
    std::vector<plan::StageChunk> kinds;
    std::vector<std::size_t> kind_of; // by chunk
    std::map<std::tuple<int, int>, std::vector<plan::ResidentParameters>>
        resident; // by kind, for degrees of tensor and expert parallelism
  };
  struct Trial { // one layout under estimate
    const plan::StepSetting& setting;
    plan::Groups groups;
    const Cut& cut;
    std::vector<ChunkCost> costs; // by kind
    const std::vector<plan::ResidentParameters>& resident;
    Seconds message{};
    [[nodiscard]] std::size_t chunks() const { return cut.kind_of.size(); }
    [[nodiscard]] const ChunkCost& chunk(std::size_t i) const { return costs[cut.kind_of[i]]; }
  };

  const Parts& parts_of(const plan::StepSetting& setting, const plan::Groups& groups);
  [[nodiscard]] ChainCost chain_cost(const plan::Chain& chain) const;
  [[nodiscard]] Seconds pair_time(const plan::Pass& pass) const;
  [[nodiscard]] ChunkCost chunk_cost(const plan::StageChunk& chunk, const Parts& parts) const;
  void add_shards(const plan::StageChunk& chunk, const Parts& parts, ChunkCost& cost) const;
  Cut& cut_of(const plan::ParallelismSpec& layout);
  const std::vector<plan::ResidentParameters>& resident_of(Cut& cut,
                                                           const plan::ParallelismSpec& layout);
  Seconds message_time(const plan::StepSetting& setting, const plan::Groups& groups);
  Seconds collective_time(network::CollectiveKind kind, Bytes size, network::Group group);
  static Seconds passes(const Trial& trial);
  static Seconds pace(const Trial& trial);
  static Seconds dual_pipe_time(const Trial& trial);
  [[nodiscard]] Seconds data_exchange(const Trial& trial) const;
  [[nodiscard]] Seconds tied_gradients(const Trial& trial) const;
  [[nodiscard]] Seconds gather_time(Bytes size, network::Group group) const;
  [[nodiscard]] Seconds optimizer_time(const Trial& trial, const plan::ResidentParameters& held,
                                       double layers) const;

  plan::StepSetting setting_;
  network::CollectivePlanner& planner_;
  std::map<std::tuple<int, int, int, int, int, int>, Parts> parts_;
  std::map<std::pair<int, std::vector<int>>, Cut> cuts_; // by chunks, layers given of each
};

} // namespace sim::execution
