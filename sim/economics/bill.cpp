// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/bill.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/time.hpp"
#include "sim/economics/ownership.hpp"

#include <algorithm>

namespace sim::economics {

namespace {

constexpr std::array<hardware::LoadState, load_states> all_states{
    hardware::LoadState::Compute,    hardware::LoadState::Communication,
    hardware::LoadState::Generation, hardware::LoadState::Waiting,
    hardware::LoadState::Checkpoint, hardware::LoadState::Down};

// GPU-seconds x watts per GPU.
Joules energy_of(const PoolUsage& usage) {
  Joules sum{};
  for (const hardware::LoadState state : all_states) {
    const double gpu_seconds = usage.time[static_cast<std::size_t>(state)] / gpu_second;
    sum += gpu_seconds * second * hardware::power_per_gpu(usage.node, state);
  }
  return sum;
}

// Throws where the catalogue has no price list of the pool's accelerator.
const PriceListSpec& list_of(const Market& market, const PoolUsage& pool) {
  const std::string name = list_name(pool.node.accelerator.name);
  const auto found = market.lists.find(name);
  if (found == market.lists.end())
    throw InfeasibleError("price.market", "the catalogue has no prices of '" + name + "'",
                          "write price.rental, or add prices/" + name + ".yaml with --catalog");
  return found->second;
}

DollarsPerGpuSecond rent_of(const PoolUsage& pool, const PriceSpec& price, const Market& market) {
  if (const auto own = price.rentals.find(pool.pool); own != price.rentals.end())
    return own->second;
  if (price.rental)
    return *price.rental;
  if (price.market.empty())
    throw InfeasibleError("price.rentals", "the rent of pool '" + pool.pool + "' is not known",
                          "write price.rentals." + pool.pool + ", or price.rental for all pools");
  const PriceListSpec& list = list_of(market, pool);
  if (const auto rent = rent_on(list, price.market, market.date, price.level))
    return *rent;
  throw InfeasibleError("price.market",
                        "no " + std::string(name_of(price.level)) + " rent of '" +
                            list_name(pool.node.accelerator.name) + "' in " + price.market +
                            " on " + to_text(market.date) + " is known",
                        "known: " + rents_listed(list));
}

// The day from which the machines lose value.
Date acquired_on(const PoolUsage& pool, const OwnedSpec& owned, Date start) {
  return owned.acquired.known() ? owned.acquired : pool.acquired.known() ? pool.acquired : start;
}

Dollars price_of(const PoolUsage& pool, const PriceSpec& price, const Market& market, Date day) {
  if (price.owned->accelerator_price)
    return *price.owned->accelerator_price;
  const PriceListSpec& list = list_of(market, pool);
  if (const auto found = purchase_price_on(list, price.market, day))
    return *found;
  throw InfeasibleError("price.owned",
                        "no purchase price of '" + list_name(pool.node.accelerator.name) + "' in " +
                            (price.market.empty() ? "no market" : price.market) + " on or before " +
                            to_text(day) + " is known",
                        "write price.owned.accelerator_price, or take one of: " +
                            purchases_listed(list));
}

// The lines of owning; adds to the outlay.
std::vector<BillLine> owned_lines(const PoolUsage& pool, const PriceSpec& price,
                                  const Market& market, Dollars& outlay) {
  constexpr double days_per_year = 365.25;
  const OwnedSpec& owned = *price.owned;
  const Date day = acquired_on(pool, owned, market.start);
  double years = 0;
  if (day.known() && market.start.known())
    years =
        std::max(0.0, double(days_from_epoch(market.start) - days_from_epoch(day))) / days_per_year;
  const Ownership cost = ownership(owned, price_of(pool, price, market, day), years);
  outlay += double(pool.gpus) * cost.outlay;
  const GpuSeconds time = pool.total();
  std::vector<BillLine> lines{{"amortisation, pool " + pool.pool, time * cost.amortisation}};
  if (owned.maintenance > 0)
    lines.push_back({"maintenance, pool " + pool.pool, time * cost.maintenance});
  if (owned.people_per_1000_gpus > 0)
    lines.push_back({"staff, pool " + pool.pool, time * cost.staff});
  return lines;
}

Dollars sum_of(const std::vector<BillLine>& lines) {
  Dollars sum{};
  for (const BillLine& line : lines)
    sum += line.amount;
  return sum;
}

void add_rental(const std::vector<PoolUsage>& usage, const PriceSpec& price, const Market& market,
                std::vector<BillLine>& lines, Bill& bill) {
  for (const PoolUsage& pool : usage)
    lines.push_back({"rental, pool " + pool.pool, pool.total() * rent_of(pool, price, market)});
  bill.rental = sum_of(lines);
}

void add_owned(const std::vector<PoolUsage>& usage, const PriceSpec& price, const Market& market,
               std::vector<BillLine>& lines, Bill& bill) {
  Dollars outlay{};
  for (const PoolUsage& pool : usage)
    for (BillLine& line : owned_lines(pool, price, market, outlay))
      lines.push_back(std::move(line));
  lines.push_back({"energy", bill.energy_cost});
  bill.owned_amortised = sum_of(lines);
  bill.acquisition = outlay;
}

// What each pool costs. When owned, electricity is shared by what the machines draw.
void add_pools(const std::vector<PoolUsage>& usage, const PriceSpec& price, const Market& market,
               Bill& bill) {
  for (const PoolUsage& pool : usage) {
    Dollars cost{};
    if (bill.convention == "rental") {
      cost = pool.total() * rent_of(pool, price, market);
    } else {
      Dollars outlay{};
      cost = sum_of(owned_lines(pool, price, market, outlay));
      if (bill.equipment_energy > Joules{})
        cost += bill.energy_cost * (energy_of(pool) / bill.equipment_energy);
    }
    bill.by_pool[pool.pool] = cost;
  }
}

} // namespace

GpuSeconds PoolUsage::total() const {
  GpuSeconds sum{};
  for (const GpuSeconds t : time)
    sum += t;
  return sum;
}

Bill make_bill(const std::vector<PoolUsage>& usage, const PriceSpec& price, const Market& market) {
  Bill bill;
  for (const PoolUsage& pool : usage)
    bill.equipment_energy += energy_of(pool);
  bill.facility_energy = bill.equipment_energy * price.energy->pue;
  bill.energy_cost = bill.facility_energy * price.energy->price;
  bill.carbon = bill.facility_energy * price.energy->carbon;
  const bool rented = price.rental || !price.rentals.empty() ||
                      (!price.market.empty() && price.convention != Convention::Owned);
  if (!rented && !price.owned)
    throw InfeasibleError("price", "nothing says what a GPU costs",
                          "write rental, market or owned");
  std::vector<BillLine> rental, owned;
  if (rented)
    add_rental(usage, price, market, rental, bill);
  if (price.owned)
    add_owned(usage, price, market, owned, bill);
  const bool by_rent = rented && price.convention != Convention::Owned;
  bill.convention = by_rent ? "rental" : "owned_amortised";
  bill.lines = by_rent ? std::move(rental) : std::move(owned);
  bill.total = sum_of(bill.lines);
  add_pools(usage, price, market, bill);
  return bill;
}

} // namespace sim::economics
