// SPDX-License-Identifier: Apache-2.0
// How far a simulated time may be off, by how far measured runs were. The errors of a kind of
// prediction are those of the families that were of this kind when they were predicted: each family
// weighs the same, as rows of one table err together (README.md).
#pragma once

#include "sim/scenario/evidence.hpp"
#include "sim/simulate.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim::study {

// What the measured runs of other families have in common with a prediction.
enum class Familiarity { KnownStack, NewStack, NewChip };
std::string_view name_of(Familiarity familiarity);

// What a prediction is of.
struct Subject {
  std::string chip, stack;
  scenario::Workload workload = scenario::Workload::Dense;
};
// Of a stage; bulk generation is judged as reinforcement learning, which generates.
Subject subject_of(const scenario::Scenario& scenario, const training::StageSpec& stage);
// The same by every pool that it works on: of reinforcement learning, also where it generates.
std::vector<Subject> subjects_of(const scenario::Scenario& scenario,
                                 const training::StageSpec& stage);

// What simulated times are multiplied by at the ends of an interval.
struct Span {
  double low = 1, high = 1;
};

class ModelError {
public:
  explicit ModelError(std::vector<scenario::MeasuredGroup> groups);

  // `family`: left out, as if its rows had not been measured; empty: none.
  [[nodiscard]] Familiarity familiarity_of(const Subject& subject,
                                           const std::string& family = "") const;

  // The least factor f such that measured times lie within [simulated / f, simulated x f] in a
  // share `level` of the cases: of families that were no more familiar for their workload, or of
  // all workloads where there is none. A new chip: of runs under carried constants too. Never
  // less than for what is more familiar. Empty without measured runs.
  [[nodiscard]] std::optional<double> factor(const Subject& subject, double level,
                                             const std::string& family = "") const;
  // The same had nothing been measured on the subject's chip.
  [[nodiscard]] std::optional<double> new_chip_factor(const Subject& subject, double level,
                                                      const std::string& family = "") const;

  // The same of GPU-hours and dollars of a stage of training, which hold what its steps do not:
  // what goes wrong, what runs beside, software and layout that nobody published. Low as for steps;
  // high the quantile (1 + level) / 2 of the signed errors of whole runs, each family weighing the
  // same, not lower than for steps. Empty without measured steps.
  [[nodiscard]] std::optional<Span> run_factors(const Subject& subject, double level,
                                                const std::string& family = "") const;
  [[nodiscard]] std::size_t run_families() const;

  // How many families that rests on.
  [[nodiscard]] std::size_t families(const Subject& subject) const;

  // Of steps, of whole runs, of steps as if their chips were new.
  [[nodiscard]] const std::vector<scenario::MeasuredGroup>& groups() const { return groups_; }
  [[nodiscard]] const std::vector<scenario::MeasuredGroup>& runs() const { return runs_; }
  [[nodiscard]] const std::vector<scenario::MeasuredGroup>& carried() const { return carried_; }

private:
  struct Weighted {
    double error = 0, weight = 0; // weights sum to 1
  };
  using Pool = std::vector<Weighted>;
  // What does not count as measured.
  struct LeftOut {
    std::string family, chip; // empty: none
  };
  // Errors of one kind and of more familiar ones; without a kind: under carried constants.
  [[nodiscard]] Pool pool(scenario::Workload workload, std::optional<Familiarity> kind,
                          const LeftOut& left_out) const;
  [[nodiscard]] std::optional<double> widest(scenario::Workload workload, Familiarity kind,
                                             double level, const LeftOut& left_out) const;

  [[nodiscard]] Pool run_pool(const std::string& family) const;
  static Pool weighted(const std::map<std::string, std::vector<double>>& errors);
  static std::optional<double> quantile(const Pool& pool, double level);

  std::vector<scenario::MeasuredGroup> groups_, runs_, carried_;
  std::vector<Familiarity> familiarity_; // of each group when its family is left out
};

// By stage: the ends of the interval that holds what it takes in a share `level` of the cases; 1
// where nothing was measured. Of steps, a stage's work takes as long as they do; of stages of
// training, what run_factors says.
struct ErrorRange {
  std::vector<training::ErrorFactor> fast, slow;
};
ErrorRange error_range(const ModelError& error, const scenario::Scenario& scenario, double level);

// Of each stage in a replication: the sign and the quantile of the error come from
// RandomStream(seed, "model", replication), one for all stages, which err together.
std::vector<training::ErrorFactor> drawn_factors(const ModelError& error,
                                                 const scenario::Scenario& scenario,
                                                 std::uint64_t seed, std::uint64_t replication);

} // namespace sim::study
