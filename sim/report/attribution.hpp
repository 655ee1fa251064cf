// SPDX-License-Identifier: Apache-2.0
// What of the difference between two runs each of their properties makes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sim::report {

struct AttributionShare {
  std::string key;            // "scale-up"
  std::string label;          // "NVLink (scale-up)"
  std::string change;         // "200 GB/s -> 450 GB/s"; may be empty
  double share = 0;           // Shapley value: mean over all orders in which properties can change
  double least = 0, most = 0; // over these orders
};

// Numbers are whole multiples of one power of two, about 2^-47 of the largest: from + the sum of
// the shares, in any order, equals `to` to the last bit. `from` and `to` are the runs' own numbers
// to that precision.
struct Attribution {
  std::string quantity, unit;
  double from = 0, to = 0;
  // Every property that differs, in one fixed order; last the layout: what each run's own layout
  // takes beside the layouts of `method`.
  std::vector<AttributionShare> shares;
};

struct AttributionTable {
  std::string method; // "frozen", "reoptimised"
  std::vector<Attribution> quantities;
  std::size_t subsets = 0;   // of the properties that differ
  std::size_t simulated = 0; // runs; the other subsets differ in prices and power alone
};

struct AttributionPair {
  std::string first, second; // labels
  std::vector<AttributionTable> tables;
  std::vector<std::string> notes;
};

} // namespace sim::report
