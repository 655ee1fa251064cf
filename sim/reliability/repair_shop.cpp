// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/repair_shop.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/reliability/progress.hpp"

#include <algorithm>

namespace sim::reliability {

RunTime repair_time(const RepairSpec& repair, RandomStream& random) {
  double factor = 1;
  if (repair.law == RepairLaw::Exponential)
    factor = random.exponential();
  else if (repair.law == RepairLaw::Lognormal) // of mean 1
    factor = portable_exp(repair.spread * random.normal() - 0.5 * repair.spread * repair.spread);
  return to_run_time(std::min(repair.time * factor, 1e-9 * double(most_nanoseconds / 4) * second));
}

RepairShop::RepairShop(std::int64_t spares, std::int64_t crews)
    : spares_(spares), crews_(crews), unlimited_(crews == 0) {}

void RepairShop::pass(RunTime now) {
  counts_.spare_time += GpuNanoseconds{(now - last_).nanoseconds} * spares_.free();
  last_ = now;
}

// Taken nodes stay in the job, so that the pool gets back nothing but what is repaired (finish).
bool RepairShop::take(RunTime now) {
  pass(now);
  const bool granted = spares_.acquire(1, 0);
  counts_.spare_waits += granted ? 0 : 1;
  return granted;
}

void RepairShop::repair(RunTime now, RunTime duration, bool crew, std::vector<Begun>& begun) {
  ++counts_.repairs;
  if (unlimited_ || !crew)
    begun.push_back({duration, false});
  else if (crews_.acquire(1, {now, duration}))
    begun.push_back({duration, true});
  else
    ++counts_.crew_waits;
}

bool RepairShop::finish(RunTime now, bool crew, std::vector<Begun>& begun) {
  pass(now);
  if (crew)
    crews_.release(1, [&](const Waiting& next) {
      counts_.crew_wait += now - next.since;
      begun.push_back({next.duration, true});
    });
  return join(now);
}

bool RepairShop::join(RunTime now) {
  pass(now);
  bool waited_for = false;
  spares_.add(1, [&](int) { waited_for = true; });
  return waited_for;
}

const RepairCounts& RepairShop::counts(RunTime now) {
  pass(now);
  return counts_;
}

} // namespace sim::reliability
