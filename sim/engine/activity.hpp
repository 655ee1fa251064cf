// SPDX-License-Identifier: Apache-2.0
// Everything that takes time is an activity on resources. An activity first waits out its latency,
// then works its `work` off at a rate that max-min fair sharing gives it. It HOLDS amounts of pools
// from start to end (the SMs of a communication kernel, even while that is stalled) and DRAWS on
// shared resources in proportion to its rate (memory bandwidth, links). Its own upper rate may
// depend on how much of a pool the holders leave free (a staircase over free SMs); it is read again
// whenever a holder starts or stops. Completions are events; completions within 1e-12 relative are
// one event.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/engine/fingerprint.hpp"
#include "sim/engine/max_min.hpp"

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

  [[nodiscard]] Seconds now() const { return Seconds::from_base(now_); }
  [[nodiscard]] bool idle() const { return order_.empty(); } // nothing is running
  [[nodiscard]] double free(PoolId pool) const;

  // Advances to the next completion(s) and returns the tags of what ended, in order of start; valid
  // until the next call. Empty when idle. Throws InternalError when something runs and nothing can
  // ever end (all rates are zero).
  std::span<const std::uint32_t> advance();

  // Time integral of what was drawn on a resource since the last clear(), in its units.
  [[nodiscard]] double drawn(ResourceId resource) const;
  [[nodiscard]] std::uint64_t events() const { return events_; } // completions so far
  // Hash of the trajectory: times, tags, order.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_.value(); }

  void clear(); // back to time zero without resources, pools or activities

private:
  struct Pool {
    double capacity = 0, free = 0;
    std::uint32_t holders = 0;
    std::uint64_t version = 0; // raised by each change of `free`
  };
  // One activity. Its vectors keep their memory when the slot is used again.
  struct Activity {
    double latency_end = 0;
    double work = 0;   // left at `since`
    double since = 0;  // when the rate last changed
    double rate = 0;   // now
    double finish = 0; // under this rate
    double bound = 0;
    RateCurve curve;
    std::uint64_t curve_version = 0; // of the pool, when the curve was last read
    std::uint32_t tag = 0;
    bool running = false; // its latency is over
    std::vector<Draw> draws;
    std::vector<Hold> holds;
  };

  void check(const ActivitySpec& spec) const;
  void begin(Activity& activity); // the latency is over
  void read_curve(Activity& activity);
  void set_rate(Activity& activity, double rate);
  void account(const Activity& activity, double work); // adds to what was drawn
  void update_rates();
  void end(Activity& activity);

  double now_ = 0;
  std::vector<double> capacities_, drawn_;
  std::vector<Pool> pools_;
  std::vector<Activity> activities_;       // slots
  std::vector<ActivityId> order_, unused_; // slots in use, in order of start; slots to use again
  bool pools_changed_ = false, shares_changed_ = false;

  MaxMinSolver solver_;
  std::vector<ActivityId> sharing_; // who is in the set of flows
  std::vector<double> bounds_, rates_;
  std::vector<std::uint32_t> first_draw_;
  std::vector<Draw> draws_;

  std::vector<std::uint32_t> ended_;
  std::uint64_t events_ = 0;
  Fingerprint fingerprint_;
};

} // namespace sim::engine
