// SPDX-License-Identifier: Apache-2.0
// What the errors of published rows are grouped by: where a group stands out, a mechanism is
// missing or wrong.
#pragma once

#include "sim/simulate.hpp"

#include <string>
#include <utility>
#include <vector>

namespace sim::study {

using Features = std::vector<std::pair<std::string, std::string>>;

// chip, stack, precision, tensor span, pipeline depth, micro-batch, sequence length, scale; of the
// first stage.
Features features_of(const Result& result); // of the layout that ran
Features
features_of(const scenario::Scenario& scenario); // without one: chip, stack, precision, ...

// The entry's name; one that a row changed in some key counts as the entry; the title of one that
// is written out.
std::string entry_name(const std::string& name, const std::string& title);

// Numbers by size, words by alphabet.
struct FeatureOrder {
  bool operator()(const std::string& a, const std::string& b) const;
};

} // namespace sim::study
