// SPDX-License-Identifier: Apache-2.0
// The end of the longest path. Gradients begin with a stage's last pass, so that stages come to
// their ends one by one, and the path can go on at the others: each lane halts before the first
// pass whose message could meet its own gradients, or where it needs what a halted lane has not
// made. The engine begins when the first lane halts; the others join it as they do.
//
// That holds where gradients share no trunk with passes and messages of other stages, and where
// what has been sent arrives before the engine sends anything that it could meet.
#include "sim/execution/path.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <limits>

namespace sim::execution {

using plan::ScheduledPass;

namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-12; // relative, of times

} // namespace

// Whether whoever is on a trunk with gradients belongs to their team: as a pass of a member, or as
// a message from or to one, which has come before the member's last pass begins.
bool Player::Path::data_keeps_apart() const {
  for (const Lane& lane : lanes_)
    if (lane.last_weights == none || lane.last_weights + 1 != lane.stop)
      return false;
  std::vector<std::vector<Id>> data_on(machine_.trunks.size());
  const auto for_each_load = [this](bool data, auto&& visit) {
    for (Id id = 0; id < machine_.teams.size(); ++id) {
      if (is_update(machine_.teams[id].kind) != data)
        continue;
      for (const Use& use : machine_.uses_of(machine_.teams[id]))
        for (const network::TrunkLoad& load : machine_.loads_of(use))
          if (player_.trunk_resources_[load.trunk] != none)
            visit(id, load.trunk);
    }
  };
  for_each_load(true, [&](Id id, std::uint32_t trunk) {
    if (data_on[trunk].empty() || data_on[trunk].back() != id)
      data_on[trunk].push_back(id);
  });
  bool apart = true;
  for_each_load(false, [&](Id id, std::uint32_t trunk) {
    const auto own = machine_.members_of(machine_.teams[id]);
    const auto belongs = [&](Id data) {
      const auto members = machine_.members_of(machine_.teams[data]);
      return std::find_first_of(own.begin(), own.end(), members.begin(), members.end()) !=
             own.end();
    };
    apart = apart && std::all_of(data_on[trunk].begin(), data_on[trunk].end(), belongs);
  });
  return apart;
}

// What a lane sends before its limit has come when its last pass begins.
void Player::Path::find_limits() {
  for (Lane& lane : lanes_) {
    double delay = 0;
    for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
      for (const Id team : machine_.teams_of(lane.actor, kind))
        delay = std::max(delay, delay_of(team));
    lane.limit = lane.last_weights;
    for (double between = 0; between < delay && lane.limit > 0 && !impossible_; --lane.limit)
      between += learn(lane, lane.program[lane.limit - 1]).took;
  }
}

// A lane that was beyond its limit when the path began is the engine's from then on.
double Player::Path::first_halt() const {
  double first = never;
  for (const Lane& lane : lanes_)
    if (lane.next == lane.halt)
      first = std::min(first, lane.next == lane.first ? begin_ : lane.end);
  return first;
}

// When a team may send for the first time after its sender has halted, at the soonest. Only beside
// gradients, in the last pass, can a pass be faster than by itself.
std::vector<double> Player::Path::soonest_sent() {
  std::vector<double> soonest(sent_.size(), never);
  for (Lane& lane : lanes_) {
    const bool under_way = lane.running && lane.next == lane.first;
    double ends = under_way ? lane.since : lane.end;
    for (std::uint32_t i = lane.next; i < lane.stop; ++i) {
      const Kind& kind = learn(lane, lane.program[i]);
      if (i != lane.last_weights && !(under_way && i == lane.first))
        ends += kind.took;
      for (const Id team : {kind.forward.team, kind.backward.team})
        if (team != none)
          soonest[team] = std::min(soonest[team], ends);
    }
  }
  return soonest;
}

