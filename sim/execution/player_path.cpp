// SPDX-License-Identifier: Apache-2.0
// Between the parameters of a step and its gradients only passes and messages run. Where none of
// them stops another, each takes what it takes alone, and the times of all follow from the longest
// path over the programs: an operation starts when the one before it on its actor has ended and
// what it reads has come.
//
// The path is followed as if nobody ever shared, and then held against that: it is what the engine
// would play up to the first moment at which a trunk is asked for more than it has. From there on,
// and from the first pass beside gradients on, the engine goes on with what is under way.
#include "sim/execution/path.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <utility>

namespace sim::execution {

using plan::PassKind;
using plan::ScheduledPass;

namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-12; // relative, of times and of sums of shares
// Passes of an actor between two looks at the messages, at first and at most.
constexpr std::uint32_t longest_window = 8;
constexpr int longest_pause = 64; // events that the engine plays until the path is tried again

} // namespace

bool Player::path_is_open() const {
  return plan_.detail == Detail::Pass && plan_.trace == nullptr && !plan_.isolated &&
         !plan_.engine_only && storage_flows_.empty() &&
         std::none_of(actors_.begin(), actors_.end(), [](const ActorState& state) {
           return state.early_started || state.state != UpdateState::Passes;
         });
}

// A new engine, in which nothing runs yet.
void Player::start_engine_at(double time) {
  course_.add(engine_.fingerprint());
  course_.add(time);
  events_ += engine_.events();
  epoch_ = time;
  engine_.restart();
  for (std::size_t i = 0; i < parcels_.size(); ++i)
    if (parcels_[i].sender != none) {
      parcels_[i].sender = none;
      free_parcels_.push_back(static_cast<std::uint32_t>(i));
    }
}

// Nothing but time passes.
void Player::start_latency(std::uint32_t tag, Seconds duration) {
  engine::ActivitySpec spec;
  spec.latency = duration;
  spec.tag = tag;
  engine_.start(spec);
}

// The engine has come to where the longest path left an actor.
void Player::end_ahead(Id id) {
  ActorState& state = actors_[id];
  state.busy = state.ahead = false;
  try_start(id);
}

// Tried again after each stretch that the engine had to play; later, where little was gained.
void Player::follow_path() {
  path_open_ = path_is_open();
  if (!path_open_)
    return;
  if (!path_)
    path_ = std::make_shared<Path>(*this);
  engine_.update_rates();
  const bool gained = path_->follow();
  path_open_ = !path_->impossible() && !path_->all_told();
  path_backoff_ = gained ? 0 : std::min(longest_pause, 2 * path_backoff_ + 1);
  path_pause_ = path_backoff_;
}

Player::Path::Path(Player& player)
    : player_(player), machine_(player.machine_), program_(player.index_->path()),
      chunks_(player.chunks_), lanes_(player.actors_.size()), sent_(player.teams_.size()),
      impossible_(program_.ambiguous) {
  for (std::size_t chain = 0; chain < machine_.chains; ++chain)
    player.outputs_[chain * player.outputs_of_chain_ + program_.there] = {0, 0};
  make_lanes();
  find_meetings();
  place_teams();
  for (std::size_t team = 0; team < sent_.size(); ++team)
    if (is_message(machine_.teams[team].kind))
      sent_[team].reserve(lanes_[sender_of(static_cast<Id>(team))].stop);
  by_lane_ = data_keeps_apart();
  if (by_lane_)
    find_limits();
}

// False, and nothing has changed, where the engine has to play on.
bool Player::Path::follow() {
  begin_ = player_.now();
  if (!find_messages() || !begin_again())
    return false;
  if (!in_order_ && follow_by_windows() && may_share_) {
    take_back();
    in_order_ = begin_again();
  }
  if (in_order_)
    follow_in_order();
  if (learned_) {
    impossible_ = impossible_ || !passes_fit();
    may_share_ = may_share_ && messages_fit();
    learned_ = false;
  }
  if (by_lane_ && !impossible_ && (end_ < never || !tail_is_certain()))
    end_at_halt();
  if (impossible_ || !(end_ > begin_) || (in_order_ && !may_share_)) {
    in_order_ = false;
    take_back();
    return false;
  }
  std::size_t passes = 0;
  hand_back(passes);
  window_ = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(1 + passes / lanes_.size(), 1, first_window));
  return passes > lanes_.size();
}

void Player::Path::end_at_halt() {
  const double halt = first_halt();
  if (halt >= end_)
    return;
  end_ = halt;
  if (in_order_)
    return_to_halt();
}

