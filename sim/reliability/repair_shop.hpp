// SPDX-License-Identifier: Apache-2.0
// Spare nodes and repair crews, two pools with queues. A broken node waits for a crew, is repaired
// and joins the spares, from which waiting jobs are served first.
#pragma once

#include "sim/base/random.hpp"
#include "sim/base/time.hpp"
#include "sim/engine/pool.hpp"
#include "sim/reliability/spec.hpp"

#include <cstdint>
#include <vector>

namespace sim::reliability {

// A draw of the time that a repair takes.
RunTime repair_time(const RepairSpec& repair, RandomStream& random);

struct RepairCounts {
  std::int64_t repairs = 0;      // asked for
  std::int64_t crew_waits = 0;   // those that had to wait for a crew
  std::int64_t spare_waits = 0;  // nodes that the job had to wait for
  RunTime crew_wait{};           // of all that have begun, together
  GpuNanoseconds spare_time = 0; // nodes x nanoseconds of idle spares
};

class RepairShop {
public:
  // A repair that begins: it ends `duration` later, and is then told by finish().
  struct Begun {
    RunTime duration;
    bool crew;
  };

  // `crews`: 0: any number.
  RepairShop(std::int64_t spares, std::int64_t crews);

  [[nodiscard]] std::int64_t free_spares() const { return spares_.free(); }
  // A node for the job: true when there was a spare, else the job waits in the queue.
  bool take(RunTime now);
  // A node breaks; its repair begins now, or once a crew is free.
  void repair(RunTime now, RunTime duration, bool crew, std::vector<Begun>& begun);
  // A node joins the spares. Whether it goes to a job that waited for one.
  bool join(RunTime now);
  // A repair ends. Whether the node goes to a job that waited for it.
  bool finish(RunTime now, bool crew, std::vector<Begun>& begun);
  // Counts until `now`.
  const RepairCounts& counts(RunTime now);

private:
  struct Waiting {
    RunTime since, duration;
  };
  void pass(RunTime now);

  engine::Pool<int> spares_;
  engine::Pool<Waiting> crews_;
  bool unlimited_;
  RunTime last_{};
  RepairCounts counts_;
};

} // namespace sim::reliability
