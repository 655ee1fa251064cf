// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/pass_player.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/network/play.hpp"

#include <algorithm>
#include <vector>

namespace sim::execution {
namespace {

using plan::CommunicationDimension;
using plan::PassTask;

constexpr std::size_t compute_stream =
    plan::communication_dimensions; // the other streams are the dimensions
constexpr std::size_t streams = compute_stream + 1;
// A collective's kernel reads what it sends and writes what it receives.
constexpr double memory_per_flow_byte = 2;

constexpr std::array exposed_category{Category::ExposedTensor, Category::ExposedExpert,
                                      Category::ExposedContext, Category::ExposedPipeline,
                                      Category::ExposedData};

// A task of the pass with what the play keeps about it.
struct Node {
  const PassTask* task = nullptr;
  int waiting_for = 0;
  std::uint64_t ready_order = 0;
  Seconds started{};
  double work = 0; // of a kernel: bytes, or 1 when it moves none
  network::CollectiveRun run;
};

double kernel_rate(const void* context, double free_sms) {
  const Node& node = *static_cast<const Node*>(context);
  return node.work / (node.task->kernel.demand.compute_on(std::max(1.0, free_sms)) / second);
}

class Play {
public:
  Play(const plan::Pass& pass, const hardware::AcceleratorSpec& accelerator,
       const network::LinkCapacities& capacities, engine::Engine& engine)
      : accelerator_(accelerator), engine_(engine) {
    engine_.clear();
    memory_ = engine_.add_resource(accelerator.memory_bandwidth / (byte / second));
    links_ = network::add_link_resources(engine_, capacities);
    sms_ = engine_.add_pool(accelerator.streaming_multiprocessors);
    collect(pass);
  }

  PassTiming run() {
    dispatch();
    while (!engine_.idle()) {
      const Seconds before = engine_.now();
      const auto running = running_;
      const auto ended = engine_.advance();
      account(running, engine_.now() - before);
      for (const std::uint32_t tag : ended)
        end_activity(tag);
      dispatch();
    }
    SIM_ASSERT(finished_ == nodes_.size());
    timing_.duration = engine_.now();
    for (std::size_t kind = 0; kind < links_.size(); ++kind)
      if (links_[kind])
        timing_.link_bytes[kind] = engine_.drawn(*links_[kind]) * byte;
    timing_.events = engine_.events();
    timing_.fingerprint = engine_.fingerprint();
    return timing_;
  }

private:
  void collect(const plan::Pass& pass) {
    std::size_t total = 0;
    for (const plan::Chain& chain : pass.chains)
      total += chain.size();
    nodes_.reserve(total);
    successors_.resize(total);
    for (const plan::Chain& chain : pass.chains) {
      const std::size_t first = nodes_.size();
      for (const PassTask& task : chain) {
        Node node;
        node.task = &task;
        for (const int after : task.after)
          if (after >= 0) {
            ++node.waiting_for;
            successors_[first + static_cast<std::size_t>(after)].push_back(
                static_cast<std::uint32_t>(nodes_.size()));
          }
        nodes_.push_back(node);
        if (node.waiting_for == 0)
          make_ready(nodes_.size() - 1);
      }
    }
  }

  static std::size_t stream_of(const PassTask& task) {
    return task.is_kernel ? compute_stream : static_cast<std::size_t>(task.dimension);
  }

  void make_ready(std::size_t index) {
    nodes_[index].ready_order = next_order_++;
    ready_[stream_of(*nodes_[index].task)].push_back(static_cast<std::uint32_t>(index));
  }

  // Critical tasks before background ones, then in the order in which they became ready.
  void dispatch() {
    bool progress = true;
    while (progress) {
      progress = false;
      for (std::size_t stream = 0; stream < streams; ++stream) {
        auto& queue = ready_[stream];
        if (running_[stream] || queue.empty())
          continue;
        const auto best =
            std::min_element(queue.begin(), queue.end(), [this](std::uint32_t a, std::uint32_t b) {
              const Node &x = nodes_[a], &y = nodes_[b];
              return std::pair(x.task->background, x.ready_order) <
                     std::pair(y.task->background, y.ready_order);
            });
        const std::uint32_t index = *best;
        queue.erase(best);
        progress = true;
        start(index, stream);
      }
    }
  }

