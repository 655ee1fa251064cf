// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/economics/bill.hpp"
#include "sim/economics/ownership.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::economics;

namespace {

PoolUsage usage(GpuSeconds time) {
  PoolUsage pool;
  pool.pool = "main";
  pool.node.accelerators = 8;
  pool.node.accelerator.name = "h100-sxm";
  pool.node.power = 8000 * watt;
  pool.node.idle_power = 1600 * watt;
  pool.gpus = 64;
  pool.time[0] = time;
  return pool;
}

OwnedSpec owned(double price) {
  OwnedSpec spec;
  spec.accelerator_price = price * dollar;
  return spec;
}

PriceListSpec list() {
  PriceListSpec made;
  made.rentals = {
      {"US", {2024, 1, 1}, {2025, 1, 1}, 2 * dollar_per_gpu_hour, 3 * dollar_per_gpu_hour, {}, ""},
      {"US", {2025, 1, 1}, {}, {}, 2.5 * dollar_per_gpu_hour, {}, ""},
      {"CN", {2024, 6, 1}, {2025, 6, 1}, {}, 4 * dollar_per_gpu_hour, {}, ""}};
  made.purchases = {{"US", {2023, 1, 1}, 30000 * dollar, ""},
                    {"US", {2024, 1, 1}, 25000 * dollar, ""}};
  return made;
}

} // namespace

TEST_CASE("amortisation per GPU-hour as Epoch AI's method has it") {
  // 0.14 orders of magnitude a year, network 0.19 of server and network; worked by hand:
  // price / 0.81 x 0.14 ln 10 / 8766.
  const double expected[][2] = {{18549, 0.842}, {41217, 1.871}, {34965, 1.587}, {20690, 0.939}};
  for (const auto& [price, per_hour] : expected) {
    const Ownership cost = ownership(owned(price), price * dollar, 0);
    CHECK(cost.amortisation / dollar_per_gpu_hour == Approx(per_hour).epsilon(1e-3));
    CHECK(cost.outlay / dollar == Approx(price / 0.81));
  }
  // A year later everything is worth 10^-0.14 of it.
  const Ownership now = ownership(owned(1e4), 1e4 * dollar, 0),
                  later = ownership(owned(1e4), 1e4 * dollar, 1);
  CHECK(later.amortisation / now.amortisation == Approx(std::pow(10, -0.14)));
}

TEST_CASE("straight line: the outlay over the life, and nothing beyond") {
  OwnedSpec spec = owned(8766);
  spec.decline = Decline::StraightLine;
  spec.network_share = 0;
  spec.life = 4 * 8766 * hour;
  CHECK(ownership(spec, 8766 * dollar, 0).amortisation / dollar_per_gpu_hour == Approx(0.25));
  CHECK(ownership(spec, 8766 * dollar, 3.9).amortisation / dollar_per_gpu_hour == Approx(0.25));
  CHECK(ownership(spec, 8766 * dollar, 4).amortisation == DollarsPerGpuSecond{});
  spec.maintenance = 0.1;
  spec.people_per_1000_gpus = 2;
  spec.person_year = 8766e3 * dollar;
  CHECK(ownership(spec, 8766 * dollar, 0).maintenance / dollar_per_gpu_hour == Approx(0.1));
  CHECK(ownership(spec, 8766 * dollar, 0).staff / dollar_per_gpu_hour == Approx(2));
}

