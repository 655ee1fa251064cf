// SPDX-License-Identifier: Apache-2.0
// Dated prices of one accelerator, and what owning one costs.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::economics {

enum class PriceLevel { Low, Typical, High };
enum class Decline { Trend, StraightLine };

struct RentalQuote {
  std::string market; // country or region: "US", "CN"
  Date from, until;   // until: first day on which it no longer holds
  std::optional<DollarsPerGpuSecond> low, typical, high; // high: list price of hyperscalers
  std::string note;
};
struct PurchaseQuote {
  std::string market;
  Date date;
  Dollars price{}; // of one accelerator, with its share of the server where `note` says so
  std::string note;
};
struct PriceListSpec {
  std::vector<RentalQuote> rentals;
  std::vector<PurchaseQuote> purchases;
};

// Owning, per accelerator. Formulas: README.md.
struct OwnedSpec {
  std::optional<Dollars>
      accelerator_price; // absent: the price list's, in the market, at `acquired`
  double server_overhead = 1;
  double network_share = 0.19;
  Date acquired;
  Decline decline = Decline::Trend;
  double orders_of_magnitude_per_year = 0.14;
  Seconds life = 4 * 8766 * hour;
  double maintenance = 0;
  double people_per_1000_gpus = 0;
  Dollars person_year{};
};

// The rent quote of the market that holds on the day, and the newest purchase quote that is not
// after it; null when there is none.
const RentalQuote* rental_quote_on(const PriceListSpec& list, const std::string& market, Date date);
const PurchaseQuote* purchase_quote_on(const PriceListSpec& list, const std::string& market,
                                       Date date);

template <class V> void fields(V& v, RentalQuote& s) {
  v("market", s.market, required(), "Country or region.");
  v("from", s.from, required(), "First day.");
  v("until", s.until, anything, "First day on which it no longer holds; absent: the next quote.");
  v("low", s.low, positive, "Cheapest seen: long contracts, small providers.");
  v("typical", s.typical, positive, "Typical.");
  v("high", s.high, positive, "List price of hyperscalers.");
  v("note", s.note, anything, "For people.");
}
template <class V> void fields(V& v, PurchaseQuote& s) {
  v("market", s.market, required(), "Country or region.");
  v("date", s.date, required(), "Day of the quote.");
  v("price", s.price, required(positive), "Of one accelerator.");
  v("note", s.note, anything, "What is in it.");
}
template <class V> void fields(V& v, PriceListSpec& s) {
  v("rentals", s.rentals, anything, "Rents by market and date.");
  v("purchases", s.purchases, anything, "Purchase prices by market and date.");
}
template <class V> void fields(V& v, OwnedSpec& s) {
  v("accelerator_price", s.accelerator_price, positive,
    "Of one accelerator; absent: the newest of `market` in the price list when acquired.");
  v("server_overhead", s.server_overhead, at_least_one,
    "Price of the server over that of its accelerators; 1: the price holds the server.");
  v("network_share", s.network_share, Rule{.low = 0, .high = 0.9},
    "Network's share of server and network together.");
  v("acquired", s.acquired, anything, "Day of purchase; absent: the pool's, else the start.");
  v("decline", s.decline, anything, "How the value falls.");
  v("orders_of_magnitude_per_year", s.orders_of_magnitude_per_year, positive,
    "Decline trend: orders of magnitude that the value loses a year.");
  v("life", s.life, positive, "Decline straight-line: years of service, as days.");
  v("maintenance", s.maintenance, fraction, "A year's, as a share of the purchase price.");
  v("people_per_1000_gpus", s.people_per_1000_gpus, non_negative, "Staff that runs the cluster.");
  v("person_year", s.person_year, non_negative, "A person's cost, one year.");
}

} // namespace sim::economics

namespace sim {
inline namespace base {
template <> struct EnumNames<economics::PriceLevel> {
  static constexpr std::array names{
      std::pair{economics::PriceLevel::Low, std::string_view{"low"}},
      std::pair{economics::PriceLevel::Typical, std::string_view{"typical"}},
      std::pair{economics::PriceLevel::High, std::string_view{"high"}}};
};
template <> struct EnumNames<economics::Decline> {
  static constexpr std::array names{
      std::pair{economics::Decline::Trend, std::string_view{"trend"}},
      std::pair{economics::Decline::StraightLine, std::string_view{"straight-line"}}};
};
template <> inline constexpr std::string_view catalogue_kind<economics::PriceListSpec> = "prices";
} // namespace base
} // namespace sim