// Looks at everybody as the engine has left them.
bool Player::Path::begin_again() {
  end_ = never;
  if (!find_lanes())
    return false;
  take_messages();
  return true;
}

void Player::Path::take_back() {
  for (Lane& lane : lanes_)
    undo(lane, -1);
  for (const Message& message : messages_)
    slot_of(message.parcel).arrives = never;
}

// True where messages meet: the path ends there.
bool Player::Path::follow_by_windows() {
  std::uint32_t window = window_;
  bool met = false;
  for (double known = begin_; known < end_ && !impossible_;) {
    known = advance_window(window);
    met = end_at_first_meeting(std::min(known, end_)) || met;
    window = std::min(2 * window, longest_window);
  }
  return met && !impossible_;
}

// Follows all programs for some passes. Returns the moment up to which all that starts is known:
// what is still to come waits for an actor whose window is over.
double Player::Path::advance_window(std::uint32_t window) {
  for (Lane& lane : lanes_)
    lane.pause = lane.next + std::min(window, lane.halt - lane.next);
  for (bool moved = true; moved && !impossible_;) {
    moved = false;
    for (Lane& lane : lanes_)
      moved = (!is_blocked(lane) && advance(lane)) || moved;
    for (auto lane = lanes_.rbegin(); lane != lanes_.rend(); ++lane)
      moved = (!is_blocked(*lane) && advance(*lane)) || moved;
  }
  double known = never;
  for (const Lane& lane : lanes_)
    if (lane.next == lane.pause && lane.next < lane.halt)
      known = std::min(known, lane.end);
  return known;
}

void Player::Path::make_lanes() {
  for (Id id = 0; id < lanes_.size(); ++id) {
    const Actor& actor = machine_.actors[id];
    const auto& program = player_.program_of(id);
    Lane& lane = lanes_[id];
    lane.actor = id;
    lane.program = program.data();
    lane.stop = static_cast<std::uint32_t>(program.size());
    if (!player_.plan_.updates.empty())
      lane.last_weights = player_.index_->last_weights(actor.stage);
    const auto rank = static_cast<std::size_t>(actor.stage);
    lane.kinds.resize(program_.kinds[rank].size());
    for (std::size_t kind = 0; kind < lane.kinds.size(); ++kind)
      lane.kinds[kind].pass = program_.kinds[rank][kind].pass;
    lane.steps = program_.steps[rank].get();
    lane.outputs = player_.outputs_.data() + actor.chain * player_.outputs_of_chain_;
    lane.begun = std::make_unique_for_overwrite<Begun[]>(lane.stop);
  }
}

// What an actor is at: the pass that it is in, or the next one.
bool Player::Path::find_lanes() {
  const double now = player_.now();
  for (Lane& lane : lanes_) {
    const ActorState& state = player_.actors_[lane.actor];
    lane.first = lane.next = state.next;
    lane.halt = by_lane_ ? std::max(lane.first, lane.limit) : lane.stop;
    lane.running = state.busy;
    lane.end = lane.since = state.idle_since;
    lane.idle = lane.exposed = 0;
    if (!state.busy)
      continue;
    const double rate = player_.engine_.rate(state.block), left = player_.engine_.left(state.block);
    if (left > 0 && !(rate > 0))
      return false;
    lane.since = left > 0 ? now + left / rate : now;
  }
  return true;
}

// Those on their way. False where one is slowed.
bool Player::Path::find_messages() {
  messages_.clear();
  for (const Parcel& parcel : player_.parcels_) {
    if (parcel.sender == none || parcel.team != none)
      continue;
    const int stage = machine_.actors[parcel.sender].stage;
    const Id team = player_.message_team(
        parcel.sender, player_.reader_of(stage, parcel.chunk, parcel.micro_batch, parcel.forward));
    const std::uint32_t use = machine_.teams[team].first_use;
    const double bound = player_.use_links_[use].bound;
    const double rate = player_.engine_.rate(parcel.activity);
    double arrives = parcel.started + delay_of(team);
    if (rate > 0) {
      if (rate < bound * (1 - rounding))
        return false;
      arrives = player_.now() + player_.engine_.left(parcel.activity) / rate;
      if (arrives > (parcel.started + delay_of(team)) * (1 + rounding))
        return false; // was slowed before
    }
    messages_.push_back({parcel, team, arrives});
  }
  return true;
}

void Player::Path::take_messages() {
  for (std::vector<double>& sent : sent_)
    sent.clear();
  for (Meeting& meeting : meetings_) {
    meeting.until = 0;
    for (Course& course : meeting.courses)
      course.next = 0;
  }
  for (const Message& message : messages_) {
    sent_[message.team].push_back(message.parcel.started);
    slot_of(message.parcel).arrives = message.arrives;
  }
}

