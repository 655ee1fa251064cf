// SPDX-License-Identifier: Apache-2.0
// Shapley values of a game that is given by its value for every subset (L. S. Shapley, A value for
// n-person games, 1953), in whole numbers so that they add up.
#pragma once

#include <cstdint>
#include <vector>

namespace sim::study {

struct ShapleyShare {
  double share = 0;
  double least = 0, most = 0; // of one player's contribution, over all orders
};

struct ShapleyShares {
  double from = 0, to = 0; // of no player and of all
  std::vector<ShapleyShare> players;
};

// The unit in which values below `largest` in size are counted: a power of two, so that sums of
// some such numbers are exact in double precision.
double exact_unit(double largest);

// values[s]: of the players whose bits s has; as many as 2^players, at most 12 players. Values are
// rounded to whole units first. Shares are whole units too, by largest remainder, and their sum is
// exactly to - from.
ShapleyShares shapley(const std::vector<double>& values, double unit);

} // namespace sim::study
