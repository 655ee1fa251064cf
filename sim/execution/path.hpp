// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The longest path through the programs of a step (player_path.cpp).
#pragma once

#include "sim/engine/max_min.hpp"
#include "sim/execution/next_of.hpp"
#include "sim/execution/player.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sim::execution {

class Player::Path {
public:
  explicit Path(Player& player);
  // Follows the programs until somebody would share or gradients begin, and lets the engine go on
  // from there. False where that was at once, or nearly.
  bool follow();
  // Somebody shares wherever the path leads.
  [[nodiscard]] bool impossible() const { return impossible_; }
  // Nothing is left for it.
  [[nodiscard]] bool all_told() const { return all_told_; }

private:
  struct Leg {        // what a pass sends
    Id team = none;   // none: nothing travels
    Id reader = none; // actor
    bool made = false;
    double delay = 0;
    std::vector<double>* sent = nullptr; // when, of the team
  };
  using Step = PathProgram::Step;
  struct Kind { // of pass, on one actor
    const PassTiming* timing = nullptr;
    const PassDraws* draws = nullptr;
    double took = 0;
    Leg forward, backward;
    plan::PassKey pass;
    [[nodiscard]] KnownPass known() const { return {pass, timing, draws}; }
    double count = 0; // that were followed and not yet booked
  };
  struct Begun { // a pass: when, and the waits up to then, for senders and for messages
    double start, idle, exposed;
  };
  struct Lane { // an actor
    Id actor = 0;
    const plan::ScheduledPass* program = nullptr;
    std::uint32_t first = 0, next = 0, pause = 0, stop = 0, last_weights = none;
    std::uint32_t limit = 0;      // beyond it, its messages could meet its own gradients
    std::uint32_t halt = 0;       // the path goes no further
    bool running = false;         // the first was under way when the path began
    double end = 0;               // of the pass before `next`
    double since = 0;             // end of what ran when the path began
    double idle = 0, exposed = 0; // waits so far
    double shortest = std::numeric_limits<double>::infinity(); // pass that sends
    double longest_delay = 0;
    bool in_pass = false;              // in order of time: `next` - 1 has not ended
    const Output* last_sent = nullptr; // in order of time
    std::vector<Kind> kinds;           // by kind and turn
    const Step* steps = nullptr;       // by place in the program
    Output* outputs = nullptr;         // of its chain
    std::unique_ptr<Begun[]> begun;    // by place in the program, from `first` to `next`
  };
  struct Message { // under way when the path begins
    Parcel parcel;
    Id team = none;
    double arrives = 0;
  };
  struct Load { // of a message, on a trunk
    Id team = none;
    double rate = 0;
  };

  struct Course { // of the messages of a team
    Id team = none;
    double leaves = 0, arrives = 0; // after they were sent
    std::size_t next = 0;           // message to look at
    std::span<const double> sent{};
    double begins = 0; // when that one leaves; none: never
    void look_up() {
      begins = next < sent.size() ? sent[next] + leaves : std::numeric_limits<double>::infinity();
    }
  };
  struct Meeting { // teams whose messages share a trunk
    std::vector<Course> courses;
    double until = 0; // the latest so far arrives
    // In order of time:
    int under_way = 0;
    double since = 0;                       // what is left of messages under way is left then
    std::vector<std::vector<double>> paces; // of those that travel together, relative to alone
  };
  struct Flight { // of a team's message, in order of time; no sender has two under way
    double sent = 0, begins = 0;
    double left = 0;                     // seconds, alone
    double arrives = 0, undisturbed = 0; // as far as is known; if it had not met anybody
    double slowed = 0; // by how much those of the team were that have come, all together
    Output* output = nullptr;
    Id reader = none;
    bool under_way = false;
    bool was_there = false; // when the path began
  };
  struct Halt { // a meeting, when the first lane halted
    double since = 0;
    int under_way = 0;
  };
  struct Place { // of a team
    std::uint32_t meeting = none, course = 0;
  };

