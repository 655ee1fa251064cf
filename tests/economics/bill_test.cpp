// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/economics/bill.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using economics::Bill;
using economics::PoolUsage;
using economics::PriceSpec;

namespace {

constexpr auto down = static_cast<std::size_t>(hardware::LoadState::Down);

hardware::NodeSpec node_of_eight() {
  hardware::NodeSpec node;
  node.accelerators = 8;
  node.power = 8000 * watt;
  node.idle_power = 1600 * watt;
  return node;
}

PriceSpec two_dollars() {
  PriceSpec price;
  price.rental = 2 * dollar_per_gpu_hour;
  return price;
}

PoolUsage usage_of(std::size_t state, GpuSeconds time) {
  PoolUsage usage;
  usage.pool = "main";
  usage.node = node_of_eight();
  usage.time[state] = time;
  return usage;
}

} // namespace

TEST_CASE("rental is GPU time times the price") {
  // The published arithmetic of DeepSeek-V3: 2,788 thousand GPU-hours at 2 USD are 5.576 million
  // USD.
  const Bill bill = economics::make_bill({usage_of(0, 2788e3 * gpu_hour)}, two_dollars());
  CHECK(bill.total / dollar == Approx(5.576e6).epsilon(1e-12));
  REQUIRE(bill.lines.size() == 1);
  CHECK(bill.lines[0].label == "rental, pool main");
  CHECK(bill.convention == "rental");
}

TEST_CASE(
    "energy is time times power per GPU, facility energy times PUE, money and carbon follow") {
  PriceSpec price = two_dollars();
  price.energy->pue = 1.5;
  price.energy->price = 0.1 * dollar / kilowatt_hour;
  price.energy->carbon = 0.5 * kilogram / kilowatt_hour;
  for (std::size_t state = 0; state < economics::load_states; ++state) {
    const Bill bill = economics::make_bill({usage_of(state, 1000 * gpu_hour)}, price);
    const Watts power =
        hardware::power_per_gpu(node_of_eight(), static_cast<hardware::LoadState>(state));
    CHECK(bill.equipment_energy / kilowatt_hour == Approx(power / kilowatt * 1000));
    CHECK(bill.facility_energy / kilowatt_hour == Approx(power / kilowatt * 1500));
    CHECK(bill.energy_cost / dollar == Approx(power / kilowatt * 150));
    CHECK(bill.carbon / kilogram == Approx(power / kilowatt * 750));
    // Between idle (1600 W / 8) and full load (8000 W / 8).
    CHECK(power / watt >= 200 - 1e-9);
    CHECK(power / watt <= 1000 + 1e-9);
  }
}

TEST_CASE("the rent covers the electricity: the total does not move with its price") {
  PriceSpec price = two_dollars();
  const Bill without = economics::make_bill({usage_of(0, 10 * gpu_hour)}, price);
  price.energy->price = 1 * dollar / kilowatt_hour;
  const Bill with = economics::make_bill({usage_of(0, 10 * gpu_hour)}, price);
  CHECK(with.total == without.total);
  CHECK(with.energy_cost > without.energy_cost);
}

TEST_CASE("the bill is the sum of its lines and linear in price and time") {
  RandomStream random(7, "tests/bill");
  for (int round = 0; round < 200; ++round) {
    std::vector<PoolUsage> usage;
    const std::uint64_t pools = 1 + random.below(4);
    GpuSeconds time{};
    for (std::uint64_t i = 0; i < pools; ++i) {
      PoolUsage pool = usage_of(down, 0 * gpu_second);
      pool.pool = "p" + std::to_string(i);
      for (GpuSeconds& t : pool.time)
        t = random.uniform() * 1e9 * gpu_second;
      time += pool.total();
      usage.push_back(pool);
    }
    PriceSpec price = two_dollars();
    const Bill bill = economics::make_bill(usage, price);
    REQUIRE(bill.lines.size() == pools);
    Dollars sum{};
    for (const economics::BillLine& line : bill.lines)
      sum += line.amount;
    CHECK(bill.total == sum);
    CHECK(bill.total / dollar == Approx(time / gpu_hour * 2).epsilon(1e-12));
    *price.rental *= 3;
    const Bill dearer = economics::make_bill(usage, price);
    CHECK(dearer.total / dollar == Approx(3 * (bill.total / dollar)).epsilon(1e-12));
    CHECK(dearer.equipment_energy == bill.equipment_energy);
  }
}

TEST_CASE("each pool at its own rent") {
  std::vector<PoolUsage> usage{usage_of(0, 1000 * gpu_hour), usage_of(2, 3000 * gpu_hour)};
  usage[1].pool = "rollout";
  PriceSpec price;
  price.rentals["rollout"] = 1.1 * dollar_per_gpu_hour;
  CHECK_THROWS_AS(economics::make_bill(usage, price), InfeasibleError); // main has none
  price.rental = 2 * dollar_per_gpu_hour;
  const Bill bill = economics::make_bill(usage, price);
  CHECK(bill.total / dollar == Approx(2000 + 3300));
  CHECK(bill.by_pool.at("main") / dollar == Approx(2000));
  CHECK(bill.by_pool.at("rollout") / dollar == Approx(3300));
  CHECK(bill.rental == bill.total);
}

TEST_CASE("what is owned is shared by pool, electricity by what each draws") {
  std::vector<PoolUsage> usage{usage_of(0, 1000 * gpu_hour), usage_of(down, 1000 * gpu_hour)};
  usage[1].pool = "rollout";
  PriceSpec price;
  price.owned.emplace();
  price.owned->accelerator_price = 30000 * dollar;
  price.energy->price = 0.1 * dollar / kilowatt_hour;
  const Bill bill = economics::make_bill(usage, price);
  CHECK((bill.by_pool.at("main") + bill.by_pool.at("rollout")) / bill.total == Approx(1));
  CHECK(bill.by_pool.at("main") > bill.by_pool.at("rollout"));
}

TEST_CASE("no usage costs nothing") {
  const Bill bill = economics::make_bill({}, two_dollars());
  CHECK(bill.total == Dollars{});
  CHECK(bill.lines.empty());
  CHECK(bill.facility_energy == Joules{});
}
