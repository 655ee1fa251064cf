// SPDX-License-Identifier: Apache-2.0
// Messages of several senders that share trunks, for the longest path in the order of time: each
// travels at the rate that max-min fair sharing gives those under way together, which changes as
// one begins to travel or arrives. As nobody else draws on those trunks, that is what the engine
// would play.
#include "sim/execution/path.hpp"

#include <algorithm>
#include <limits>

namespace sim::execution {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-12; // relative, of sums of shares
// Teams of a meeting: those that travel together are a mask.
constexpr std::size_t most_courses = 8;

} // namespace

// Messages can be followed where they meet if each team does in one place.
void Player::Path::place_teams() {
  places_.assign(machine_.teams.size(), {});
  may_share_ = true;
  for (std::uint32_t m = 0; m < meetings_.size(); ++m) {
    Meeting& meeting = meetings_[m];
    const auto courses = static_cast<std::uint32_t>(meeting.courses.size());
    may_share_ = may_share_ && courses <= most_courses;
    if (!may_share_)
      return;
    meeting.paces.resize(std::size_t{1} << courses);
    for (std::uint32_t c = 0; c < courses; ++c) {
      Place& place = places_[meeting.courses[c].team];
      may_share_ = may_share_ && place.meeting == none;
      place = {m, c};
    }
  }
}

// Passes leave room for all messages that may meet on a trunk.
bool Player::Path::messages_fit() {
  for (std::size_t trunk = 0; trunk < loads_.size(); ++trunk) {
    const engine::ResourceId resource = player_.trunk_resources_[trunk];
    const std::vector<Load>& loads = loads_[trunk];
    if (resource == none || loads.empty() || places_[loads.front().team].meeting == none)
      continue;
    double load = passes_on(resource);
    if (!(load > 0))
      continue;
    for (const Load& message : loads)
      load += message.rate;
    if (load > machine_.trunks[trunk].capacity.base() * (1 + rounding))
      return false;
  }
  return true;
}

double Player::Path::alone(Id team) const {
  return player_.plan_.message / byte / player_.use_links_[machine_.teams[team].first_use].bound;
}

// By course, of those in the mask: rate relative to the one alone.
const std::vector<double>& Player::Path::paces_of(Meeting& meeting, std::uint32_t travelling) {
  std::vector<double>& paces = meeting.paces[travelling];
  if (!paces.empty())
    return paces;
  std::vector<double> bounds, weights, capacities;
  std::vector<std::uint32_t> first_draw{0}, resources, courses;
  for (std::uint32_t trunk = 0; trunk < machine_.trunks.size(); ++trunk)
    capacities.push_back(machine_.trunks[trunk].capacity.base());
  for (std::uint32_t c = 0; c < meeting.courses.size(); ++c) {
    if ((travelling >> c & 1U) == 0)
      continue;
    const std::uint32_t use = machine_.teams[meeting.courses[c].team].first_use;
    for (const network::TrunkLoad& load : machine_.loads_of(machine_.uses[use]))
      if (player_.trunk_resources_[load.trunk] != none) {
        resources.push_back(load.trunk);
        weights.push_back(load.flows);
      }
    first_draw.push_back(static_cast<std::uint32_t>(resources.size()));
    bounds.push_back(player_.use_links_[use].bound);
    courses.push_back(c);
  }
  std::vector<double> rates(bounds.size());
  solver_.solve({bounds, first_draw, resources, weights, capacities}, rates);
  paces.assign(meeting.courses.size(), 0);
  for (std::size_t i = 0; i < courses.size(); ++i)
    paces[courses[i]] = rates[i] / bounds[i];
  return paces;
}

// To the next moment at which somebody begins to travel or arrives, but not beyond `until`.
double Player::Path::step(Meeting& meeting, std::vector<Flight>& flights, double from,
                          double until) {
  std::uint32_t travelling = 0;
  double next = until;
  for (std::uint32_t c = 0; c < meeting.courses.size(); ++c) {
    const Flight& flight = flights[meeting.courses[c].team];
    if (!flight.under_way)
      continue;
    if (flight.begins > from)
      next = std::min(next, flight.begins);
    else
      travelling |= 1U << c;
  }
  if (travelling == 0)
    return next;
  const std::vector<double>& paces = paces_of(meeting, travelling);
  const auto end = [&](std::uint32_t c) {
    return from + flights[meeting.courses[c].team].left / paces[c];
  };
  for (std::uint32_t c = 0; c < meeting.courses.size(); ++c)
    if ((travelling >> c & 1U) != 0)
      next = std::min(next, end(c));
  for (std::uint32_t c = 0; c < meeting.courses.size(); ++c) {
    if ((travelling >> c & 1U) == 0)
      continue;
    Flight& flight = flights[meeting.courses[c].team];
    const double arrives = end(c);
    if (arrives > next) {
      flight.left = std::max(0.0, flight.left - (next - from) * paces[c]);
      continue;
    }
    end_flight(meeting, flight, arrives);
  }
  return next;
}

