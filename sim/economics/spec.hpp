// SPDX-License-Identifier: Apache-2.0
// Prices; export rules and price lists in their own headers.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/economics/export_rule.hpp"
#include "sim/economics/price_list.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::economics {

struct EnergySpec {
  DollarsPerJoule price{};
  double pue = 1.25; // facility energy over equipment energy
  KilogramsPerJoule carbon{};
};

enum class Convention { Rental, Owned };

// Rent is written out or taken from a market's price list; owning can stand beside it.
struct PriceSpec {
  std::optional<DollarsPerGpuSecond> rental;
  std::map<std::string, DollarsPerGpuSecond> rentals; // by pool, before `rental`
  std::string market;                                 // of the price lists
  PriceLevel level = PriceLevel::Typical;
  Date date; // of the price lists; absent: calendar.start
  std::optional<OwnedSpec> owned;
  std::optional<Convention> convention; // absent: rental where there is a rent
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
  v("rental", s.rental, positive, "Rent of one GPU.");
  v("rentals", s.rentals, positive, "Rent of one GPU of a pool by name, instead of rental.");
  v("market", s.market, anything,
    "Instead of rental: country or region whose dated prices of the catalogue hold.");
  v("level", s.level, anything, "With market: low, typical or high.");
  v("date", s.date, anything, "With market: day of the prices; absent: calendar.start.");
  v("owned", s.owned, anything, "What owning the machines costs.");
  v("convention", s.convention, anything,
    "Which of rental and owned totals.cost_usd is; absent: rental where there is a rent.");
  v("energy", s.energy, anything,
    "Electricity: a region of the catalogue, or written out. Reported apart from rent, which "
    "includes it; counted when owned.");
}
template <class V> void fields(V& v, ScopeSpec& s) {
  v("includes", s.includes, anything, "What the total covers.");
  v("excludes", s.excludes, anything, "What it does not.");
}

} // namespace sim::economics

namespace sim {
inline namespace base {
template <> struct EnumNames<economics::Convention> {
  static constexpr std::array names{
      std::pair{economics::Convention::Rental, std::string_view{"rental"}},
      std::pair{economics::Convention::Owned, std::string_view{"owned"}}};
};
template <> inline constexpr std::string_view catalogue_kind<economics::EnergySpec> = "regions";
} // namespace base
} // namespace sim
