// SPDX-License-Identifier: Apache-2.0
// Prices.
#pragma once

#include "sim/base/fields.hpp"

#include <string>
#include <vector>

namespace sim::economics {

struct EnergySpec {
  DollarsPerJoule price{};
  double pue = 1.25; // facility energy over equipment energy
  KilogramsPerJoule carbon{};
};

struct PriceSpec {
  DollarsPerGpuSecond rental{};
  Named<EnergySpec> energy;
};

// What the dollars cover; printed beside them.
struct ScopeSpec {
  std::vector<std::string> includes, excludes;
};

template <class V> void fields(V& v, EnergySpec& s) {
  v("price", s.price, non_negative, "Price of electricity.");
  v("pue", s.pue, at_least_one, "Power usage effectiveness: facility over equipment.");
  v("carbon", s.carbon, non_negative, "Carbon intensity of the grid.");
}
template <class V> void fields(V& v, PriceSpec& s) {
  v("rental", s.rental, required(positive), "Rent of one GPU.");
  v("energy", s.energy, anything,
    "Electricity: a region of the catalogue, or written out. Reported apart, the rent includes "
    "it.");
}
template <class V> void fields(V& v, ScopeSpec& s) {
  v("includes", s.includes, anything, "What the total covers.");
  v("excludes", s.excludes, anything, "What it does not.");
}

} // namespace sim::economics

namespace sim {
inline namespace base {
template <> inline constexpr std::string_view catalogue_kind<economics::EnergySpec> = "regions";
} // namespace base
} // namespace sim