// Of what the path has sent; zero: nothing.
double Player::Path::last_arrival(const Course& course) const {
  if (in_order_)
    return flights_[course.team].arrives;
  const std::vector<double>& sent = sent_[course.team];
  return sent.empty() ? 0 : sent.back() + course.arrives;
}

// Whether all that is on its way when the engine begins arrives before another lane, played by the
// engine, sends on a trunk of its.
bool Player::Path::tail_is_certain() {
  const double begin = first_halt();
  const std::vector<double> soonest = soonest_sent();
  for (const Meeting& meeting : meetings_)
    for (const Course& course : meeting.courses) {
      const double last = last_arrival(course);
      const auto meets = [&](const Course& other) {
        return sender_of(other.team) != sender_of(course.team) &&
               last > soonest[other.team] * (1 + rounding);
      };
      if (last > begin && std::any_of(meeting.courses.begin(), meeting.courses.end(), meets))
        return false;
    }
  if (learned_) { // the last passes may be of kinds that nobody has held against messages yet
    learned_ = false;
    if (!passes_fit())
      return false;
  }
  return !impossible_;
}

// Books all that was followed. The engine begins at the first halt; an actor joins it at its own.
void Player::Path::hand_back_tail() {
  end_ = first_halt();
  all_told_ = true;
  player_.start_engine_at(end_);
  book_slowed();
  for (Lane& lane : lanes_)
    join_at_halt(lane);
  keep_messages();
  for (const Lane& lane : lanes_)
    await_inputs(lane);
  for (Id id = 0; id < lanes_.size(); ++id)
    player_.try_start(id);
  player_.settle();
}

void Player::Path::join_at_halt(Lane& lane) {
  ActorState& state = player_.actors_[lane.actor];
  if (lane.next == lane.first) {
    const ScheduledPass& op = lane.program[lane.first];
    if (!lane.running)
      return;
    const Kind& kind = learn(lane, op);
    const double took = kind.took;
    player_.start_block(lane.actor, kind.known(),
                        took > 0 ? std::clamp((lane.since - end_) / took, 0.0, 1.0) : 1);
    return;
  }
  book(lane, lane.next, lane.next);
  state.next = lane.next;
  state.idle_since = lane.end;
  state.busy = state.ahead = lane.end > end_;
  if (state.ahead)
    player_.start_latency(lane.actor, (lane.end - end_) * second);
}

// Messages that the path has sent and the engine's passes read: nobody shares with them, and the
// engine only tells when they come.
void Player::Path::await_inputs(const Lane& lane) {
  const Actor& actor = machine_.actors[lane.actor];
  const auto await = [&](int chunk, int micro_batch, bool forward) {
    Parcel parcel;
    parcel.chunk = chunk;
    parcel.micro_batch = micro_batch;
    parcel.forward = forward;
    const int stage = player_.owner_of(chunk, micro_batch);
    parcel.sender = machine_.at(actor.chain, stage);
    Output& output = slot_of(parcel);
    if (!(output.arrives > end_) || output.arrives == never || stage == actor.stage)
      return;
    parcel.started = output.made_at;
    const double left = output.arrives - end_;
    book_messages(player_.message_team(parcel.sender, actor.stage),
                  parcel.started - output.arrives);
    output.arrives = never;
    player_.start_latency(player_.parcel_tag(parcel), left * second);
  };
  for (std::uint32_t i = lane.next; i < lane.stop; ++i) {
    const ScheduledPass& op = lane.program[i];
    const bool pair = op.pass.kind == plan::PassKind::Pair;
    if (has_forward(op.pass.kind) && op.pass.chunk > 0)
      await(op.pass.chunk - 1, op.micro_batch, true);
    const int behind = pair ? op.pass.backward_chunk : op.pass.chunk;
    if (has_backward(op.pass.kind) && static_cast<std::size_t>(behind) + 1 < chunks_)
      await(behind + 1, pair ? op.backward_micro_batch : op.micro_batch, false);
  }
}

} // namespace sim::execution
