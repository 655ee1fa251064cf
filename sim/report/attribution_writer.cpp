// SPDX-License-Identifier: Apache-2.0
#include "sim/report/attribution_writer.hpp"

#include "sim/report/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <numeric>
#include <vector>

namespace sim::report {
namespace {

using nlohmann::ordered_json;

// Decimals at which `size` has five digits; none above that.
int decimals_for(double size) {
  int decimals = 0;
  for (double limit = 10000; decimals < 6 && size < limit && size > 0; limit /= 10)
    ++decimals;
  return decimals;
}

// Multiples of `grain` that add up to `total` of them, by largest remainder; ties go to the first.
std::vector<std::int64_t> rounded(const std::vector<AttributionShare>& shares, double grain,
                                  std::int64_t total) {
  std::vector<std::int64_t> counts;
  std::vector<double> rest;
  for (const AttributionShare& share : shares) {
    const double exact = share.share / grain;
    counts.push_back(static_cast<std::int64_t>(std::floor(exact)));
    rest.push_back(exact - std::floor(exact));
    total -= counts.back();
  }
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t i = 0; total > 0; i = (i + 1) % order.size(), --total)
    ++counts[order[i]];
  for (std::size_t i = order.size(); total < 0; ++total) {
    i = (i + order.size() - 1) % order.size();
    --counts[order[i]];
  }
  return counts;
}

std::string signed_text(double value, int decimals) {
  const std::string text = with_commas(value, decimals);
  return (value > 0 && text.find_first_not_of("0.,") != std::string::npos ? "+" : "") + text;
}

std::string quantity_text(const Attribution& a) {
  const double largest = std::max(std::abs(a.from), std::abs(a.to));
  const int decimals = decimals_for(largest);
  double grain = 1;
  for (int i = 0; i < decimals; ++i)
    grain /= 10;
  const auto in_grains = [&](double v) {
    return static_cast<std::int64_t>(std::nearbyint(v / grain));
  };
  const std::int64_t difference = in_grains(a.to) - in_grains(a.from);
  const std::vector<std::int64_t> shares = rounded(a.shares, grain, difference);
  TextTable table(
      {a.quantity + (a.unit.empty() ? "" : ", " + a.unit), "change", "share", "range over orders"},
      2);
  table.add({"first", "", with_commas(a.from, decimals), ""});
  for (std::size_t i = 0; i < a.shares.size(); ++i) {
    const AttributionShare& s = a.shares[i];
    const bool one = s.key == "layout";
    if (one && shares[i] == 0 && s.share == 0)
      continue;
    // Rounded to add up, a share may fall a grain beside its range, which then reaches it.
    const std::int64_t least = std::min(in_grains(s.least), shares[i]),
                       most = std::max(in_grains(s.most), shares[i]);
    const bool sole = s.least == s.most;
    table.add({s.label, s.change, signed_text(double(shares[i]) * grain, decimals),
               one ? ""
                   : signed_text(double(sole ? shares[i] : least) * grain, decimals) + " to " +
                         signed_text(double(sole ? shares[i] : most) * grain, decimals)});
  }
  table.rule();
  table.add({"second", "", with_commas(a.to, decimals),
             signed_text(double(difference) * grain, decimals)});
  return table.text();
}

} // namespace

std::string attribution_text(const AttributionPair& pair) {
  std::string out = "\nWhy " + pair.second + " differs from " + pair.first + "\n";
  for (const std::string& note : pair.notes)
    out += wrapped("  " + note, 4);
  for (const AttributionTable& table : pair.tables) {
    out += wrapped(
        fmt::format("  {}: properties change one at a time, mean over all orders ({} subsets, {} "
                    "runs)",
                    table.method == "frozen"
                        ? "with the first run's layouts"
                        : "with the fastest layouts that are found at each step",
                    table.subsets, table.simulated),
        4);
    for (const Attribution& quantity : table.quantities)
      out += "\n" + quantity_text(quantity);
  }
  return out;
}

ordered_json attribution_json(const AttributionPair& pair) {
  ordered_json object = {{"first", pair.first},
                         {"second", pair.second},
                         {"notes", pair.notes},
                         {"tables", ordered_json::array()}};
  for (const AttributionTable& table : pair.tables) {
    ordered_json quantities = ordered_json::array();
    for (const Attribution& a : table.quantities) {
      ordered_json shares = ordered_json::array();
      for (const AttributionShare& s : a.shares)
        shares.push_back({{"property", s.key},
                          {"change", s.change},
                          {"share", s.share},
                          {"least", s.least},
                          {"most", s.most}});
      quantities.push_back({{"quantity", a.quantity},
                            {"unit", a.unit},
                            {"from", a.from},
                            {"to", a.to},
                            {"difference", a.to - a.from},
                            {"shares", std::move(shares)}});
    }
    object["tables"].push_back({{"layouts", table.method},
                                {"subsets", table.subsets},
                                {"simulated", table.simulated},
                                {"quantities", std::move(quantities)}});
  }
  return object;
}

} // namespace sim::report