TEST_CASE("dated prices: the quote of the market that holds on the day, or none") {
  const PriceListSpec prices = list();
  const auto rent = [&](const char* market, Date date, PriceLevel level) {
    const auto found = rent_on(prices, market, date, level);
    return found ? *found / dollar_per_gpu_hour : -1;
  };
  CHECK(rent("US", {2024, 6, 1}, PriceLevel::Typical) == Approx(3));
  CHECK(rent("US", {2024, 6, 1}, PriceLevel::Low) == Approx(2));
  CHECK(rent("US", {2025, 1, 1}, PriceLevel::Typical) == Approx(2.5));
  CHECK(rent("US", {2030, 1, 1}, PriceLevel::Typical) == Approx(2.5)); // no end is said
  CHECK(rent("CN", {2024, 6, 1}, PriceLevel::Typical) == Approx(4));
  CHECK(rent("US", {2023, 12, 31}, PriceLevel::Typical) == -1);
  CHECK(rent("US", {2024, 6, 1}, PriceLevel::High) == -1);
  CHECK(rent("CN", {2025, 6, 1}, PriceLevel::Typical) == -1);
  CHECK(rent("JP", {2024, 6, 1}, PriceLevel::Typical) == -1);
  CHECK(*purchase_price_on(prices, "US", {2023, 6, 1}) / dollar == Approx(30000));
  CHECK(*purchase_price_on(prices, "US", {2024, 1, 1}) / dollar == Approx(25000));
  CHECK_FALSE(purchase_price_on(prices, "US", {2022, 12, 31}));
  CHECK(list_name("h100-sxm (changed)") == "h100-sxm");
}

TEST_CASE("a bill by market prices, by ownership, or both") {
  const Market market{{{"h100-sxm", list()}}, {2024, 6, 1}, {}};
  PriceSpec price;
  price.market = "US";
  const Bill rented = make_bill({usage(1000 * gpu_hour)}, price, market);
  CHECK(rented.total / dollar == Approx(3000));
  CHECK(rented.convention == "rental");
  CHECK_FALSE(rented.acquisition);

  price.owned = owned(16200);
  price.energy->price = 0.1 * dollar / kilowatt_hour;
  const Bill both = make_bill({usage(1000 * gpu_hour)}, price, market);
  CHECK(both.total / dollar == Approx(3000)); // the rent is the convention where there is one
  CHECK(*both.acquisition / dollar == Approx(64 * 20000));
  price.convention = Convention::Owned;
  const Bill bought = make_bill({usage(1000 * gpu_hour)}, price, market);
  CHECK(bought.convention == "owned_amortised");
  CHECK_FALSE(bought.rental);
  CHECK(bought.total / dollar ==
        Approx(1000 * 20000 * 0.14 * std::log(10) / 8766 + bought.energy_cost / dollar));
  CHECK(bought.total == *both.owned_amortised);
  Dollars sum{};
  for (const BillLine& line : bought.lines)
    sum += line.amount;
  CHECK(sum == bought.total);
}

TEST_CASE("machines bought earlier have lost value by the day of the run") {
  PriceSpec price;
  price.owned = owned(10000);
  price.owned->acquired = {2022, 6, 2};
  PoolUsage pool = usage(1000 * gpu_hour);
  const Market today{{}, {}, {2024, 6, 1}}; // 730 days later
  const Dollars old = make_bill({pool}, price, today).total;
  price.owned->acquired = {};
  pool.acquired = {2022, 6, 2}; // the pool's day holds where the price has none
  CHECK(make_bill({pool}, price, today).total == old);
  pool.acquired = {};
  const Dollars fresh = make_bill({pool}, price, today).total;
  CHECK(old / fresh == Approx(std::pow(10, -0.14 * 730 / 365.25)));
}

TEST_CASE("a price that nobody knows is an error that says what there is") {
  PriceSpec price;
  const auto message = [&](const Market& market) {
    try {
      static_cast<void>(make_bill({usage(1 * gpu_hour)}, price, market));
      return std::string();
    } catch (const InfeasibleError& error) {
      return error.path() + ": " + error.message() + "; " + error.remedy();
    }
  };
  CHECK(message({}).find("nothing says what a GPU costs") != std::string::npos);
  price.market = "US";
  CHECK(message({}).find("price.market: the catalogue has no prices of 'h100-sxm'") == 0);
  const Market early{{{"h100-sxm", list()}}, {2020, 1, 1}, {2020, 1, 1}};
  CHECK(message(early).find("no typical rent of 'h100-sxm' in US on 2020-01-01 is known; known: US "
                            "from 2024-01-01 until 2025-01-01") != std::string::npos);
  price.convention = Convention::Owned;
  price.owned = OwnedSpec{};
  CHECK(message(early).find("no purchase price of 'h100-sxm' in US on or before 2020-01-01") !=
        std::string::npos);
}
