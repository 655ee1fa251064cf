// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/ownership.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/time.hpp"

#include <algorithm>

namespace sim::economics {

namespace {

constexpr Seconds year = 8766 * hour;
constexpr double ln_10 = 2.302585092994046;

} // namespace

std::string list_name(const std::string& accelerator) {
  const std::string mark = " (changed)";
  return accelerator.ends_with(mark) ? accelerator.substr(0, accelerator.size() - mark.size())
                                     : accelerator;
}

std::optional<DollarsPerGpuSecond> rent_on(const PriceListSpec& list, const std::string& market,
                                           Date date, PriceLevel level) {
  const RentalQuote* quote = rental_quote_on(list, market, date);
  if (quote == nullptr)
    return std::nullopt;
  return level == PriceLevel::Low       ? quote->low
         : level == PriceLevel::Typical ? quote->typical
                                        : quote->high;
}

std::optional<Dollars> purchase_price_on(const PriceListSpec& list, const std::string& market,
                                         Date date) {
  const PurchaseQuote* quote = purchase_quote_on(list, market, date);
  return quote == nullptr ? std::nullopt : std::optional(quote->price);
}

std::string rents_listed(const PriceListSpec& list) {
  std::string text;
  for (const RentalQuote& quote : list.rentals)
    text += (text.empty() ? "" : ", ") + quote.market + " from " + to_text(quote.from) +
            (quote.until.known() ? " until " + to_text(quote.until) : "");
  return text.empty() ? "none" : text;
}

std::string purchases_listed(const PriceListSpec& list) {
  std::string text;
  for (const PurchaseQuote& quote : list.purchases)
    text += (text.empty() ? "" : ", ") + quote.market + " " + to_text(quote.date);
  return text.empty() ? "none" : text;
}

Ownership ownership(const OwnedSpec& owned, Dollars accelerator_price, double years) {
  Ownership cost;
  const double gpu = 1;
  const GpuSeconds gpu_year = gpu * year * (gpu_second / second);
  cost.outlay = accelerator_price * owned.server_overhead / (1 - owned.network_share);
  if (owned.decline == Decline::Trend) {
    const double rate = owned.orders_of_magnitude_per_year * ln_10;
    cost.amortisation = cost.outlay * portable_exp(-rate * years) * rate / gpu_year;
  } else if (years * year < owned.life) {
    cost.amortisation = cost.outlay / (owned.life * (gpu_second / second));
  }
  cost.maintenance = cost.outlay * owned.maintenance / gpu_year;
  cost.staff = owned.people_per_1000_gpus / 1000 * owned.person_year / gpu_year;
  return cost;
}

} // namespace sim::economics
