// SPDX-License-Identifier: Apache-2.0
// Jobs for tests: one class of exponential failures, and anything at all.
#pragma once

#include "sim/base/random.hpp"
#include "sim/reliability/job.hpp"

#include <string>

namespace sim::reliability {

inline RunTime seconds(double s) { return to_run_time(s * second); }

// Failures every `mean` seconds that stop the job for `recovery` seconds.
inline JobFailureClass failing(double mean, double recovery) {
  JobFailureClass c;
  c.name = "any";
  c.law.rate = 1.0 / (mean * second);
  c.restart = seconds(recovery);
  return c;
}

inline JobSpec plain_job(std::int64_t steps, double step, double mean, double recovery,
                         double interval, double stall, double persistence) {
  JobSpec job;
  job.work = {{steps, seconds(step)}};
  job.classes = {failing(mean, recovery)};
  job.checkpoints.interval = seconds(interval);
  job.checkpoints.stall = seconds(stall);
  job.checkpoints.persistence = seconds(persistence);
  return job;
}

inline JobFailureClass random_class(RandomStream& random, const char* name) {
  JobFailureClass c = failing(500 + 20000 * random.uniform(), 300 * random.uniform());
  c.name = name;
  c.law.shape = random.below(3) == 0 ? 0.5 + random.uniform() : 1;
  c.law.components = double(1 + random.below(3));
  c.law.rate = c.law.rate / c.law.components;
  c.detection = seconds(60 * random.uniform());
  c.replace = random.below(2) == 0 ? 0 : random.uniform();
  c.nodes = static_cast<std::int64_t>(1 + random.below(3));
  c.repair = {2000 * random.uniform() * second, EnumNames<RepairLaw>::names[random.below(3)].first,
              0.5, random.below(2) == 0};
  c.memory_survives = random.below(2) == 0;
  c.effect = EnumNames<Effect>::names[random.below(3)].first;
  if (c.effect == Effect::Slow)
    c.speed = c.part_speed = 0.3 + 0.6 * random.uniform();
  else if (random.below(3) == 0)
    c.notice = seconds(60);
  return c;
}

// More nodes, once or twice: faster steps, other checkpoints, more that can fail.
inline void add_growth(RandomStream& random, JobSpec& job) {
  RunTime at{};
  const std::size_t base = job.classes.size();
  std::int64_t nodes = job.nodes = job.there =
      job.recovery.replicas * job.recovery.nodes_per_replica;
  for (std::uint64_t n = 1 + random.below(2); n > 0; --n) {
    at += seconds(8000 * random.uniform());
    JobSize growth;
    growth.at = at;
    for (const Work& part : job.work)
      growth.work.push_back({part.steps, to_run_time(random.uniform() * to_seconds(part.step))});
    growth.checkpoints = job.checkpoints;
    growth.checkpoints.stall = seconds(5 * random.uniform());
    growth.checkpoints.persistence =
        to_run_time(random.uniform() * to_seconds(job.checkpoints.interval));
    growth.replicas = static_cast<std::int64_t>(1 + random.below(16)); // fewer too
    growth.nodes = nodes += static_cast<std::int64_t>(1 + random.below(4));
    growth.there = growth.nodes + static_cast<std::int64_t>(random.below(2));
    growth.nodes_per_replica = job.recovery.nodes_per_replica;
    for (std::size_t i = 0; i < base; ++i) {
      JobFailureClass more = job.classes[i];
      more.name += "/" + std::to_string(n);
      more.size = job.growth.size() + 1;
      job.classes.push_back(more);
    }
    job.growth.push_back(growth);
  }
  for (JobSize& growth : job.growth)
    for (const JobFailureClass& c : job.classes)
      growth.speeds.push_back(c.speed);
}

inline JobSpec random_job(RandomStream& random) {
  JobSpec job;
  const std::uint64_t parts = random.below(5);
  for (std::uint64_t i = 0; i < parts; ++i)
    job.work.push_back(
        {static_cast<std::int64_t>(random.below(1000)), seconds(0.001 + 30 * random.uniform())});
  const char* names[] = {"first", "second", "third"};
  const std::uint64_t classes = random.below(4);
  for (std::uint64_t i = 0; i < classes; ++i)
    job.classes.push_back(random_class(random, names[i]));
  JobCheckpoints& c = job.checkpoints;
  c.interval = seconds(1 + 300 * random.uniform());
  c.stall = seconds(10 * random.uniform());
  c.persistence = to_run_time(random.uniform() * to_seconds(c.interval));
  c.load = seconds(100 * random.uniform());
  c.keep = static_cast<std::int64_t>(random.below(4));
  c.memory_steps = static_cast<std::int64_t>(random.below(3));
  c.write_failures = random.below(2) == 0 ? 0.0 : 0.3;
  JobRecovery& r = job.recovery;
  r.spares = static_cast<std::int64_t>(random.below(4));
  r.crews = static_cast<std::int64_t>(random.below(3));
  r.swap = seconds(30 * random.uniform());
  if (random.below(3) == 0)
    r.replacement = seconds(100 * random.uniform());
  r.elastic = random.below(2) == 0;
  r.replicas = static_cast<std::int64_t>(1 + random.below(8));
  r.nodes_per_replica = static_cast<std::int64_t>(1 + random.below(3));
  r.evict_below = random.below(2) == 0 ? 0 : random.uniform();
  r.restart = seconds(100 * random.uniform());
  if (random.below(3) == 0) {
    job.maintenance_every = seconds(1000 + 5000 * random.uniform());
    job.maintenance = seconds(300 * random.uniform());
  }
  if (random.below(2) == 0)
    add_growth(random, job);
  // Without an end, a job that always falls back beyond what storage keeps goes on for ever.
  bool endless = c.write_failures == 0 && c.keep == 0;
  for (const JobFailureClass& k : job.classes)
    endless = endless && k.effect != Effect::Corrupt;
  if (!endless || random.below(3) == 0)
    job.duration = seconds(1 + 20000 * random.uniform());
  return job;
}

} // namespace sim::reliability
