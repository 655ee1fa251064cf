// SPDX-License-Identifier: Apache-2.0
// Everything that takes time is an activity on resources. An activity first waits out its latency,
// then works its `work` off at a rate that max-min fair sharing gives it. It HOLDS amounts of pools
// from start to end (the SMs of a communication kernel, even while that is stalled) and DRAWS on
// shared resources in proportion to its rate (memory bandwidth, links). Its own upper rate may
// depend on how much of a pool the holders leave free (a staircase over free SMs); it is read again
// whenever a holder starts or stops. Completions are events; completions within 1e-12 relative are
// one event.
//
// An event costs what it changes. What meets nobody on its resources has its time of completion
// from the start, in one heap. Activities that share are kept by what stops them (fair_shares.hpp):
// those that one full resource stops progress alike, so only that resource has a progress and a
// next completion; each of them has a mark, the progress at which it will be done.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/engine/completions.hpp"
#include "sim/engine/fair_shares.hpp"
#include "sim/engine/fingerprint.hpp"
#include "sim/engine/indexed_heap.hpp"
#include "sim/engine/max_min.hpp"
#include "sim/engine/slot_lists.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sim::engine {

using ResourceId = std::uint32_t;
using PoolId = std::uint32_t;
using ActivityId = std::uint32_t;

struct Hold {
  PoolId pool = 0;
  double amount = 0;
};

// Upper rate as a function of what a pool has free. A plain function and its context: no virtual
// call in the inner loop.
struct RateCurve {
  double (*rate)(const void* context, double free) = nullptr;
  const void* context = nullptr;
  PoolId pool = 0;
};

struct ActivitySpec {
  Seconds latency{};
  double work =
      0; // in the unit that its rate counts per second (bytes of one flow, or a share of a task)
  double bound = std::numeric_limits<double>::infinity(); // own upper rate, where no curve is given
  RateCurve curve{};             // curve.rate == nullptr: the bound is constant
  std::span<const Draw> draws{}; // weight = units of the resource per unit of rate
  std::span<const Hold> holds{};
  std::uint32_t tag = 0; // the caller's own mark, handed back at completion
};

// A clock, the running activities, the resources and pools they share. One object per simulated
// pass or step; reusable through clear() without giving memory back. Work 0 ends with its latency.
// An activity whose rate is zero waits until a capacity or a pool lets it go on.
class Engine {
public:
  Engine() = default;

  ResourceId add_resource(double capacity);                // units per second, > 0
  PoolId add_pool(double capacity);                        // >= 0
  void set_capacity(ResourceId resource, double capacity); // >= 0, from now on

  // Starts an activity now. Holding more than a pool has free is allowed only down to zero: throws
  // InternalError below. An id is reused after its activity has ended.
  ActivityId start(const ActivitySpec& spec);

  // Takes of a pool, and gives back, what no single activity holds: a collective's SMs on each of
  // its GPUs. Amounts as in Hold; what is given back must have been taken.
  void hold(PoolId pool, double amount);
  void release(PoolId pool, double amount);

  [[nodiscard]] Seconds now() const { return Seconds::from_base(now_); }
  [[nodiscard]] bool idle() const { return running_ == 0; }      // nothing is running
  [[nodiscard]] std::size_t running() const { return running_; } // activities under way
  [[nodiscard]] double free(PoolId pool) const;

  // Advances to the next completion(s) and returns the tags of what ended, in order of start; valid
  // until the next call. Empty when idle. Throws InternalError when something runs and nothing can
  // ever end (all rates are zero).
  std::span<const std::uint32_t> advance();

  // Work per second of a running activity, and zero in its latency. Requires: advance() or
  // update_rates() was called since anything changed.
  [[nodiscard]] double rate(ActivityId id) const;
  // What is left of its work, now. Requires the same.
  [[nodiscard]] double left(ActivityId id) const;
  // Makes all rates those that follow from what was started and changed; advance() does so itself.
  void update_rates();

  // Time integral of what was drawn on a resource since the last clear(), in its units.
  [[nodiscard]] double drawn(ResourceId resource) const;
  [[nodiscard]] std::uint64_t events() const { return events_; } // completions so far
  // Hash of the trajectory: times, tags, order.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_.value(); }

  void clear();   // back to time zero without resources, pools or activities
  void restart(); // back to time zero without activities: resources and pools are idle

private:
  static constexpr std::uint32_t none = FairShares::none;

  struct Pool {
    double capacity = 0, free = 0;
    std::uint32_t holders = 0;
    ActivityId first_reader = none; // whose rate is a curve over this pool
    bool changed = false;           // since the curves were read
  };
  struct Activity {
    double work = 0;
    double left = 0;  // of it at `since`; of what progresses with others, see Group
    double since = 0; // when the rate last changed
    double rate = 0;
    double bound = 0;
    std::uint64_t sequence = 0; // of the start
    std::uint32_t tag = 0;
    ResourceId group = none; // with whom it progresses
    bool waits = false;      // its latency is not over
    bool draws = false, reads = false, holds = false;
  };
  struct Reader { // of an activity with a curve
    RateCurve curve;
    ActivityId next = none, before = none; // of the pool
  };
  // Those that one resource stops. Their rates are one; so is what each has done since any moment.
  struct Group {
    double progress = 0, progress_rest = 0; // at `since`, in two doubles
    double since = 0;
    double rate = 0;
    double longest = 0; // work that any of them had left when it came
    bool stale = false; // its place among the groups is to be looked at
    IndexedHeap marks;  // the progress at which each will be done
  };
  struct Due {
    std::uint64_t sequence;
    ActivityId id;
  };

  void check(const ActivitySpec& spec) const;
  ActivityId take_slot();
  void take_holds(ActivityId id, std::span<const Hold> holds);
  void give_holds_back(ActivityId id);
  void mark_changed(PoolId id);
  void begin(ActivityId id); // the latency is over
  void end(ActivityId id);

  void add_reader(ActivityId id);
  void remove_reader(ActivityId id);
  double read_curve(ActivityId id) const;
  void read_curves(Pool& pool);
  void set_rate(ActivityId id, double rate); // of what progresses by itself

  void follow_shares();
  void regroup(ActivityId id);
  double leave_group(ActivityId id);
  void join_group(ActivityId id, ResourceId resource, double rest);
  void settle(Group& group) const;
  static void start_over(Group& group);
  void mark_stale(ResourceId resource);
  [[nodiscard]] static double left_until(const Group& group, double mark);
  [[nodiscard]] static double next_completion(const Group& group);
  void refresh(ResourceId resource);
  void collect_due(double instant);
  void collect_due_of(ResourceId resource, double instant);
  void clear_groups();
  void forget_activities();

  double now_ = 0;
  std::uint64_t started_ = 0;
  std::size_t running_ = 0;
  std::vector<double> drawn_; // by what has ended, per resource
  std::vector<Pool> pools_;
  std::vector<PoolId> changed_pools_;
  std::vector<Activity> activities_; // slots
  std::vector<Reader> readers_;      // per slot
  SlotLists<Hold> holds_;
  std::vector<ActivityId> unused_; // slots to use again
  Completions completions_;        // and ends of latencies

  FairShares shares_;
  std::vector<Group> groups_; // per resource
  std::vector<ResourceId> stale_groups_;
  IndexedHeap next_of_groups_;
  std::vector<std::uint32_t> group_places_, mark_places_;

  std::vector<Due> due_;
  std::vector<ActivityId> beginning_; // whose latency is over
  std::vector<std::uint32_t> ended_;
  std::uint64_t events_ = 0;
  Fingerprint fingerprint_;
};

} // namespace sim::engine
