// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/step_player.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/network/play.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

using plan::CommunicationDimension;
using plan::PassKind;
using plan::ScheduledPass;

// What an engine tag stands for.
struct Running {
  enum class What {
    Pass,
    Message,
    Update,
    Norm,
    Optimizer,
    Synchronisation,
    ParametersEarly,
    Parameters
  };
  What what = What::Pass;
  int rank = 0;
  int chunk = 0, micro_batch = 0; // of a message
  bool forward = true;
  Seconds started{};
  network::CollectiveRun collective;
};

// Output of a chunk for one micro-batch: when it was made, and when its reader has it.
struct Output {
  bool made = false, arrived = false;
  Seconds made_at{};
};

enum class UpdateState { Passes, Early, Late, Norm, Optimizer, Parameters, Synchronisation, Done };

struct Rank {
  std::size_t next = 0; // in its program
  bool busy = false;
  Seconds idle_since{};
  Seconds pass_started{};
  std::size_t last_weights = 0; // index in the program of the last pass that makes weight gradients
  std::size_t last_parameters = 0; // of the pass by whose end all parameters have been used
  bool parameters_ended = true;
  bool held = false; // that pass has ended and waits for them
  UpdateState state = UpdateState::Passes;
  bool early_started = false, early_ended = false, passes_ended = false;
  Seconds waiting_since{};
  Breakdown breakdown;
  network::LinkResources links;
};

class Play {
public:
  explicit Play(const StepPlan& plan)
      : plan_(plan), programs_(plan.program.ranks), ranks_(plan.program.ranks.size()) {
    for (Rank& rank : ranks_)
      rank.links = network::add_link_resources(engine_, plan.capacities);
    index_outputs();
  }

  StepTiming run() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      if (!plan_.updates.empty())
        ranks_[r].parameters_ended = !start_collectives(
            plan_.updates[r].parameters_early, Running::What::ParametersEarly, static_cast<int>(r));
      try_start(static_cast<int>(r));
    }
    while (!engine_.idle()) {
      const auto ended = engine_.advance();
      ended_.assign(ended.begin(), ended.end());
      for (const std::uint32_t tag : ended_)
        end_activity(tag);
    }
    return result();
  }

