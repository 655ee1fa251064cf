// SPDX-License-Identifier: Apache-2.0
// How a quantity came about: by which formula, from which other quantities, down to kernels and to
// the numbers that were read, each with its source.
#pragma once

#include "sim/report/quantities.hpp"
#include "sim/scenario/load.hpp"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace sim::report {

// A number that a quantity is made of, and that is no quantity of the result itself.
struct Term {
  std::string what; // "standard deviation of a rank's step"
  double value = 0;
  std::string unit;
};

// One link of the chain. A quantity that was explained above is not explained again.
struct Explanation {
  std::string path;   // "stages.pre-training.step_time_s"
  std::string column; // "step_time_s"
  double value = 0;
  std::string unit;
  std::string formula; // in words and columns; or what the column means
  bool seen = false;   // explained elsewhere in the chain
  std::vector<Explanation> from;
  std::vector<Term> terms;
  // Of `result`: the kernels it is made of, the idle time of its ranks, what ranks communicate in
  // one dimension (the last two have no kernels).
  const execution::Inventory* inventory = nullptr;
  BytesPerSecond bandwidth{}; // of the device memory under those kernels
  const execution::Inventory* idle = nullptr;
  std::vector<const execution::CollectiveUse*> operations;
  std::span<const plan::MemoryPlan> memory; // of `result`: what each pipeline rank needs
};

// The path must exist (find_column). Throws InfeasibleError for one without a value. `result` must
// outlive it.
Explanation explain(const Result& result, const std::string& path);

// Numbers that a quantity can rest on: prices only where it is of money, the run's failures only
// where it is of the run, of kernels those that the run's stages (or the one stage that it is of)
// call for: by precision, implementation of attention, and decoding where something is generated.
std::vector<scenario::Input> inputs_of(const Explanation& explanation, const Result& result,
                                       const std::vector<scenario::Input>& inputs);

// By key path of an input: percent that the quantity changes where the input grows by one percent.
using Elasticities = std::map<std::string, double>;

std::string explanation_text(const Explanation& explanation,
                             const std::vector<scenario::Input>& inputs,
                             const Elasticities& elasticities);
std::string explanation_json(const Explanation& explanation,
                             const std::vector<scenario::Input>& inputs,
                             const Elasticities& elasticities);

} // namespace sim::report
