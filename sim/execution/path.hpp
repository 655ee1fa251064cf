// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The longest path through the programs of a step (player_path.cpp).
#pragma once

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
  struct Leg { // what a pass sends
    Id team = none;
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
    std::vector<Kind> kinds;        // by kind and turn
    const Step* steps = nullptr;    // by place in the program
    Output* outputs = nullptr;      // of its chain
    std::unique_ptr<Begun[]> begun; // by place in the program, from `first` to `next`
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
  bool leaves(Course& first, double known, Meeting& meeting);
  void end_at_first_meeting(double known);

  // path_tail.cpp: lane by lane to where gradients could come near.
  [[nodiscard]] bool data_keeps_apart() const;
  void find_limits();
  [[nodiscard]] double first_halt() const;
  [[nodiscard]] std::vector<double> soonest_sent();
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
  bool all_told_ = false;
  double begin_ = 0;
  double end_ = std::numeric_limits<double>::infinity();
};

} // namespace sim::execution
