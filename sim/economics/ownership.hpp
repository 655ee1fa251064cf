// SPDX-License-Identifier: Apache-2.0
// Dated prices out of a price list, and what owning an accelerator costs an hour.
#pragma once

#include "sim/economics/price_list.hpp"

#include <optional>
#include <string>

namespace sim::economics {

// The catalogue's name of an accelerator, whether it was changed in place or not.
std::string list_name(const std::string& accelerator);

// The rent that holds on the day; empty when the list has none in the market then, or not at that
// level.
std::optional<DollarsPerGpuSecond> rent_on(const PriceListSpec& list, const std::string& market,
                                           Date date, PriceLevel level);
// The newest purchase price in the market that is not after the day; empty when there is none.
std::optional<Dollars> purchase_price_on(const PriceListSpec& list, const std::string& market,
                                         Date date);
// "CN from 2023-03-01, US from 2024-01-01": what a list has, for a diagnostic.
std::string rents_listed(const PriceListSpec& list);
std::string purchases_listed(const PriceListSpec& list);

// Per GPU with its share of server and network:
//   outlay = accelerator_price x server_overhead / (1 - network_share)
//   trend:         outlay x 10^(-d t) x d ln 10 a year, d orders of magnitude a year, t years from
//                  purchase to the day (arXiv 2405.21015, appendix A.2)
//   straight line: outlay / life, nothing beyond it
struct Ownership {
  Dollars outlay{};                   // of one GPU
  DollarsPerGpuSecond amortisation{}; // of server and network, on the day
  DollarsPerGpuSecond maintenance{}, staff{};
};
// Requires a price. `years` from the purchase to the day, at least 0.
Ownership ownership(const OwnedSpec& owned, Dollars accelerator_price, double years);

} // namespace sim::economics
