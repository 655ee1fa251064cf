// SPDX-License-Identifier: Apache-2.0
// What export rules measure of a chip, and whether a condition on it holds. Three-valued: what
// hangs on a number that nobody published is unknown, neither yes nor no.
#pragma once

#include "sim/economics/export_rule.hpp"
#include "sim/hardware/spec.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sim::economics {

enum class Verdict { No, Yes, Unknown };
Verdict both(Verdict a, Verdict b);
Verdict either(Verdict a, Verdict b);
Verdict opposite(Verdict v);

struct ExportFigures {
  std::string id; // the accelerator's name in the catalogue
  std::map<DataType, double> tpp_by_type;
  double tpp = 0;                // the largest; unrounded
  std::vector<DataType> binding; // all that reach it
  std::optional<SquareMetres> die_area;
  std::optional<double> performance_density;   // TPP per mm2
  BytesPerSecond io_bandwidth, dram_bandwidth; // both directions of all links; memory
  std::optional<hardware::ProductClass> product_class;
  std::optional<bool> sold_in_us;
  std::string maker;
  bool sold = true;
  Date launched;
};

// TPP = dense operations per second / 1e12 x bits of the longest operand, data type by data type
// (15 CFR 774 supplement 1, ECCN 3A090, note 2 to 3A090.a/.b: 2 x MacTOPS x bit length; sparsity is
// not counted); TF32 not beside BF16 or FP16, half their rate at twice the bits. I/O bandwidth:
// scale-up links and PCIe, both directions. Requires: a peak.
ExportFigures export_figures(const hardware::AcceleratorSpec& chip, const std::string& id);

// How many of another chip some chips are worth by rated figures; of a rate that one of them lacks
// there is none.
struct ChipEquivalents {
  std::optional<double> tpp, bf16, fp8; // dense rates
};
struct CountedChip {
  const Named<hardware::AcceleratorSpec>* chip = nullptr;
  double count = 0;
};
// Sum over the chips of count x figure, over the figure of `reference`, which has all of them.
ChipEquivalents equivalents(std::span<const CountedChip> chips,
                            const hardware::AcceleratorSpec& reference);

// A condition on these figures; `dtypes` restricts TPP and density.
Verdict holds(const ConditionSpec& condition, const ExportFigures& figures);
Verdict holds(const PredicateSpec& predicate, const ExportFigures& figures);

// The arithmetic of a predicate on one line: "tpp 15831.2 >= 4800; or tpp 15831.2 >= 1600 and
// performance density 19.45 >= 5.92".
std::string arithmetic(const PredicateSpec& predicate, const ExportFigures& figures);

} // namespace sim::economics
