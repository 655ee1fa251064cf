// SPDX-License-Identifier: Apache-2.0
// From the longest path back to the engine: what has ended is booked, what is under way starts
// again with what is left of it.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/path.hpp"

#include <algorithm>
#include <limits>

namespace sim::execution {

using plan::PassKind;
using plan::ScheduledPass;

namespace {

constexpr double never = std::numeric_limits<double>::infinity();

} // namespace

// Takes back what an actor has done from a moment on.
void Player::Path::undo(Lane& lane, double from) {
  while (lane.next > lane.first) {
    if (lane.begun[lane.next - 1].start < from)
      break;
    --lane.next;
    lane.kinds[lane.steps[lane.next].kind].count -= 1;
    forget(lane, lane.next);
  }
}

void Player::Path::forget(const Lane& lane, std::uint32_t place) {
  for (const std::uint32_t output : lane.steps[place].makes)
    lane.outputs[output] = {};
}

// Books what has ended by the end of the path, and starts the engine with what is under way.
void Player::Path::hand_back(std::size_t& passes) {
  if (end_ == never) {
    for (const Lane& lane : lanes_)
      passes += lane.next - lane.first;
    by_lane_ ? hand_back_tail() : finish_all();
    return;
  }
  player_.start_engine_at(end_);
  book_slowed();
  for (Lane& lane : lanes_) {
    undo(lane, end_);
    const bool some = lane.next > lane.first;
    const ScheduledPass& last = lane.program[some ? lane.next - 1 : lane.first];
    const std::size_t place = some ? lane.next - 1 : lane.first;
    const bool alone = lane.running && place == lane.first;
    double ends = lane.end;
    if (some)
      ends = alone ? lane.since : lane.begun[place].start + lane.kinds[kind_at(last)].took;
    passes += lane.next - lane.first;
    const bool busy = some && ends > end_;
    const std::uint32_t ended = lane.next - (busy ? 1 : 0);
    book(lane, ended, lane.next);
    ActorState& state = player_.actors_[lane.actor];
    state.next = ended;
    state.busy = busy;
    if (!busy) {
      state.idle_since = some ? ends : state.idle_since;
      if (ended == lane.stop) { // nothing follows the passes, or the path would have ended before
        state.state = UpdateState::Done;
        state.waiting_since = state.idle_since;
      }
    } else {
      forget(lane, static_cast<std::uint32_t>(place));
      state.pass_started = lane.begun[place].start;
      const Kind& kind = lane.kinds[kind_at(last)];
      player_.start_block(lane.actor, kind.known(),
                          std::min(1.0, kind.took > 0 ? (ends - end_) / kind.took : 1.0));
    }
    send_again(lane, ended);
  }
  keep_messages();
  for (Id id = 0; id < lanes_.size(); ++id)
    player_.try_start(id);
  player_.settle();
}

// Nothing follows the passes.
void Player::Path::finish_all() {
  double end = 0;
  for (const Lane& lane : lanes_) {
    SIM_ASSERT(lane.next == lane.stop);
    end = std::max(end, lane.end);
  }
  end_ = end;
  player_.start_engine_at(end);
  book_slowed();
  for (Lane& lane : lanes_) {
    book(lane, lane.next, lane.next);
    ActorState& state = player_.actors_[lane.actor];
    state.next = lane.stop;
    state.busy = false;
    state.waiting_since = lane.end;
    state.state = UpdateState::Done;
  }
  keep_messages();
}

// Charges the passes up to `ended` and the waits before those up to `started`.
void Player::Path::book(Lane& lane, std::uint32_t ended, std::uint32_t started) {
  if (started == lane.first)
    return;
  const auto leave_out = [&](std::uint32_t i) { lane.kinds[lane.steps[i].kind].count -= 1; };
  for (std::uint32_t i = ended; i < started; ++i)
    leave_out(i); // under way
  if (lane.running) {
    if (ended == lane.first)
      return;
    leave_out(lane.first);
    book_passes(lane, lane.program[lane.first], 1, lane.since - lane.begun[lane.first].start);
  }
  for (Kind& kind : lane.kinds)
    if (kind.count > 0) {
      ScheduledPass op;
      op.pass = kind.pass;
      book_passes(lane, op, kind.count, kind.took);
      kind.count = 0;
    }
  if (started <= lane.first + (lane.running ? 1 : 0))
    return;
  const Begun& last = lane.begun[started - 1];
  Breakdown& breakdown = player_.breakdown(lane.actor);
  breakdown[Category::Bubble] += last.idle * second;
  breakdown[Category::ExposedPipeline] += last.exposed * second;
}

// `count` passes of a kind that took `took` each, and what they sent.
void Player::Path::book_passes(const Lane& lane, const ScheduledPass& op, double count,
                               double took) {
  const Kind& kind = lane.kinds[kind_at(op)];
  const PassTiming& timing = *kind.timing;
  const double weight = machine_.actors[lane.actor].multiplicity;
  StepTiming& sum = player_.timing_;
  Breakdown all = timing.breakdown;
  all *= count;
  player_.breakdown(lane.actor) += all;
  const Seconds more = count * (took * second - timing.duration);
  player_.breakdown(lane.actor)[more > Seconds{} ? Category::Interference : Category::Productive] +=
      more;
  sum.executed += weight * count * timing.executed;
  for (std::size_t d = 0; d < dimensions; ++d)
    sum.communication[d] += weight * count * timing.communication[d];
  player_.time_of(op.pass.kind) += weight * count * took * second;
  for (const Leg* leg : {&kind.forward, &kind.backward})
    if (leg->team != none)
      book_messages(leg->team, count * leg->delay);
  player_.events_ += static_cast<std::uint64_t>(count);
}

void Player::Path::book_messages(Id id, double time) {
  const Team& team = machine_.teams[id];
  player_.timing_.communication[static_cast<std::size_t>(plan::CommunicationDimension::Pipeline)] +=
      time * team.gpus * team.multiplicity / machine_.gpus_per_actor * second;
}

// What an actor has sent, and nobody has yet. In order of time, where others may have slowed it, no
// more than two: the path ends with the second.
void Player::Path::send_again(Lane& lane, std::uint32_t ended) {
  int sent = 0;
  for (std::uint32_t i = ended; i-- > lane.first;) {
    const ScheduledPass& op = lane.program[i];
    const Kind& kind = lane.kinds[kind_at(op)];
    const double made =
        lane.running && i == lane.first ? lane.since : lane.begun[i].start + kind.took;
    if (in_order_ ? sent == 2 : made + lane.longest_delay <= end_)
      return;
    if (kind.forward.team != none || kind.backward.team != none)
      ++sent;
    const bool pair = op.pass.kind == PassKind::Pair;
    const auto again = [&](const Leg& leg, int chunk, int micro_batch, bool forward) {
      if (leg.team == none)
        return;
      Parcel parcel;
      parcel.sender = lane.actor;
      parcel.chunk = chunk;
      parcel.micro_batch = micro_batch;
      parcel.forward = forward;
      parcel.started = made;
      Output& output = slot_of(parcel);
      if (output.arrives <= end_)
        return;
      book_messages(leg.team, -leg.delay);
      output.arrives = never;
      player_.send_message(lane.actor, leg.team, parcel, travelled(leg.team, made, end_ - made));
    };
    again(kind.forward, op.pass.chunk, op.micro_batch, true);
    again(kind.backward, pair ? op.pass.backward_chunk : op.pass.chunk,
          pair ? op.backward_micro_batch : op.micro_batch, false);
  }
}

// Messages that were on their way when the path began.
void Player::Path::keep_messages() {
  for (Message& message : messages_) {
    Output& output = slot_of(message.parcel);
    if (output.arrives <= end_) {
      book_messages(message.team, output.arrives - message.parcel.started);
      continue;
    }
    const double left = output.arrives - end_;
    output.arrives = never;
    player_.send_message(message.parcel.sender, message.team, message.parcel,
                         travelled(message.team, message.parcel.started,
                                   std::max(0.0, delay_of(message.team) - left)));
  }
}

} // namespace sim::execution
