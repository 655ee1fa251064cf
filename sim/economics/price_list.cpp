// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/price_list.hpp"

namespace sim::economics {

// The last that has begun, unless it has ended.
const RentalQuote* rental_quote_on(const PriceListSpec& list, const std::string& market,
                                   Date date) {
  const RentalQuote* best = nullptr;
  for (const RentalQuote& quote : list.rentals)
    if (quote.market == market && quote.from <= date &&
        (best == nullptr || quote.from >= best->from))
      best = &quote;
  return best != nullptr && best->until.known() && best->until <= date ? nullptr : best;
}

const PurchaseQuote* purchase_quote_on(const PriceListSpec& list, const std::string& market,
                                       Date date) {
  const PurchaseQuote* best = nullptr;
  for (const PurchaseQuote& quote : list.purchases)
    if (quote.market == market && quote.date <= date &&
        (best == nullptr || quote.date >= best->date))
      best = &quote;
  return best;
}

} // namespace sim::economics