private:
  [[nodiscard]] std::size_t at(int chunk, int micro_batch) const {
    return static_cast<std::size_t>(chunk) * micro_batches_ + static_cast<std::size_t>(micro_batch);
  }

  static bool has_forward(const ScheduledPass& p) {
    return p.pass.kind == PassKind::Forward || p.pass.kind == PassKind::Pair;
  }
  static bool has_backward(const ScheduledPass& p) {
    return p.pass.kind == PassKind::Backward || p.pass.kind == PassKind::BackwardInput ||
           p.pass.kind == PassKind::Pair;
  }
  static int backward_chunk(const ScheduledPass& p) {
    return p.pass.kind == PassKind::Pair ? p.pass.backward_chunk : p.pass.chunk;
  }
  static int backward_micro_batch(const ScheduledPass& p) {
    return p.pass.kind == PassKind::Pair ? p.backward_micro_batch : p.micro_batch;
  }

  void index_outputs() {
    int most = 0;
    for (const auto& program : programs_)
      for (const ScheduledPass& p : program)
        most = std::max({most, p.micro_batch, p.backward_micro_batch});
    micro_batches_ = static_cast<std::size_t>(most) + 1;
    const std::size_t outputs = static_cast<std::size_t>(plan_.program.chunks) * micro_batches_;
    forward_.resize(outputs);
    backward_.resize(outputs);
    owner_.assign(outputs, -1);
    std::vector<bool> used(static_cast<std::size_t>(plan_.program.chunks));
    for (std::size_t r = 0; r < programs_.size(); ++r) {
      used.assign(used.size(), false);
      for (std::size_t i = 0; i < programs_[r].size(); ++i) {
        const ScheduledPass& p = programs_[r][i];
        if (has_forward(p))
          owner_[at(p.pass.chunk, p.micro_batch)] = static_cast<int>(r);
        if (p.pass.kind != PassKind::Forward && p.pass.kind != PassKind::BackwardInput)
          ranks_[r].last_weights = i;
        const auto chunk = static_cast<std::size_t>(p.pass.chunk);
        if (!used[chunk])
          ranks_[r].last_parameters = i;
        used[chunk] = true;
      }
    }
  }

  // The output that a pass must have, or null at the ends of the model.
  const Output* forward_input(const ScheduledPass& p) const {
    return p.pass.chunk == 0 ? nullptr : &forward_[at(p.pass.chunk - 1, p.micro_batch)];
  }
  const Output* backward_input(const ScheduledPass& p) const {
    const int chunk = backward_chunk(p), micro_batch = backward_micro_batch(p);
    return chunk + 1 == plan_.program.chunks ? &forward_[at(chunk, micro_batch)]
                                             : &backward_[at(chunk + 1, micro_batch)];
  }

  void try_start(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    const auto& program = programs_[static_cast<std::size_t>(r)];
    if (rank.busy || rank.next >= program.size())
      return;
    const ScheduledPass& p = program[rank.next];
    const std::array<const Output*, 2> inputs{has_forward(p) ? forward_input(p) : nullptr,
                                              has_backward(p) ? backward_input(p) : nullptr};
    Seconds made{};
    for (const Output* input : inputs) {
      if (input == nullptr)
        continue;
      if (!input->arrived)
        return;
      made = std::max(made, input->made_at);
    }
    charge_wait(rank, made);
    start_pass(r, p);
  }

  // Waiting for a message that is under way is exposed pipeline communication; waiting for its
  // sender is a bubble.
  void charge_wait(Rank& rank, Seconds made) {
    const Seconds now = engine_.now();
    const Seconds from = std::clamp(made, rank.idle_since, now);
    rank.breakdown[Category::Bubble] += from - rank.idle_since;
    rank.breakdown[Category::ExposedPipeline] += now - from;
  }

  void start_pass(int r, const ScheduledPass& p) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    rank.busy = true;
    rank.pass_started = engine_.now();
    const PassTiming& timing = plan_.timing(p.pass);
    std::array<engine::Draw, topology::link_kinds> draws{};
    std::size_t count = 0;
    double work = 0;
    for (const Bytes bytes : timing.link_bytes)
      work = std::max(work, bytes / byte);
    for (std::size_t kind = 0; kind < topology::link_kinds && work > 0; ++kind)
      if (timing.link_bytes[kind] > Bytes{})
        draws[count++] = {*rank.links[kind], timing.link_bytes[kind] / byte / work};
    engine::ActivitySpec spec;
    spec.work = work > 0 ? work : timing.duration / second;
    spec.bound = work > 0 ? work / (timing.duration / second) : 1;
    spec.draws = std::span(draws.data(), count);
    if (timing.duration <= Seconds{}) {
      spec.work = 0;
      spec.draws = {};
    }
    start({Running::What::Pass, r, 0, 0, true, {}, {}}, spec);
    if (!plan_.updates.empty() && rank.next == rank.last_weights) {
      rank.early_started = true;
      rank.early_ended = !start_collectives(
          plan_.updates[static_cast<std::size_t>(r)].gradients_early, Running::What::Update, r);
    }
  }

  void start(Running running, engine::ActivitySpec& spec) {
    running.started = engine_.now();
    spec.tag = slot(std::move(running));
    engine_.start(spec);
  }

  std::uint32_t slot(Running running) {
    if (!free_.empty()) {
      const std::uint32_t tag = free_.back();
      free_.pop_back();
      running_[tag] = std::move(running);
      return tag;
    }
    running_.push_back(std::move(running));
    return static_cast<std::uint32_t>(running_.size() - 1);
  }

  // One collective after another in list order, as a rank's communication stream runs them. False
  // when there is nothing to do.
  bool start_collectives(const std::vector<network::Collective>& list, Running::What what, int r,
                         std::size_t index = 0) {
    for (; index < list.size(); ++index) {
      Running running{what, r, static_cast<int>(index), 0, true, engine_.now(), {}};
      running.collective.collective = &list[index];
      if (launch(std::move(running)))
        return true;
    }
    return false;
  }

  // Starts a collective's first phases; false when it has none.
  bool launch(Running running) {
    if (running.collective.collective->phases.empty())
      return false;
    const Rank& rank = ranks_[static_cast<std::size_t>(running.rank)];
    const std::uint32_t tag = slot(std::move(running));
    running_[tag].collective.advance(engine_, rank.links, {}, tag);
    return true;
  }

  void end_activity(std::uint32_t tag) {
    Running& running = running_[tag];
    if (running.collective.collective != nullptr) {
      if (--running.collective.outstanding > 0)
        return;
      if (running.collective.advance(engine_, ranks_[static_cast<std::size_t>(running.rank)].links,
                                     {}, tag))
        return;
    }
    const Running ended = running;
    free_.push_back(tag);
    switch (ended.what) {
    case Running::What::Pass:
      end_pass(ended.rank);
      break;
    case Running::What::Message:
      communication(CommunicationDimension::Pipeline, ended);
      arrive(ended);
      break;
    case Running::What::Update:
    case Running::What::Norm:
    case Running::What::ParametersEarly:
    case Running::What::Parameters:
      communication(CommunicationDimension::Data, ended);
      end_update_collective(ended);
      break;
    case Running::What::Optimizer:
    case Running::What::Synchronisation:
      end_update_wait(ended);
      break;
    }
  }

  void communication(CommunicationDimension dimension, const Running& ended) {
    timing_.communication[static_cast<std::size_t>(dimension)] += engine_.now() - ended.started;
  }

  void end_pass(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    const ScheduledPass& p = programs_[static_cast<std::size_t>(r)][rank.next];
    const PassTiming& timing = plan_.timing(p.pass);
    const Seconds took = engine_.now() - rank.pass_started;
    rank.breakdown += timing.breakdown;
    rank.breakdown[Category::Interference] += took - timing.duration;
    timing_.executed += timing.executed;
    for (std::size_t d = 0; d < timing.communication.size(); ++d)
      timing_.communication[d] += timing.communication[d];
    (p.pass.kind == PassKind::Forward  ? timing_.forward
     : p.pass.kind == PassKind::Pair   ? timing_.pairs
     : p.pass.kind == PassKind::Weight ? timing_.weight
                                       : timing_.backward) += took;
    if (rank.next == rank.last_parameters && !rank.parameters_ended) {
      rank.held = true;
      rank.waiting_since = engine_.now();
      return;
    }
    leave_pass(r);
  }

  void leave_pass(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    const ScheduledPass& p = programs_[static_cast<std::size_t>(r)][rank.next];
    rank.busy = false;
    rank.idle_since = engine_.now();
    ++rank.next;
    if (has_forward(p))
      publish(r, p.pass.chunk, p.micro_batch, true);
    if (has_backward(p))
      publish(r, backward_chunk(p), backward_micro_batch(p), false);
    if (rank.next >= programs_[static_cast<std::size_t>(r)].size())
      end_passes(r);
    else
      try_start(r);
  }

  // Hands an output to its reader: at once on the same rank, else as a message.
  void publish(int r, int chunk, int micro_batch, bool forward) {
    Output& output = (forward ? forward_ : backward_)[at(chunk, micro_batch)];
    output.made = true;
    output.made_at = engine_.now();
    const bool last = forward && chunk + 1 == plan_.program.chunks;
    if (!forward && chunk == 0)
      return;
    const int reader = last ? r : owner_[at(forward ? chunk + 1 : chunk - 1, micro_batch)];
    Running message{Running::What::Message, r, chunk, micro_batch, forward, engine_.now(), {}};
    message.collective.collective = &plan_.message;
    if (reader == r || !launch(message))
      arrive(message);
  }

  void arrive(const Running& message) {
    Output& output =
        (message.forward ? forward_ : backward_)[at(message.chunk, message.micro_batch)];
    output.arrived = true;
    const bool last = message.forward && message.chunk + 1 == plan_.program.chunks;
    const int reader = last ? message.rank
                            : owner_[at(message.forward ? message.chunk + 1 : message.chunk - 1,
                                        message.micro_batch)];
    try_start(reader);
  }

  void end_passes(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    rank.passes_ended = true;
    rank.waiting_since = engine_.now();
    if (plan_.updates.empty()) {
      rank.state = UpdateState::Done;
      return;
    }
    rank.state = UpdateState::Early;
    if (!rank.early_started || rank.early_ended)
      after_early(r);
  }

  void after_early(int r) {
    ranks_[static_cast<std::size_t>(r)].state = UpdateState::Late;
    if (!start_collectives(plan_.updates[static_cast<std::size_t>(r)].gradients_late,
                           Running::What::Update, r))
      after_late(r);
  }

  void after_late(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    charge(rank, Category::ExposedData);
    rank.state = UpdateState::Norm;
    if (++reduced_ < ranks_.size())
      return;
    // The gradient norm needs every rank: the last one to arrive releases all.
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      charge(ranks_[i], Category::Bubble);
      Running running{Running::What::Norm, static_cast<int>(i), 0, 0, true, engine_.now(), {}};
      running.collective.collective = &plan_.norm;
      if (!launch(std::move(running)))
        start_optimizer(static_cast<int>(i));
    }
  }

  void charge(Rank& rank, Category category) {
    rank.breakdown[category] += engine_.now() - rank.waiting_since;
    rank.waiting_since = engine_.now();
  }

  void start_optimizer(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    charge(rank, Category::ExposedData);
    rank.state = UpdateState::Optimizer;
    engine::ActivitySpec spec;
    spec.latency = plan_.updates[static_cast<std::size_t>(r)].optimizer;
    start({Running::What::Optimizer, r, 0, 0, true, {}, {}}, spec);
  }

  void end_update_collective(const Running& ended) {
    const int r = ended.rank;
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    const RankUpdate& update = plan_.updates[static_cast<std::size_t>(r)];
    const auto next = static_cast<std::size_t>(ended.chunk) + 1;
    if (ended.what == Running::What::Norm) {
      start_optimizer(r);
    } else if (ended.what == Running::What::Update && rank.state != UpdateState::Late) {
      if (start_collectives(update.gradients_early, ended.what, r, next))
        return;
      rank.early_ended = true;
      if (rank.passes_ended)
        after_early(r);
    } else if (ended.what == Running::What::Update) {
      if (!start_collectives(update.gradients_late, ended.what, r, next))
        after_late(r);
    } else if (ended.what == Running::What::ParametersEarly) {
      if (!start_collectives(update.parameters_early, ended.what, r, next))
        end_parameters(r);
    } else if (!start_collectives(update.parameters_late, ended.what, r, next)) {
      start_synchronisation(r);
    }
  }

  // Parameters arrive under the first forward pass of each chunk; what comes later is exposed.
  void end_parameters(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    rank.parameters_ended = true;
    if (!rank.held)
      return;
    rank.held = false;
    charge(rank, Category::ExposedData);
    leave_pass(r);
  }

  void start_synchronisation(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    charge(rank, Category::ExposedData);
    rank.state = UpdateState::Synchronisation;
    engine::ActivitySpec spec;
    spec.latency = plan_.synchronisation;
    start({Running::What::Synchronisation, r, 0, 0, true, {}, {}}, spec);
  }

  void end_update_wait(const Running& ended) {
    Rank& rank = ranks_[static_cast<std::size_t>(ended.rank)];
    if (ended.what == Running::What::Optimizer) {
      timing_.optimizer += engine_.now() - rank.waiting_since;
      charge(rank, Category::Productive);
      rank.state = UpdateState::Parameters;
      if (!start_collectives(plan_.updates[static_cast<std::size_t>(ended.rank)].parameters_late,
                             Running::What::Parameters, ended.rank))
        start_synchronisation(ended.rank);
    } else {
      charge(rank, Category::Synchronisation);
      rank.state = UpdateState::Done;
    }
  }

  StepTiming result() {
    timing_.duration = engine_.now();
    const double share = 1.0 / static_cast<double>(ranks_.size());
    for (Rank& rank : ranks_) {
      SIM_ASSERT(rank.state == UpdateState::Done);
      charge(rank, Category::Bubble); // until the slowest rank is done
      timing_.passes_end.push_back(rank.idle_since);
      rank.breakdown *= share;
      timing_.breakdown += rank.breakdown;
    }
    for (Seconds* mean :
         {&timing_.forward, &timing_.backward, &timing_.weight, &timing_.pairs, &timing_.optimizer})
      *mean *= share;
    for (Seconds& mean : timing_.communication)
      mean *= share;
    timing_.executed *= share;
    timing_.events = engine_.events();
    timing_.fingerprint = engine_.fingerprint();
    return timing_;
  }

  const StepPlan& plan_;
  const std::vector<std::vector<ScheduledPass>>& programs_;
  engine::Engine engine_;
  std::vector<Rank> ranks_;
  std::size_t micro_batches_ = 0;
  std::vector<Output> forward_, backward_;
  std::vector<int> owner_; // rank that runs a chunk for a micro-batch
  std::vector<Running> running_;
  std::vector<std::uint32_t> free_, ended_;
  std::size_t reduced_ = 0;
  StepTiming timing_;
};

} // namespace

StepTiming play_step(const StepPlan& plan) { return Play(plan).run(); }

} // namespace sim::execution