Player::Output& Player::Path::slot_of(const Parcel& parcel) {
  const Actor& actor = machine_.actors[parcel.sender];
  return player_.output_of(actor, parcel.chunk, parcel.micro_batch, parcel.forward);
}

double Player::Path::delay_of(Id team) const {
  const std::uint32_t use = machine_.teams[team].first_use;
  return machine_.uses[use].latency / second +
         player_.plan_.message / byte / player_.use_links_[use].bound;
}

// Loads of messages on trunks; and the sets of teams, of several senders, that share one.
void Player::Path::find_meetings() {
  loads_.resize(machine_.trunks.size());
  for (Id id = 0; id < machine_.teams.size(); ++id) {
    const Team& team = machine_.teams[id];
    if (!is_message(team.kind))
      continue;
    const double bound = player_.use_links_[team.first_use].bound;
    for (const network::TrunkLoad& load : machine_.loads_of(machine_.uses[team.first_use]))
      if (player_.trunk_resources_[load.trunk] != none)
        loads_[load.trunk].push_back({id, load.flows * bound});
  }
  for (const std::vector<Load>& loads : loads_) {
    const auto alone = [&](const Load& load) {
      return sender_of(load.team) == sender_of(loads.front().team);
    };
    const auto same = [&](const Meeting& other) {
      return std::equal(other.courses.begin(), other.courses.end(), loads.begin(), loads.end(),
                        [](const Course& a, const Load& b) { return a.team == b.team; });
    };
    if (std::all_of(loads.begin(), loads.end(), alone) ||
        std::any_of(meetings_.begin(), meetings_.end(), same))
      continue;
    Meeting& meeting = meetings_.emplace_back();
    for (const Load& load : loads)
      meeting.courses.push_back(
          {load.team, machine_.uses[machine_.teams[load.team].first_use].latency / second,
           delay_of(load.team)});
  }
}

// What a pass takes on an actor, and whom it sends to.
const Player::Path::Kind& Player::Path::learn(Lane& lane, const ScheduledPass& op) {
  Kind& kind = lane.kinds[kind_at(op)];
  if (kind.timing != nullptr)
    return kind;
  const Actor& actor = machine_.actors[lane.actor];
  const KnownPass& known = player_.known_pass(lane.actor, op.pass);
  kind.timing = known.timing;
  kind.draws = known.draws;
  kind.took = kind.timing->duration / second;
  const auto send = [&](int chunk, int micro_batch, bool forward, Leg& leg) {
    leg.made = true;
    if (!forward && chunk == 0)
      return;
    const int reader = player_.reader_of(actor.stage, chunk, micro_batch, forward);
    leg.reader = machine_.at(actor.chain, reader);
    if (reader == actor.stage || player_.plan_.message <= Bytes{})
      return;
    leg.team = player_.message_team(lane.actor, reader);
    leg.sent = &sent_[leg.team];
    leg.delay = delay_of(leg.team);
    lane.longest_delay = std::max(lane.longest_delay, leg.delay);
  };
  const bool pair = op.pass.kind == PassKind::Pair;
  if (has_forward(op.pass.kind))
    send(op.pass.chunk, op.micro_batch, true, kind.forward);
  if (has_backward(op.pass.kind))
    send(pair ? op.pass.backward_chunk : op.pass.chunk,
         pair ? op.backward_micro_batch : op.micro_batch, false, kind.backward);
  if (kind.forward.team != none || kind.backward.team != none)
    lane.shortest = std::min(lane.shortest, kind.took);
  // Two messages of one actor meet: both of a pair, or the next one while one is on its way.
  impossible_ = impossible_ || lane.longest_delay > lane.shortest ||
                (kind.forward.team != none && kind.backward.team != none);
  note_interior(lane, *kind.timing);
  learned_ = true;
  return kind;
}

// The most that passes of an actor draw on each trunk.
void Player::Path::note_interior(const Lane& lane, const PassTiming& timing) {
  const PassDraws& draws = player_.draws_of(lane.actor, timing);
  if (!(timing.duration > Seconds{}))
    return;
  for (const engine::Draw& draw : draws.draws) {
    double& most = drawn_[{draw.resource, lane.actor}];
    most = std::max(most, draw.weight * draws.work / (timing.duration / second));
  }
}

