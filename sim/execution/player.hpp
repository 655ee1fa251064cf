// SPDX-License-Identifier: Apache-2.0
// The play of one step: its state, and what drives it. Inside this room only.
//
//   step_player.cpp      the loop, programs, outputs handed along chains, the result
//   player_passes.cpp    the tasks of a pass on a GPU
//   player_teams.cpp     collectives of teams, phase by phase
//   player_updates.cpp   what follows the last pass
//   player_trunks.cpp    which trunks can stop whom
//   player_storage.cpp   checkpoints on their way out, beside the step
//   player_path.cpp      the part of a step in which nobody stops anybody, without the engine
//   player_messages.cpp  collectives message by message
//   player_trace.cpp     notes for the trace
#pragma once

#include "sim/engine/activity.hpp"
#include "sim/execution/step_player.hpp"
#include "sim/network/group_loads.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <vector>

namespace sim::execution {

class Player {
public:
  explicit Player(const StepPlan& plan);
  StepTiming run();

private:
  using Id = std::uint32_t;
  static constexpr Id none = std::numeric_limits<Id>::max();
  static constexpr std::size_t dimensions = plan::communication_dimensions;

  // Tasks that are ready, first in first out; those of one instant in the order of the pass.
  struct Queue {
    Id head = none, tail = none;
    Id before = none;    // last entry that was there before this instant
    double instant = -1; // of the entries behind it
  };
  enum class UpdateState : std::uint8_t {
    Passes,
    Early,
    Late,
    Tied,
    Norm,
    Optimizer,
    HostUpdate,
    HostCopies,
    Parameters,
    Synchronisation,
    Done
  };
  // A list of data-parallel collectives that an actor works through.
  struct Sequence {
    const std::vector<ScriptCollective>* list = nullptr; // null: nothing is under way
    std::uint32_t next = 0;
    std::uint32_t outstanding = 0; // teams of the actor that have not ended the current one
    // Teams of the actor that take part in the current one, and those under way, each counted as
    // often as it stands for others.
    double teams = 0, running = 0;
  };

  struct ActorState {
    std::uint32_t next = 0; // in its program
    bool busy = false;
    bool held = false;  // the pass has ended and waits for the parameters
    bool ahead = false; // busy with what the longest path has told already
    bool parameters_ended = true;
    bool early_started = false, early_ended = false;
    bool computing = false;   // a task of the pass occupies the GPU
    bool launching = false;   // all that was launched has ended, the host has not
    bool beside_data = false; // the pass may run beside data-parallel collectives
    bool touched = false;
    UpdateState state = UpdateState::Passes;
    std::array<std::uint16_t, dimensions> communicating{}; // collectives of the pass under way
    std::uint16_t waiting_teams = 0;                       // that it has come to, not under way
    double idle_since = 0, pass_started = 0, waiting_since = 0, charged_to = 0;
    engine::ActivityId block = 0; // of a pass that is one activity, while busy
    const PassScript* script = nullptr;
    std::uint32_t tasks_left = 0, task = 0; // the one that occupies the GPU
    double task_started = 0;
    std::array<Queue, 2> ready; // critical, background
    // Early parameters, then gradients, then late parameters: a chunk is used before its gradients
    // are made, and is not left before its parameters have come.
    Sequence sequence;
  };
  struct TeamState {
    const ScriptCollective* collective = nullptr;  // under way; null: idle
    std::uint32_t first_phase = 0, next_phase = 0; // of those under way together
    std::uint32_t outstanding = 0;
    double phases_started = 0;
    std::uint32_t index = 0;   // of the script's collectives
    std::uint32_t arrived = 0; // members that wait for the next data-parallel collective
    bool loads_gpus = false;   // holds SMs
    bool draws_memory = false;
    double started = 0;
    const PassScript* script = nullptr; // of the pass that its members are in
    struct Ready {
      double since;
      std::uint32_t index;
    };
    std::vector<Ready> ready; // collectives that all members have come to
    bool touched = false;
  };
  struct Output {
    double made_at = 0;
    double arrives = std::numeric_limits<double>::infinity(); // where it is read; not yet known
  };
  // What travels with a tag beyond those of actors and teams.
  struct Parcel {
    Id sender = none;  // of a message between stages
    Id team = none;    // of a collective's message
    Id storage = none; // of a checkpoint: number of its flow
    int chunk = 0, micro_batch = 0;
    bool forward = true;
    std::uint32_t sender_in_ring = none;
    double started = 0;
    engine::ActivityId activity = 0; // of a message between stages
  };
  // What stops a use, and whom it may have to share with.
  struct UseLinks {
    double bound = std::numeric_limits<double>::infinity(); // its rate alone
    std::uint32_t first_draw = 0, end_draw = 0;
  };
  struct PassDraws {
    double work = 0; // bytes of one flow
    std::vector<engine::Draw> draws;
  };
  // A pass that is one activity, as an actor has played it before.
  struct KnownPass {
    plan::PassKey key;
    const PassTiming* timing = nullptr;
    const PassDraws* draws = nullptr;
  };
  // Rates of a pass that is one activity: alone on the GPU, and beside a collective that holds SMs.
  struct BlockRates {
    double alone = 0, beside = 0, all_sms = 0;
  };
  // One member of a ring: it sends chunk after chunk to the next.
  struct RingSender {
    std::uint32_t next = 0, before = 0, started = 0, ended = 0;
    Id from = 0, to = 0;
  };
  // What a flow counts on links beyond the scale-up domain and within it.
  struct Weights {
    double network = 1, scale_up = 1;
  };
  struct Delay {
    double latencies = 1; // of the route
    Seconds overhead{};   // of the software
  };
  struct RingPhase {
    std::vector<RingSender> senders; // ring after ring
    Bytes chunk{};
    Weights weights;
    Seconds overhead{};                                     // of each message
    double bound = std::numeric_limits<double>::infinity(); // of its rate
    std::uint32_t steps = 0;
  };
  struct Route {
    Seconds latency{};
    std::vector<engine::Draw> draws;
  };