  void make_lanes();
  void find_meetings();
  bool find_lanes();
  bool find_messages();
  void take_messages();
  double advance_window(std::uint32_t window);
  [[nodiscard]] Id sender_of(Id team) const {
    return machine_.members_of(machine_.teams[team]).front();
  }
  bool begin_again();
  void end_at_halt();
  bool follow_by_windows();
  void take_back();
  bool advance(Lane& lane);
  void end_running(Lane& lane);
  // Cheaper than to ask advance() in vain.
  [[nodiscard]] bool is_blocked(const Lane& lane) const {
    if (lane.next == lane.pause)
      return true;
    const std::array<std::uint32_t, 2>& reads = lane.steps[lane.next].reads;
    const double arrives = std::max(lane.outputs[reads[0]].arrives, lane.outputs[reads[1]].arrives);
    return arrives == std::numeric_limits<double>::infinity() &&
           !(lane.running && lane.next == lane.first);
  }
  const Kind& learn(Lane& lane, const plan::ScheduledPass& op);
  void note_interior(const Lane& lane, const PassTiming& timing);
  [[nodiscard]] std::size_t kind_at(const plan::ScheduledPass& op) const {
    return program_.kind_at(op.pass);
  }
  [[nodiscard]] Output& slot_of(const Parcel& parcel);
  [[nodiscard]] double delay_of(Id team) const;

  bool passes_fit();
  [[nodiscard]] double passes_on(engine::ResourceId resource) const;
  bool leaves(Course& first, double known, Meeting& meeting);
  bool end_at_first_meeting(double known);

  // path_in_order.cpp: where messages share
  void place_teams();
  bool messages_fit();
  void follow_in_order();
  void begin_in_order();
  double go_on(Lane& lane, double time);
  void end_pass(Lane& lane, double time);
  void publish(Lane& lane, std::uint32_t output, const Leg& leg, double time);
  void wake(Id reader);

  // path_sharing.cpp: messages of several senders on one trunk
  [[nodiscard]] double alone(Id team) const; // seconds, without latency
  const std::vector<double>& paces_of(Meeting& meeting, std::uint32_t travelling);
  double step(Meeting& meeting, std::vector<Flight>& flights, double from, double until);
  bool advance_meeting(Meeting& meeting, double time);
  static void end_flight(Meeting& meeting, Flight& flight, double time);
  void tell_arrivals(Meeting& meeting);
  void set_off(const Leg& leg, Output& output, double time);
  void keep_halt();
  void return_to_halt();
  [[nodiscard]] double travelled(Id team, double sent, double undisturbed) const;
  void book_slowed();

  // path_tail.cpp: lane by lane to where gradients could come near.
  [[nodiscard]] bool data_keeps_apart() const;
  void find_limits();
  [[nodiscard]] double first_halt() const;
  [[nodiscard]] std::vector<double> soonest_sent();
  [[nodiscard]] double last_arrival(const Course& course) const;
  [[nodiscard]] bool tail_is_certain();
  void hand_back_tail();
  void join_at_halt(Lane& lane);
  void await_inputs(const Lane& lane);

  void undo(Lane& lane, double from);
  void hand_back(std::size_t& passes);
  void book(Lane& lane, std::uint32_t ended, std::uint32_t started);
  void book_passes(const Lane& lane, const plan::ScheduledPass& op, double count, double took);
  void book_messages(Id team, double time);
  void forget(const Lane& lane, std::uint32_t place);
  void keep_messages();
  void send_again(Lane& lane, std::uint32_t ended);
  void finish_all();

  Player& player_;
  const Machine& machine_;
  const PathProgram& program_;
  std::size_t chunks_;
  std::vector<Lane> lanes_; // by actor
  std::vector<Message> messages_;
  std::vector<std::vector<double>> sent_;                     // by team: when
  std::vector<std::vector<Load>> loads_;                      // by trunk
  std::map<std::pair<engine::ResourceId, Id>, double> drawn_; // by passes, at most
  std::vector<Meeting> meetings_;
  static constexpr std::uint32_t first_window = 4;
  std::uint32_t window_ = first_window; // what the last path came to, and one more
  bool by_lane_ = false;                // lanes halt one by one
  bool learned_ = false;                // a kind of pass was seen for the first time
  bool impossible_ = false;             // somebody shares, wherever the path would lead
  bool may_share_ = false;              // messages can be followed where they meet
  bool in_order_ = false;               // of time, as they do meet
  std::vector<Flight> flights_, spare_flights_, flights_at_halt_; // by team
  std::vector<Place> places_;                                     // by team
  std::vector<Halt> halts_;                                       // by meeting
  NextOf next_lane_;                                              // by when it goes on
  engine::MaxMinSolver solver_;
  bool all_told_ = false;
  double begin_ = 0;
  double end_ = std::numeric_limits<double>::infinity();
};

} // namespace sim::execution
