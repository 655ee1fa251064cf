// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/export_figures.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::economics {

namespace {

constexpr SquareMetres square_millimetre = SquareMetres::from_base(1e-6);
constexpr BytesPerSecond gigabyte_per_second = gigabyte / second;
constexpr FlopsPerSecond teraflop_per_second = teraflop / second;

double bits(DataType type) {
  switch (type) {
  case DataType::Fp32:
  case DataType::Tf32: // stored as FP32
    return 32;
  case DataType::Bf16:
  case DataType::Fp16:
    return 16;
  case DataType::Int8:
  case DataType::Fp8:
    return 8;
  case DataType::Int4:
  case DataType::Fp4:
    return 4;
  }
  SIM_ASSERT(false);
  return 0;
}

DataType type_of(hardware::Precision precision) {
  switch (precision) {
  case hardware::Precision::Fp32:
    return DataType::Fp32;
  case hardware::Precision::Tf32:
    return DataType::Tf32;
  case hardware::Precision::Bf16:
    return DataType::Bf16;
  case hardware::Precision::Fp16:
    return DataType::Fp16;
  case hardware::Precision::Fp8:
    return DataType::Fp8;
  case hardware::Precision::Fp4:
    return DataType::Fp4;
  }
  SIM_ASSERT(false);
  return DataType::Fp32;
}

DataType type_of(hardware::IntegerPrecision precision) {
  return precision == hardware::IntegerPrecision::Int8 ? DataType::Int8 : DataType::Int4;
}

// Of the types in `among`, all when it is empty; 0 when the chip has none of them.
double largest_tpp(const ExportFigures& figures, const std::vector<DataType>& among) {
  double largest = 0;
  for (const auto& [type, tpp] : figures.tpp_by_type)
    if (among.empty() || std::find(among.begin(), among.end(), type) != among.end())
      largest = std::max(largest, tpp);
  return largest;
}

Verdict known(bool value) { return value ? Verdict::Yes : Verdict::No; }

// Comparisons of one figure with a threshold, as values and as text.
struct Comparison {
  const char* name;
  std::optional<double> value; // absent: nobody published it
  double scale = 1;            // of the threshold's unit
  const char* unit = "";
};

template <class T> double plain(const T& value) {
  if constexpr (is_quantity<T>)
    return value.base();
  else
    return value;
}

template <class T, class Each> void each_bound(const Threshold<T>& threshold, Each&& each) {
  if (threshold.at_least)
    each(plain(*threshold.at_least), ">=", [](double a, double b) { return a >= b; });
  if (threshold.above)
    each(plain(*threshold.above), ">", [](double a, double b) { return a > b; });
  if (threshold.below)
    each(plain(*threshold.below), "<", [](double a, double b) { return a < b; });
  if (threshold.at_most)
    each(plain(*threshold.at_most), "<=", [](double a, double b) { return a <= b; });
}

// Visits what a condition asks for, one comparison or fact after another:
// each(verdict, text).
template <class Each>
void each_part(const ConditionSpec& condition, const ExportFigures& figures, Each&& each) {
  const double tpp = largest_tpp(figures, condition.dtypes);
  std::optional<double> density;
  if (figures.die_area)
    density = tpp / (*figures.die_area / square_millimetre);
  const auto compare = [&](const auto& threshold, const Comparison& c) {
    if (!threshold)
      return;
    each_bound(*threshold, [&](double bound, const char* sign, auto&& test) {
      const std::string right =
          std::string(" ") + sign + " " + number_text(bound / c.scale) + c.unit;
      if (!c.value)
        each(Verdict::Unknown, c.name + std::string(" unknown") + right);
      else
        each(known(test(*c.value, bound)),
             c.name + std::string(" ") + fmt::format("{:.8g}", *c.value / c.scale) + right);
    });
  };
  const double io = figures.io_bandwidth.base(), dram = figures.dram_bandwidth.base();
  const double giga = gigabyte_per_second.base();
  compare(condition.tpp, {"TPP", tpp});
  compare(condition.performance_density, {"performance density", density});
  compare(condition.memory_bandwidth_density, {"memory bandwidth density", std::nullopt});
  compare(condition.io_bandwidth, {"I/O", io, giga, " GB/s"});
  compare(condition.dram_bandwidth, {"DRAM", dram, giga, " GB/s"});
  compare(condition.dram_and_io_bandwidth, {"DRAM + I/O", dram + io, giga, " GB/s"});
  if (condition.product_class) {
    const std::string asked(name_of(*condition.product_class));
    if (!figures.product_class)
      each(Verdict::Unknown, "class unknown, perhaps " + asked);
    else if (*figures.product_class == *condition.product_class)
      each(Verdict::Yes, "class " + asked);
    else
      each(Verdict::No, "class " + std::string(name_of(*figures.product_class)) + ", not " + asked);
  }
  const auto among = [&](const std::vector<std::string>& list, const std::string& what,
                         const std::string& value) {
    if (list.empty())
      return;
    const bool found = std::find(list.begin(), list.end(), value) != list.end();
    each(value.empty() ? Verdict::Unknown : known(found),
         what + (value.empty() ? "unknown" : value) + (found ? " is named" : " is not named"));
  };
  among(condition.chips, "", figures.id);
  among(condition.makers, "maker ", figures.maker);
}

std::string condition_text(const ConditionSpec& condition, const ExportFigures& figures) {
  std::string text;
  each_part(condition, figures, [&](Verdict, const std::string& part) {
    text += (text.empty() ? "" : " and ") + part;
  });
  return text;
}

std::string list_text(const std::vector<ConditionSpec>& conditions, const ExportFigures& figures,
                      const char* joint) {
  std::string text;
  for (const ConditionSpec& condition : conditions)
    text += (text.empty() ? "" : joint) + condition_text(condition, figures);
  return text;
}

} // namespace

