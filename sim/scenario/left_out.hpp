// SPDX-License-Identifier: Apache-2.0
// The leave-one-family-out error, which takes minutes to compute and is therefore kept: the
// catalogue's list left-out.yaml, written by tools/calibrate --record.
#pragma once

#include "sim/base/fields.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace sim::scenario {

struct LeftOutRecord {
  std::string date;   // of the computation
  std::string inputs; // calibration_inputs() then
  double score = 0;   // held-out mean of all families then, in percent
  std::int64_t values = 0;
  double left_out = 0, fitted = 0; // mean errors, in percent
};
template <class V> void fields(V& v, LeftOutRecord& s) {
  v("date", s.date, required(), "Day of the computation.");
  v("inputs", s.inputs, required(), "Hash of fitted.yaml and the published tables then.");
  v("score", s.score, required(), "Mean error of held-out rows then, in percent.");
  v("values", s.values, required(), "Published values, fitted ones too.");
  v("left_out", s.left_out, required(),
    "Mean error in percent, each family by constants fitted without it.");
  v("fitted", s.fitted, required(), "Mean error in percent, constants fitted on all families.");
}

// Empty where nothing was kept. Throws ScenarioError.
std::optional<LeftOutRecord> load_left_out();

// FNV-1a 64 of the built-in fitted.yaml and published tables, lines of comments aside, in
// hexadecimal.
std::string calibration_inputs();

} // namespace sim::scenario
