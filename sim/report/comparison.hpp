// SPDX-License-Identifier: Apache-2.0
// What stands side by side in a comparison, and what is said of each beside its result.
#pragma once

#include "sim/report/attribution.hpp"
#include "sim/report/distribution.hpp"
#include "sim/report/uncertainty.hpp"
#include "sim/simulate.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sim::report {

// How many H100 (h100-sxm of the catalogue) a run's chips are worth: by rated figures, and
struct H100Equivalents : economics::ChipEquivalents {
  // GPUs x the time of the same scenario with its chips replaced by H100 / its own time: NICs,
  // fabric and number as they are. Empty where that run cannot be.
  std::optional<double> simulated;
};

struct Compared {
  std::string label;
  Result result;
  std::string adjusted = {}; // "stages.pre-training.tokens = 9.1e12, for ..."; empty: as it stands
  std::optional<H100Equivalents> h100 = std::nullopt;
  std::optional<Validity> validity = std::nullopt; // which measured runs it rests on
};

// A total over replications with common random numbers (failures, inputs, the model's error): of
// each run, and of its ratio to the first,
// replication by replication.
struct PairedTotal {
  std::string quantity;
  std::vector<Quantiles> values, ratios;
};

struct Comparison {
  std::vector<Compared> compared;
  std::string equal = "tokens"; // what the runs have in common
  std::vector<AttributionPair> attributions = {};
  std::size_t replications = 0;
  std::vector<PairedTotal> totals = {};
};

// One quantity of all of them.
struct ComparedRow {
  std::string quantity, unit;                // path
  std::vector<std::optional<double>> values; // by result
  // To the first; empty where one has no value or the first is zero.
  [[nodiscard]] std::optional<double> ratio(std::size_t i) const;
};
// Every quantity that at least one result has, in the order of the first that has it.
std::vector<ComparedRow> compared_rows(const std::vector<Compared>& compared);

// When a run could begin and when it ends. Days are whole days of the calendar but for the run.
struct RunDates {
  Date wanted;         // the first run's first day
  Date start;          // the later of calendar.start, the launch of its chips and their acquisition
  std::string because; // of a start after `wanted`; may be empty
  double waiting_days = 0; // from wanted to start, and for deliveries before stages can begin
  double run_days = 0;     // wall-clock, less that waiting
  double delay_days = 0;   // against the first: waiting + longer run
  Date finish;
};
// By result. Empty when the first has no calendar.start.
std::vector<RunDates> dates_of(const std::vector<Compared>& compared);

// What matrix multiplies run in, port rules applied; by result.
std::vector<std::string> precisions_of(const std::vector<Compared>& compared);

} // namespace sim::report
