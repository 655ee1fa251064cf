// SPDX-License-Identifier: Apache-2.0
// Keys of the stack that a scenario writes itself and that cannot have an effect on its model and
// layouts. What an entry of the catalogue says is passed over: a stack serves many models.
// So does one that is written out whole, as the canonical text does.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/scenario/check_economics.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/scenario.hpp"

#include <map>
#include <string>
#include <vector>

namespace sim::scenario {

// Which keys the scenario's text writes, and which of them --set and the axes of a study changed.
class Written {
public:
  // Keeps a reference to the places.
  Written(const std::map<std::string, Location>& places, const LoadOptions& options);

  // Whether the key stands in the text while nothing later changed what it depends on: an axis of
  // a study may take the ground from under a key of its base, and so may --set from under a key of
  // the file.
  [[nodiscard]] bool stands(const std::string& key,
                            const std::vector<std::string>& depends_on) const;

  // Whether an axis of a study or a row of a published table set the key.
  [[nodiscard]] bool by_axis(const std::string& key) const;

private:
  const std::map<std::string, Location>& places_;
  std::vector<std::string> sets_, axes_; // key paths
  std::vector<Location> axis_places_;
};

// Also refuses texts longer than the positions that a model has learned, unless an axis or a row
// sets their length: such tables count on models trained anew for each.
void check_effects(const Scenario& scenario, const Written& written, const Say& say);

} // namespace sim::scenario
