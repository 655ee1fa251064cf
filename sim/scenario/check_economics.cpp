// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check_economics.hpp"
#include "sim/base/country.hpp"

#include <algorithm>

namespace sim::scenario {

namespace {

void check_power_limit(const hardware::AcceleratorSpec& chip, const std::string& place,
                       const Say& say) {
  if (!chip.power_limit)
    return;
  const auto need = [&](bool known, const char* key, const std::string& value) {
    if (!known)
      say(place + key, "it is not known, and power_limit of the accelerator needs it",
          "write " + value + ", or leave out power_limit");
  };
  need(chip.power > Watts{}, "power", "power: 700 W");
  need(chip.idle_power > Watts{}, "idle_power", "idle_power: 75 W");
  need(chip.kernels->power_curve.has_value(), "kernels.power_curve",
       "power_curve: {voltage_floor: 0.7}");
  if (chip.power > Watts{} &&
      (*chip.power_limit > chip.power || *chip.power_limit <= chip.idle_power))
    say(place + "power_limit", "the limit is not between power without work and rated power",
        "must be above idle_power and not above power");
}

} // namespace

void check_accelerator(const hardware::NodeSpec& node, const plan::PortSpec& port,
                       const std::string& path, const Say& say) {
  const hardware::AcceleratorSpec& chip = node.accelerator.spec;
  const std::string place = path + ".accelerator.";
  const std::string name = node.accelerator.name.empty() ? "" : " '" + node.accelerator.name + "'";
  const auto need = [&](bool known, const char* key, const std::string& example) {
    if (!known)
      say(place + key,
          "it is not known of the accelerator" + name + ", and the simulation needs it",
          "write " + std::string(key) + ": " + example +
              ", or take a chip that runs were measured on");
  };
  if (chip.peak.empty())
    say(place + "peak", "no precision is given", "write peak: {bf16: 989 TFLOP/s}");
  if (chip.kernels.spec.gemm.empty())
    say(place + "kernels.gemm",
        "no precision is given: nobody measured kernels of the accelerator" + name,
        "write kernels: unmeasured, the bounds over all measured chips: accelerator: {extends: " +
            (node.accelerator.name.find_first_of(" ") == std::string::npos &&
                     !node.accelerator.name.empty()
                 ? node.accelerator.name
                 : "...") +
            ", kernels: unmeasured}; or those of a measured chip by name; or gemm: {bf16: "
            "{peak_fraction: ...}}");
  need(chip.streaming_multiprocessors > 0, "streaming_multiprocessors", "132");
  need(chip.special_function_peak > FlopsPerSecond{}, "special_function_peak", "3.9 TFLOP/s");
  const bool carried = port.scale_up == plan::PortScaleUp::Pcie && node.pcie &&
                       chip.scale_up_bandwidth == BytesPerSecond{};
  if (node.accelerators > 1 && node.scale_up != hardware::ScaleUpWiring::Pcie && !carried) {
    if (chip.scale_up_bandwidth == BytesPerSecond{})
      say(place + "scale_up_bandwidth",
          "the accelerator" + name + " has no links of its own, or none that is known",
          "write scale_up_bandwidth: 450 GB/s, or port: {scale_up: pcie} with a node that has "
          "pcie");
    need(chip.scale_up_efficiency > 0, "scale_up_efficiency", "0.8");
  }
  if (chip.power > Watts{} && chip.idle_power > chip.power)
    say(place + "idle_power", "more power without work than with it", "must not be above power");
  check_power_limit(chip, place, say);
}

void check_price(const Scenario& scenario, const Say& say) {
  const economics::PriceSpec& price = scenario.price;
  const bool market = !price.market.empty();
  if (price.rental && market)
    say("price.market", "the rent is said twice", "leave out rental or market");
  const bool rent = price.rental || market || !price.rentals.empty();
  for (const auto& entry : price.rentals) {
    const auto& pools = scenario.cluster.pools;
    if (pools.empty() ? entry.first != "main" : !pools.contains(entry.first))
      say("price.rentals." + entry.first, "the cluster has no pool '" + entry.first + "'",
          "name a pool of cluster.pools");
  }
  if (!rent && !price.owned)
    say("price", "nothing says what a GPU costs",
        "write rental: 2 USD/GPU-hour, market: US, or owned: {...}");
  if (market && !price.date.known() && !scenario.calendar.start.known())
    say("price.date", "dated prices need a day", "write date, or calendar: {start: ...}");
  if (!price.owned)
    return;
  if (!price.owned->accelerator_price && !scenario.calendar.start.known() &&
      !price.owned->acquired.known())
    say("price.owned.acquired", "the price list needs a day",
        "write acquired, or calendar: {start: ...}");
  if (!price.owned->accelerator_price && !market)
    say("price.owned.accelerator_price", "nothing says what an accelerator costs",
        "write it, or market: US for the price list");
  if (price.energy->price <= DollarsPerJoule{})
    say("price.energy",
        "whoever owns the machines pays for electricity, and its price is not given",
        "write energy: us, another region of the catalogue, or {price: 0.08 USD/kWh, ...}");
  if (price.owned->people_per_1000_gpus > 0 && price.owned->person_year <= Dollars{})
    say("price.owned.person_year", "the staff's cost is not given",
        "write person_year: 250000 USD");
  if (price.convention == economics::Convention::Rental && !rent)
    say("price.convention", "there is no rent", "write rental or market");
}

void check_export_controls(const Scenario& scenario, const Say& say) {
  if (!scenario.export_controls)
    return;
  const economics::ExportControlsSpec& asked = *scenario.export_controls;
  const std::string place = "export_controls.",
                    remedy = "write two letters of ISO 3166, such as CN";
  if (!is_country(asked.destination))
    say(place + "destination", "'" + asked.destination + "' is no country code", remedy);
  if (!asked.buyer_headquarters.empty() && !is_country(asked.buyer_headquarters))
    say(place + "buyer_hq", "'" + asked.buyer_headquarters + "' is no country code", remedy);
  if (!asked.date.known() && !scenario.calendar.start.known())
    say(place + "date", "rules hold from a day on", "write date, or calendar: {start: ...}");
}

} // namespace sim::scenario