// Follows an actor's program as far as what it reads is there.
bool Player::Path::advance(Lane& lane) {
  const std::uint32_t before = lane.next;
  if (before == lane.pause)
    return false;
  if (lane.running && before == lane.first)
    end_running(lane);
  Output* const outputs = lane.outputs;
  const Step* const steps = lane.steps;
  Begun* const begun = lane.begun.get();
  Kind* const kinds = lane.kinds.data();
  std::uint32_t next = lane.next; // kept out of memory, as what is written below could be the lane
  double end = lane.end, idle = lane.idle, exposed = lane.exposed;
  for (; next < lane.pause; ++next) {
    const Step& step = steps[next];
    const Output &one = outputs[step.reads[0]], &other = outputs[step.reads[1]];
    const double arrives = std::max(one.arrives, other.arrives);
    if (arrives == never)
      break;
    const double start = std::max(end, arrives);
    if (next == lane.last_weights) {
      end_ = std::min(end_, start);
      break;
    }
    Kind& kind = kinds[step.kind];
    if (kind.timing == nullptr)
      learn(lane, lane.program[next]);
    if (start > end) {
      const double made = std::max({one.made_at, other.made_at, end});
      idle += made - end;
      exposed += start - made;
    }
    end = start + kind.took;
    begun[next] = {start, idle, exposed};
    kind.count += 1;
    outputs[step.makes[0]] = {end, end + kind.forward.delay};
    outputs[step.makes[1]] = {end, end + kind.backward.delay};
    if (kind.forward.sent != nullptr)
      kind.forward.sent->push_back(end);
    if (kind.backward.sent != nullptr)
      kind.backward.sent->push_back(end);
  }
  lane.next = next;
  lane.end = end;
  lane.idle = idle;
  lane.exposed = exposed;
  return next != before;
}

// The pass that was under way when the path began.
void Player::Path::end_running(Lane& lane) {
  const Step& step = lane.steps[lane.first];
  learn(lane, lane.program[lane.first]);
  Kind& kind = lane.kinds[step.kind];
  lane.end = lane.since;
  lane.begun[lane.first] = {player_.actors_[lane.actor].pass_started, lane.idle, lane.exposed};
  kind.count += 1;
  lane.outputs[step.makes[0]] = {lane.end, lane.end + kind.forward.delay};
  lane.outputs[step.makes[1]] = {lane.end, lane.end + kind.backward.delay};
  for (const Leg* leg : {&kind.forward, &kind.backward})
    if (leg->sent != nullptr)
      leg->sent->push_back(lane.end);
  ++lane.next;
}

// No trunk has more passes on it than it has room for, beside one message.
bool Player::Path::passes_fit() {
  for (std::size_t trunk = 0; trunk < loads_.size(); ++trunk) {
    const engine::ResourceId resource = player_.trunk_resources_[trunk];
    if (resource == none)
      continue;
    double load = passes_on(resource), most = 0;
    for (const Load& message : loads_[trunk])
      most = std::max(most, message.rate);
    load += loads_[trunk].empty() || load > 0 ? most : 0; // alone, a message is bound by the trunk
    if (load > machine_.trunks[trunk].capacity.base() * (1 + rounding))
      return false;
  }
  return true;
}

// At most.
double Player::Path::passes_on(engine::ResourceId resource) const {
  double sum = 0;
  for (auto place = drawn_.lower_bound({resource, 0});
       place != drawn_.end() && place->first.first == resource; ++place)
    sum += place->second;
  return sum;
}

// What leaves next of a meeting, up to `known`: false where the path ends with it.
bool Player::Path::leaves(Course& first, double known, Meeting& meeting) {
  if (!(first.begins < known))
    return false;
  if (first.begins < meeting.until * (1 - rounding)) {
    end_ = std::min(end_, first.begins);
    return false;
  }
  meeting.until = std::max(meeting.until, first.sent[first.next] + first.arrives);
  ++first.next;
  first.look_up();
  return true;
}

// Messages of one actor follow one another; those of several meet where they overlap on a trunk:
// there the path ends. Looks at what begins to travel before `known`.
bool Player::Path::end_at_first_meeting(double known) {
  const double before = end_;
  for (Meeting& meeting : meetings_) {
    for (Course& course : meeting.courses) {
      course.sent = sent_[course.team];
      course.look_up();
    }
    std::vector<Course>& courses = meeting.courses;
    if (courses.size() == 2) { // most are: a branch that repeats is cheaper than the search
      while (courses[1].begins < courses[0].begins ? leaves(courses[1], known, meeting)
                                                   : leaves(courses[0], known, meeting)) {
      }
      continue;
    }
    const auto sooner = [](const Course& a, const Course& b) { return a.begins < b.begins; };
    while (leaves(*std::min_element(courses.begin(), courses.end(), sooner), known, meeting)) {
    }
  }
  return end_ < before;
}

} // namespace sim::execution