  // step_player.cpp
  void index_programs();
  void find_sizes();
  void add_gpus();
  [[nodiscard]] BytesPerSecond peak_of(const ScriptCollective& collective) const;
  [[nodiscard]] BytesPerSecond memory_room(Id actor) const;
  [[nodiscard]] Output& output_of(const Actor& actor, int chunk, int micro_batch, bool forward);
  [[nodiscard]] const std::vector<plan::ScheduledPass>& program_of(Id actor) const;
  void try_start(Id actor);
  void charge_wait(Id actor, double made);
  void start_pass(Id actor, const plan::ScheduledPass& pass);
  void start_block(Id actor, const KnownPass& pass, double share_left = 1);
  static double block_rate(const void* context, double free_sms);
  void end_block(Id actor);
  [[nodiscard]] bool data_may_run(Id actor) const;
  void end_pass(Id actor);
  void leave_pass(Id actor);
  void publish(Id actor, int chunk, int micro_batch, bool forward);
  // Stage that reads what a stage has made: the next chunk forward, the one before backward.
  [[nodiscard]] int reader_of(int stage, int chunk, int micro_batch, bool forward) const;
  [[nodiscard]] int owner_of(int chunk, int micro_batch) const {
    return index_->owner_of(chunk, micro_batch);
  }
  [[nodiscard]] Id message_team(Id actor, int reader_stage) const;
  void arrive(Id sender, int chunk, int micro_batch, bool forward);
  void end_tag(std::uint32_t tag);
  void settle();
  void send_message(Id sender, Id team, Parcel parcel, double since);
  std::uint32_t parcel_tag(const Parcel& parcel);
  void end_parcel(std::uint32_t tag);
  [[nodiscard]] double now() const { return epoch_ + engine_.now() / second; }
  [[nodiscard]] Breakdown& breakdown(Id actor) { return breakdowns_[actor]; }
  Seconds& time_of(plan::PassKind kind);
  void book_communication(plan::CommunicationDimension dimension, double since, Id team);
  StepTiming result();

  // player_passes.cpp
  void start_script(Id actor, const plan::ScheduledPass& pass);
  void make_ready(Id actor, std::uint32_t task);
  std::uint32_t take_ready(Id actor);
  void touch_actor(Id actor);
  void dispatch(Id actor);
  bool awaits_host(Id actor);
  void end_launches(Id actor);
  void start_task(Id actor, std::uint32_t task);
  void end_task(Id actor);
  void finish(Id actor, std::uint32_t task);
  void charge_waiting(Id actor);

  // player_teams.cpp
  void come_to(Id actor, std::uint32_t task);
  void touch_team(Id team);
  void start_ready(Id team);
  void start_collective(Id team, const ScriptCollective& collective);
  bool advance_phases(Id team);
  // `least`: the phase is not over sooner.
  void start_phase(Id team, const ScriptPhase& phase, Seconds least);
  [[nodiscard]] Seconds alone(Id team, const ScriptPhase& phase) const;
  void end_activity_of(Id team);
  void end_collective(Id team);
  [[nodiscard]] bool draws_memory(Id team) const;
  void load_gpus(Id team, const ScriptCollective& collective, bool begin);
  [[nodiscard]] std::uint32_t team_tag(Id team) const {
    return static_cast<std::uint32_t>(actors_.size() + team);
  }

  // player_updates.cpp
  bool start_sequence(Id actor, const std::vector<ScriptCollective>& list);
  bool next_of_sequence(Id actor);
  void end_sequence(Id actor);
  void note_running(Id team, bool begins);
  void end_data_collective(Id team);
  void end_passes(Id actor);
  void after_early(Id actor);
  void after_late(Id actor);
  void after_tied(Id actor);
  void after_optimizer(Id actor);
  void start_parameters(Id actor);
  void after_parameters(Id actor);
  void start_wait(Id actor, UpdateState state, Seconds duration);
  void end_wait(Id actor);
  void charge(Id actor, Category category);
  void charge_data(Id actor);
  [[nodiscard]] const StageUpdate& update_of(Id actor) const;