Verdict both(Verdict a, Verdict b) {
  if (a == Verdict::No || b == Verdict::No)
    return Verdict::No;
  return a == Verdict::Yes && b == Verdict::Yes ? Verdict::Yes : Verdict::Unknown;
}

Verdict opposite(Verdict v) {
  return v == Verdict::Unknown ? v : v == Verdict::Yes ? Verdict::No : Verdict::Yes;
}

Verdict either(Verdict a, Verdict b) { return opposite(both(opposite(a), opposite(b))); }

ExportFigures export_figures(const hardware::AcceleratorSpec& chip, const std::string& id) {
  ExportFigures figures;
  figures.id = id;
  const auto add = [&](DataType type, FlopsPerSecond rate) {
    figures.tpp_by_type[type] = rate / teraflop_per_second * bits(type);
  };
  // Half of BF16's rate at twice the bits is the same but for the rounding of datasheets.
  const bool half = chip.peak.contains(hardware::Precision::Bf16) ||
                    chip.peak.contains(hardware::Precision::Fp16);
  for (const auto& [precision, rate] : chip.peak)
    if (precision != hardware::Precision::Tf32 || !half)
      add(type_of(precision), rate);
  for (const auto& [precision, rate] : chip.integer_peak)
    add(type_of(precision), rate);
  SIM_ASSERT(!figures.tpp_by_type.empty());
  figures.tpp = largest_tpp(figures, {});
  for (const auto& [type, tpp] : figures.tpp_by_type)
    if (tpp == figures.tpp)
      figures.binding.push_back(type);
  const BytesPerSecond host = chip.product
                                  ? chip.product->pcie_bandwidth.value_or(chip.host_bandwidth)
                                  : chip.host_bandwidth;
  figures.io_bandwidth = 2 * (chip.scale_up_bandwidth + host);
  figures.dram_bandwidth = chip.memory_bandwidth;
  figures.launched = chip.launched;
  if (!chip.product)
    return figures;
  figures.die_area = chip.product->die_area;
  if (figures.die_area)
    figures.performance_density = figures.tpp / (*figures.die_area / square_millimetre);
  figures.product_class = chip.product->product_class;
  figures.sold_in_us = chip.product->sold_in_us;
  figures.maker = chip.product->maker;
  figures.sold = chip.product->sold;
  return figures;
}

ChipEquivalents equivalents(std::span<const CountedChip> chips,
                            const hardware::AcceleratorSpec& reference) {
  using hardware::Precision;
  ChipEquivalents worth;
  double tpp = 0;
  for (const CountedChip& c : chips)
    tpp += c.count * export_figures(c.chip->spec, c.chip->name).tpp;
  worth.tpp = tpp / export_figures(reference, "").tpp;
  for (const auto& [precision, part] : {std::pair{Precision::Bf16, &ChipEquivalents::bf16},
                                        std::pair{Precision::Fp8, &ChipEquivalents::fp8}}) {
    double sum = 0;
    bool known = true;
    for (const CountedChip& c : chips) {
      const auto rate = (*c.chip)->peak.find(precision);
      known = known && rate != (*c.chip)->peak.end();
      if (known)
        sum += c.count * (rate->second / reference.peak.at(precision));
    }
    if (known)
      worth.*part = sum;
  }
  return worth;
}

Verdict holds(const ConditionSpec& condition, const ExportFigures& figures) {
  Verdict all = Verdict::Yes;
  each_part(condition, figures, [&](Verdict part, const std::string&) { all = both(all, part); });
  return all;
}

Verdict holds(const PredicateSpec& predicate, const ExportFigures& figures) {
  Verdict result = Verdict::Yes;
  for (const ConditionSpec& condition : predicate.all_of)
    result = both(result, holds(condition, figures));
  Verdict any = predicate.any_of.empty() ? Verdict::Yes : Verdict::No;
  for (const ConditionSpec& condition : predicate.any_of)
    any = either(any, holds(condition, figures));
  result = both(result, any);
  for (const ConditionSpec& condition : predicate.exempt)
    result = both(result, opposite(holds(condition, figures)));
  return result;
}

std::string arithmetic(const PredicateSpec& predicate, const ExportFigures& figures) {
  std::string text = list_text(predicate.all_of, figures, " and ");
  const std::string any = list_text(predicate.any_of, figures, "; or ");
  if (!any.empty())
    text += (text.empty() ? "" : "; and ") + any;
  const std::string exempt = list_text(predicate.exempt, figures, "; or ");
  if (!exempt.empty())
    text += (text.empty() ? "" : "; ") + ("exempt if " + exempt);
  return text;
}

} // namespace sim::economics
