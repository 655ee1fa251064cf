// SPDX-License-Identifier: Apache-2.0
#include "sim/report/comparison.hpp"

#include "sim/base/time.hpp"
#include "sim/plan/port.hpp"
#include "sim/report/quantities.hpp"

#include <algorithm>
#include <map>

namespace sim::report {
namespace {

std::vector<const hardware::PoolSpec*> pools_of(const Result& result) {
  std::vector<const hardware::PoolSpec*> pools;
  if (result.scenario.cluster.pools.empty())
    pools.push_back(&result.scenario.cluster.main);
  for (const auto& [name, pool] : result.scenario.cluster.pools)
    pools.push_back(&pool);
  return pools;
}

// The first day on which all chips are there.
Date chips_from(const Result& result, std::string& because) {
  Date latest;
  for (const hardware::PoolSpec* pool : pools_of(result)) {
    const hardware::AcceleratorSpec& chip = pool->node->accelerator.spec;
    if (chip.launched > latest) {
      latest = chip.launched;
      because = chip.title + " was launched on " + to_text(latest);
    }
    if (pool->acquired > latest) {
      latest = pool->acquired;
      because = "the machines were acquired on " + to_text(latest);
    }
  }
  return latest;
}

constexpr double days_per_second = 1.0 / 86400;

} // namespace

std::optional<double> ComparedRow::ratio(std::size_t i) const {
  if (!values[0] || !values[i] || *values[0] == 0)
    return std::nullopt;
  return *values[i] / *values[0];
}

std::vector<ComparedRow> compared_rows(const std::vector<Compared>& compared) {
  std::vector<ComparedRow> rows;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < compared.size(); ++i)
    for (const std::string& path : quantity_paths(compared[i].result.scenario)) {
      const std::optional<Quantity> q = find_quantity(compared[i].result, path);
      if (!q)
        continue;
      const auto [place, fresh] = known.emplace(path, rows.size());
      if (fresh)
        rows.push_back(
            {path, q->column->unit, std::vector<std::optional<double>>(compared.size())});
      rows[place->second].values[i] = q->value;
    }
  return rows;
}

std::vector<RunDates> dates_of(const std::vector<Compared>& compared) {
  std::vector<RunDates> dates;
  const Date wanted = compared.front().result.scenario.calendar.start;
  if (!wanted.known())
    return dates;
  for (const Compared& c : compared) {
    RunDates d;
    d.wanted = wanted;
    d.start = wanted;
    if (const Date given = c.result.scenario.calendar.start; given > d.start) {
      d.start = given;
      d.because = "calendar.start";
    }
    std::string because;
    if (const Date chips = chips_from(c.result, because); chips > d.start) {
      d.start = chips;
      d.because = because;
    }
    const RunTime waiting = c.result.run.waiting;
    d.waiting_days = static_cast<double>(days_from_epoch(d.start) - days_from_epoch(wanted)) +
                     to_seconds(waiting) / second * days_per_second;
    d.run_days = to_seconds(c.result.run.wall - waiting) / second * days_per_second;
    d.finish = add(d.start, c.result.run.wall);
    const RunDates& first = dates.empty() ? d : dates.front();
    d.delay_days = (d.waiting_days - first.waiting_days) + (d.run_days - first.run_days);
    dates.push_back(d);
  }
  return dates;
}

std::vector<std::string> precisions_of(const std::vector<Compared>& compared) {
  std::vector<std::string> precisions;
  for (const Compared& c : compared) {
    const scenario::Scenario& s = c.result.scenario;
    std::vector<std::string> told;
    const hardware::AcceleratorSpec& chip = pools_of(c.result).front()->node->accelerator.spec;
    const bool trains = std::any_of(s.stages.begin(), s.stages.end(), [](const auto& stage) {
      return stage.kind != training::StageKind::Inference;
    });
    precisions.emplace_back(
        trains && !chip.kernels->gemm.empty()
            ? name_of(plan::ported(s.stack.spec, chip, s.port, false, told).precision.gemm)
            : "");
  }
  return precisions;
}

} // namespace sim::report
