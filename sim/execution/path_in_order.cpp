// SPDX-License-Identifier: Apache-2.0
// The longest path where messages meet: lanes go on one after another, in the order of time, so
// that a message which leaves finds all that are under way beside it (path_sharing.cpp). When it
// arrives is known for certain only then, so that a lane that waits for it has its time changed as
// others leave. Each sender has one message under way, or the path ends.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/path.hpp"

#include <algorithm>
#include <limits>

namespace sim::execution {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

} // namespace

// Follows all lanes to where they halt, or to the first moment at which the engine has to go on.
void Player::Path::follow_in_order() {
  begin_in_order();
  while (!impossible_) {
    const double time = next_lane_.time();
    const Id id = next_lane_.first();
    if (time > end_ || time == never)
      break;
    Lane& lane = lanes_[id];
    if (lane.in_pass)
      end_pass(lane, time);
    next_lane_.set(id, go_on(lane, time));
  }
  for (Meeting& meeting : meetings_)
    advance_meeting(meeting, end_);
}

void Player::Path::begin_in_order() {
  next_lane_.reset(lanes_.size());
  flights_.assign(machine_.teams.size(), {});
  flights_at_halt_.clear();
  for (Meeting& meeting : meetings_) {
    meeting.since = begin_;
    meeting.under_way = 0;
  }
  for (Lane& lane : lanes_)
    lane.last_sent = nullptr;
  for (const Message& message : messages_) {
    Output& output = slot_of(message.parcel);
    const Actor& sender = machine_.actors[message.parcel.sender];
    lanes_[message.parcel.sender].last_sent = &output;
    if (places_[message.team].meeting == none)
      continue;
    Flight flight;
    flight.sent = message.parcel.started;
    flight.begins = std::max(begin_, message.arrives - alone(message.team));
    flight.left = message.arrives - flight.begins;
    flight.arrives = flight.undisturbed = message.arrives;
    flight.output = &output;
    flight.reader = machine_.at(sender.chain, player_.reader_of(sender.stage, message.parcel.chunk,
                                                                message.parcel.micro_batch,
                                                                message.parcel.forward));
    flight.under_way = flight.was_there = true;
    flights_[message.team] = flight;
    ++meetings_[places_[message.team].meeting].under_way;
  }
  for (Id id = 0; id < lanes_.size(); ++id) {
    Lane& lane = lanes_[id];
    lane.in_pass = lane.running;
    if (lane.running) {
      Kind& kind = lane.kinds[lane.steps[lane.first].kind];
      learn(lane, lane.program[lane.first]);
      kind.count += 1;
      lane.end = lane.since;
      lane.begun[lane.first] = {player_.actors_[id].pass_started, lane.idle, lane.exposed};
      ++lane.next;
    }
    next_lane_.set(id, lane.in_pass ? lane.end : go_on(lane, begin_));
  }
}

// Begins the next pass, if its time has come. Returns when the lane is to be asked again.
double Player::Path::go_on(Lane& lane, double time) {
  if (lane.next == lane.halt) {
    keep_halt();
    return never;
  }
  const Step& step = lane.steps[lane.next];
  const Output &one = lane.outputs[step.reads[0]], &other = lane.outputs[step.reads[1]];
  const double start = std::max({lane.end, one.arrives, other.arrives});
  if (start > time)
    return start;
  if (lane.next == lane.last_weights) {
    end_ = std::min(end_, time);
    return never;
  }
  Kind& kind = lane.kinds[step.kind];
  if (kind.timing == nullptr)
    learn(lane, lane.program[lane.next]);
  if (start > lane.end) {
    const double made = std::max({one.made_at, other.made_at, lane.end});
    lane.idle += made - lane.end;
    lane.exposed += start - made;
  }
  lane.begun[lane.next] = {start, lane.idle, lane.exposed};
  lane.end = start + kind.took;
  kind.count += 1;
  lane.in_pass = true;
  ++lane.next;
  return lane.end;
}

void Player::Path::end_pass(Lane& lane, double time) {
  lane.in_pass = false;
  const Step& step = lane.steps[lane.next - 1];
  const Kind& kind = lane.kinds[step.kind];
  if (kind.forward.made)
    publish(lane, step.makes[0], kind.forward, time);
  if (kind.backward.made)
    publish(lane, step.makes[1], kind.backward, time);
}

void Player::Path::publish(Lane& lane, std::uint32_t place, const Leg& leg, double time) {
  Output& output = lane.outputs[place];
  output = {time, time + leg.delay};
  if (leg.team != none) {
    if (lane.last_sent != nullptr && lane.last_sent->arrives > time)
      end_ = std::min(end_, time);
    lane.last_sent = &output;
    if (places_[leg.team].meeting != none)
      set_off(leg, output, time);
  }
  if (leg.reader != none)
    wake(leg.reader);
}

// What a lane waits for has come, or will, at another time than was known.
void Player::Path::wake(Id reader) {
  Lane& lane = lanes_[reader];
  if (lane.in_pass || lane.next == lane.halt)
    return;
  const Step& step = lane.steps[lane.next];
  next_lane_.set(reader, std::max({lane.end, lane.outputs[step.reads[0]].arrives,
                                   lane.outputs[step.reads[1]].arrives}));
}

} // namespace sim::execution
