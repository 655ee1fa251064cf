// SPDX-License-Identifier: Apache-2.0
// What cannot be, with its place in the text of the scenario that asks for it.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/scenario/load.hpp"

#include <stdexcept>
#include <utility>

namespace sim::study {

// An InfeasibleError with its place in the text (exit 4).
class LocatedInfeasibleError : public std::runtime_error {
public:
  explicit LocatedInfeasibleError(const Diagnostic& diagnostic)
      : std::runtime_error(to_text(diagnostic)) {}
};

// Runs `work` and gives an InfeasibleError from it the place in the scenario's text.
template <class Work> auto located(const scenario::Loaded& loaded, Work&& work) {
  try {
    return work();
  } catch (const InfeasibleError& error) {
    Location place = loaded.locate(error.path());
    if (place.file.empty())
      place.file = loaded.file;
    throw LocatedInfeasibleError({place, error.path() + ": " + error.message(), error.remedy()});
  }
}

} // namespace sim::study