  // player_path.cpp
  class Path;
  [[nodiscard]] bool path_is_open() const;
  void follow_path();
  void start_engine_at(double time);
  void start_latency(std::uint32_t tag, Seconds duration);
  void end_ahead(Id actor);

  // player_trunks.cpp
  void link_trunks();
  const KnownPass& known_pass(Id actor, const plan::PassKey& key);
  [[nodiscard]] const PassDraws& draws_of(Id actor, const PassTiming& timing);

  // player_storage.cpp
  void add_storage_flows();
  void start_storage(std::uint32_t flow);
  [[nodiscard]] bool only_storage_runs() const {
    return engine_.running() == storage_flows_.size();
  }
  void note_storage_share();

  // player_trace.cpp: called where plan_.trace is not null
  void begin_trace();
  void trace_span(Id actor, StepTrace::What what, double since);
  void trace_collective(plan::CommunicationDimension dimension, double since, Id team);
  void trace_phases(Id team);
  void trace_pass_traffic(Id actor, const PassTiming& timing);
  void trace_traffic(std::uint32_t use, Bytes bytes_per_flow, double since);

  // player_messages.cpp
  // False for patterns that are played as phases.
  bool start_messages(Id team, const ScriptPhase& phase, double bound);
  void start_rings(Id team, const ScriptPhase& phase, const network::Transfers& transfers,
                   double bound);
  void start_next(std::uint32_t sender, Id team);
  void end_send(const Parcel& parcel);
  void send(Id from, Id to, const Weights& weights, const Delay& delay, Bytes bytes, double bound,
            bool loads_gpus, std::uint32_t tag);
  const Route& route(Id from, Id to, const Weights& weights);

  const StepPlan& plan_;
  const Machine& machine_;
  engine::Engine engine_;
  std::vector<ActorState> actors_;
  std::vector<Breakdown> breakdowns_;
  std::vector<TeamState> teams_;
  std::vector<Parcel> parcels_;
  std::vector<std::uint32_t> free_parcels_, ended_;
  std::vector<Id> touched_actors_, touched_teams_;

  std::size_t chunks_ = 0, micro_batches_ = 0;
  std::size_t outputs_of_chain_ = 0;
  std::vector<Output> outputs_; // by chain, numbered there as PathProgram says
  std::unique_ptr<ProgramIndex> own_index_;
  ProgramIndex* index_ = nullptr;
  std::vector<std::array<std::vector<const PassScript*>, 2>> scripts_; // by stage, fused: of a pass

  std::size_t most_tasks_ = 0, most_collectives_ = 0; // of a pass
  std::vector<std::uint8_t> waits_;       // by actor and task: what it still waits for, at most two
  std::vector<std::uint32_t> next_ready_; // by actor and task
  std::vector<std::uint32_t> arrived_;    // by team and collective: members that came
  std::size_t waiting_for_norm_ = 0;      // actors that wait for the norm

  std::vector<BlockRates> blocks_; // by actor
  std::vector<engine::PoolId> sms_;
  std::vector<engine::ResourceId> memories_;
  double hold_scale_ = 1;
  BytesPerSecond collectives_draw_{}; // at most, of a GPU's memory, by those of a pass together
  std::array<std::vector<double>, team_kinds> most_bound_; // of the uses of a pattern, by kind
  std::vector<UseLinks> use_links_;
  std::vector<engine::Draw> use_draws_;
  std::vector<engine::ResourceId> trunk_resources_; // none: it can stop nobody
  // Of a trunk: a flow without end, as fast as a resource of its own lets it be.
  struct StorageFlow {
    double rate = 0; // that it asks for
    std::array<engine::Draw, 2> draws{};
  };
  std::vector<StorageFlow> storage_flows_;
  std::map<std::pair<Id, const PassTiming*>, PassDraws> pass_draws_;
  std::vector<std::vector<KnownPass>> known_passes_; // by actor
  std::vector<engine::Draw> draws_;                  // of the activity being started

  std::map<std::tuple<Id, Id, double, double>, Route> routes_;
  std::map<Id, RingPhase> ring_phases_; // by team

  double epoch_ = 0; // when the engine was started
  std::uint64_t events_ = 0;
  engine::Fingerprint course_;      // before that
  std::size_t parameters_left_ = 0; // actors whose parameters are still on their way
  std::shared_ptr<Path> path_;
  bool path_open_ = true;
  int path_pause_ = 0, path_backoff_ = 0; // events until it is tried again

  StepTiming timing_;
  double actors_stood_for_ = 0; // by those of the machine
};

} // namespace sim::execution