// True where some are still under way. Nobody has set off since arrivals were told.
bool Player::Path::advance_meeting(Meeting& meeting, double time) {
  if (meeting.under_way == 0) {
    meeting.since = time;
    return false;
  }
  const auto arrived = [&](const Course& course) {
    const Flight& flight = flights_[course.team];
    return !flight.under_way || flight.arrives <= time;
  };
  if (std::all_of(meeting.courses.begin(), meeting.courses.end(), arrived)) {
    for (const Course& course : meeting.courses)
      if (flights_[course.team].under_way)
        end_flight(meeting, flights_[course.team], flights_[course.team].arrives);
    meeting.since = time;
    return false;
  }
  while (meeting.since < time)
    meeting.since = step(meeting, flights_, meeting.since, time);
  return meeting.under_way > 0;
}

void Player::Path::end_flight(Meeting& meeting, Flight& flight, double time) {
  flight.arrives = time;
  flight.under_way = false;
  --meeting.under_way;
  if (!flight.was_there)
    flight.slowed += time - flight.undisturbed;
}

// When those under way arrive if nobody else sets off.
void Player::Path::tell_arrivals(Meeting& meeting) {
  spare_flights_.resize(flights_.size());
  for (const Course& course : meeting.courses)
    spare_flights_[course.team] = flights_[course.team];
  const int under_way = meeting.under_way;
  for (double time = meeting.since; meeting.under_way > 0;)
    time = step(meeting, spare_flights_, time, never);
  meeting.under_way = under_way;
  for (const Course& course : meeting.courses) {
    Flight& flight = flights_[course.team];
    if (!flight.under_way)
      continue;
    flight.arrives = flight.output->arrives = spare_flights_[course.team].arrives;
    wake(flight.reader);
  }
}

// A message is sent.
void Player::Path::set_off(const Leg& leg, Output& output, double time) {
  const Place place = places_[leg.team];
  Meeting& meeting = meetings_[place.meeting];
  const bool meets = advance_meeting(meeting, time);
  Flight& flight = flights_[leg.team];
  if (flight.under_way) // the path ends here
    return;
  const double latency = meeting.courses[place.course].leaves;
  flight.sent = time;
  flight.begins = time + latency;
  flight.left = leg.delay - latency;
  flight.arrives = flight.undisturbed = output.arrives;
  flight.output = &output;
  flight.reader = leg.reader;
  flight.under_way = true;
  flight.was_there = false;
  ++meeting.under_way;
  if (meets)
    tell_arrivals(meeting);
}

// What is under way when the first lane halts, should the path have to end there.
void Player::Path::keep_halt() {
  if (!flights_at_halt_.empty())
    return;
  flights_at_halt_ = flights_;
  halts_.clear();
  for (const Meeting& meeting : meetings_)
    halts_.push_back({meeting.since, meeting.under_way});
}

void Player::Path::return_to_halt() {
  flights_ = flights_at_halt_;
  for (std::size_t m = 0; m < meetings_.size(); ++m) {
    meetings_[m].since = halts_[m].since;
    meetings_[m].under_way = halts_[m].under_way;
    advance_meeting(meetings_[m], end_);
    tell_arrivals(meetings_[m]);
  }
}

// Seconds that a message under way would have needed, undisturbed, to where it is when the path
// ends.
double Player::Path::travelled(Id team, double sent, double undisturbed) const {
  if (!in_order_ || places_[team].meeting == none)
    return undisturbed;
  const Flight& flight = flights_[team];
  if (!flight.under_way || flight.sent != sent || flight.begins > end_)
    return undisturbed;
  return delay_of(team) - flight.left;
}

void Player::Path::book_slowed() {
  if (!in_order_)
    return;
  for (Id team = 0; team < flights_.size(); ++team)
    if (flights_[team].slowed != 0)
      book_messages(team, flights_[team].slowed);
}

} // namespace sim::execution