  void start(std::uint32_t index, std::size_t stream) {
    Node& node = nodes_[index];
    node.started = engine_.now();
    if (!node.task->is_kernel) {
      node.run.collective = &node.task->collective;
      running_[stream] = true;
      continue_collective(index, stream);
      return;
    }
    const hardware::KernelDemand& demand = node.task->kernel.demand;
    if (demand.gap <= Seconds{} && demand.traffic <= Bytes{} && demand.compute <= Seconds{}) {
      finish(index);
      return;
    }
    running_[stream] = true;
    node.work = demand.traffic > Bytes{} ? demand.traffic / byte : 1;
    const engine::Draw draw{memory_, 1};
    engine::ActivitySpec spec;
    spec.latency = demand.gap;
    spec.work = demand.traffic > Bytes{} || demand.compute > Seconds{} ? node.work : 0;
    if (demand.compute > Seconds{})
      spec.curve = {kernel_rate, &node, sms_};
    if (demand.traffic > Bytes{})
      spec.draws = std::span(&draw, 1);
    spec.tag = index;
    engine_.start(spec);
  }

  void continue_collective(std::uint32_t index, std::size_t stream) {
    Node& node = nodes_[index];
    const network::KernelLoad load{sms_, static_cast<double>(node.task->held_sms), memory_,
                                   memory_per_flow_byte};
    if (!node.run.advance(engine_, links_, load, index)) {
      running_[stream] = false;
      finish(index);
    }
  }

  void end_activity(std::uint32_t index) {
    Node& node = nodes_[index];
    const std::size_t stream = stream_of(*node.task);
    if (!node.task->is_kernel) {
      if (--node.run.outstanding == 0)
        continue_collective(index, stream);
      return;
    }
    running_[stream] = false;
    const Seconds took = engine_.now() - node.started;
    const Seconds alone = std::min(
        took, node.task->kernel.demand.alone(accelerator_, accelerator_.streaming_multiprocessors));
    const bool again = node.task->kernel.role == plan::KernelRole::Recompute;
    timing_.breakdown[again ? Category::Recomputation : Category::Productive] += alone;
    timing_.breakdown[Category::Interference] += took - alone;
    timing_.executed += node.task->kernel.executed;
    finish(index);
  }

  void finish(std::uint32_t index) {
    ++finished_;
    for (const std::uint32_t successor : successors_[index])
      if (--nodes_[successor].waiting_for == 0)
        make_ready(successor);
  }

  // Time without a running kernel is exposed communication of the first running dimension, else
  // waiting.
  void account(const std::array<bool, streams>& running, Seconds span) {
    for (std::size_t d = 0; d < plan::communication_dimensions; ++d)
      if (running[d])
        timing_.communication[d] += span;
    if (running[compute_stream])
      return;
    for (std::size_t d = 0; d < plan::communication_dimensions; ++d)
      if (running[d]) {
        timing_.breakdown[exposed_category[d]] += span;
        return;
      }
    timing_.breakdown[Category::Bubble] += span;
  }

  const hardware::AcceleratorSpec& accelerator_;
  engine::Engine& engine_;
  engine::ResourceId memory_ = 0;
  network::LinkResources links_;
  engine::PoolId sms_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::vector<std::uint32_t>> successors_;
  std::array<std::vector<std::uint32_t>, streams> ready_;
  std::array<bool, streams> running_{};
  std::uint64_t next_order_ = 0;
  std::size_t finished_ = 0;
  PassTiming timing_;
};

} // namespace

PassPlayer::PassPlayer(const hardware::AcceleratorSpec& accelerator,
                       const network::LinkCapacities& capacities)
    : accelerator_(accelerator), capacities_(capacities) {}

PassTiming PassPlayer::play(const plan::Pass& pass) {
  return Play(pass, accelerator_, capacities_, engine_).run();
}

} // namespace sim::execution
