// SPDX-License-Identifier: Apache-2.0
// How well published runs are predicted: values, not yet text. Filled by study/score, printed by
// score_writer. Errors are in percent, 100 (simulated - published) / published.
#pragma once

#include "sim/scenario/evidence.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sim::report {

enum class RowOutcome {
  Predicted,
  Infeasible, // the simulator says that it cannot be, although it was measured
  Unsupported // the language cannot express it yet
};

// How a quantity goes with speed: a time falls with it, a rate grows, the rest (memory) does not
// care.
enum class Pace { None, Time, Rate };

struct ScoredValue {
  std::string quantity, unit;
  scenario::PublishedRole role = scenario::PublishedRole::HeldOut;
  double published = 0;
  std::optional<double> simulated; // empty where the row was not predicted
  std::optional<double> error_percent;
  Pace pace = Pace::None;
  bool of_step = false; // a time or rate of one training step, not of a whole run
  bool of_run = false;  // GPU-hours of a run, or what they cost
  // The error that the time has: of a rate, 100 (published - simulated) / simulated. Positive:
  // slower than measured. Empty for the rest.
  [[nodiscard]] std::optional<double> time_error_percent() const {
    if (pace == Pace::None || !error_percent || !simulated || *simulated == 0)
      return std::nullopt;
    return pace == Pace::Time ? *error_percent : 100 * (published - *simulated) / *simulated;
  }
  // What a constant MFU says in place of the simulator, with its error; empty for quantities that
  // do not follow from time.
  std::optional<double> baseline_error_percent;
};

// What was measured, as the errors of its kind are looked up.
struct MeasuredSetup {
  std::string chip, stack, kernels; // entries of the catalogue
  scenario::Workload workload = scenario::Workload::Dense;
  std::int64_t gpus = 0;
  double parameters = 0;
};

struct ScoredRow {
  std::string family, label;
  Location place;
  RowOutcome outcome = RowOutcome::Predicted;
  std::string reason; // why it is not predicted
  std::vector<ScoredValue> values;
  // What residuals are grouped by: {"chip", "a100-sxm-80"}, {"tensor span", "within a node"}, ...
  std::vector<std::pair<std::string, std::string>> features;
  std::optional<MeasuredSetup> setup; // of a row with stages that was predicted and is evidence
};

// Of held-out values that were predicted.
struct ErrorStatistics {
  std::size_t values = 0;
  double mean = 0, median = 0, p90 = 0; // of absolute errors
  double worst = 0;                     // the one farthest from 0, with its sign
  double bias = 0;                      // mean of signed errors
};

struct FamilyScore {
  std::string name;
  std::size_t rows = 0, unsupported = 0, infeasible = 0;
  ErrorStatistics errors;
  std::optional<double> baseline_mean; // the rows that have an MFU, by one MFU fitted on them
  std::optional<double> baseline_mfu;  // causal attention, dense BF16 peak
};

struct ResidualGroup {
  std::string feature, value;
  ErrorStatistics errors;
};

// Of the 90 % intervals, each family's from the errors of the other families.
struct Coverage {
  std::string workload; // "dense", ..., "all"
  std::size_t covered = 0, runs = 0;
};

// Of all built-in tables, kept from tools/calibrate: mean errors in percent, fitted values counted
// too.
struct LeftOut {
  std::string date;
  std::size_t values = 0;
  double mean = 0;   // each family by constants that were fitted without it
  double fitted = 0; // constants fitted on all families
  bool stale = false;
};

struct Score {
  std::optional<LeftOut> left_out;
  std::string inputs; // hash of what constants were fitted on; of all built-in tables alone
  std::vector<FamilyScore> families;
  // Every family's rows, each with its own family's baseline where an MFU speaks of the quantity;
  // times, and rates as the times that they imply.
  FamilyScore all;
  std::vector<ScoredRow> rows;
  std::vector<Coverage> coverage;
  Coverage run_coverage;                // of the intervals of hours and dollars of whole runs
  std::vector<ResidualGroup> residuals; // by feature, then value; rates as times
};

} // namespace sim::report
