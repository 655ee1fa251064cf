// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain_tables.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace sim::report {
namespace {

using execution::CollectiveUse;
using execution::Inventory;
using execution::KernelShape;
using execution::KernelUse;
using execution::RankUse;
using nlohmann::ordered_json;

constexpr std::size_t shown_kernels = 16, explained_kernels = 6, shown_operations = 6;
constexpr double unit_milli = 1e-3;

const char* role_text(plan::KernelRole role) {
  switch (role) {
  case plan::KernelRole::Forward:
    return "forward";
  case plan::KernelRole::Recompute:
    return "recompute";
  case plan::KernelRole::InputGradient:
    return "input gradient";
  case plan::KernelRole::WeightGradient:
    return "weight gradient";
  }
  return "";
}

// What a kernel's time is mostly made of.
const char* bound_text(const KernelUse& use) {
  if (use.gap > std::max(use.compute, use.memory))
    return "launch";
  return use.compute >= use.memory ? "arithmetic" : "memory";
}

std::string dimension_text(plan::CommunicationDimension dimension) {
  constexpr std::array names{"tensor", "expert", "context", "pipeline", "data", "host"};
  return names[static_cast<std::size_t>(dimension)];
}

std::string milliseconds(Seconds time) { return significant(time.base() / unit_milli); }

std::string teraflops(FlopsPerSecond rate) { return significant(rate / (teraflop / second)); }

// The lines of a table, each set in.
std::string set_in(const std::string& lines, const std::string& margin) {
  std::string text;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin) + 1;
    text += margin + lines.substr(begin, end - begin);
    begin = end;
  }
  return text;
}

// " x 0.80 of the peak", where the factor applies.
std::string factor(double value, const char* what) {
  constexpr double shown = 5e-5; // of what is written
  return std::abs(value - 1) < shown ? std::string() : " x " + significant(value) + " " + what;
}

// "989.4 TFLOP/s of bf16 x 0.8 of the peak reached x ... = 642.8 TFLOP/s".
std::string arithmetic_text(const KernelShape& shape) {
  const hardware::KernelFactors& f = shape.factors;
  const bool attention = f.m == 0;
  return teraflops(f.peak) + " TFLOP/s (" + std::string(name_of(f.precision)) + ")" +
         factor(f.fraction, "of the peak reached") +
         factor(f.products, "not waiting for exponentials") +
         factor(f.ramp, attention ? "length of keys" : "length of K") +
         factor(f.tiles, "filled of tiles") +
         factor(f.waves, attention ? "evenness of query tiles" : "filled of waves") +
         factor(f.sustained, "sustained") + factor(f.beside_traffic, "beside its traffic") + " = " +
         teraflops(f.rate()) + " TFLOP/s" +
         factor(shape.compute / shape.alone, "of its time, the rest launch gaps and memory") +
         ": " + teraflops(shape.executed / shape.alone) + " TFLOP/s";
}

std::string memory_rate_text(const KernelShape& shape, BytesPerSecond bandwidth) {
  const hardware::KernelFactors& f = shape.factors;
  constexpr BytesPerSecond unit = gigabyte / second;
  const double share = shape.memory / shape.alone;
  return significant(bandwidth / unit) + " GB/s" + factor(f.share, "of the bandwidth reached") +
         factor(f.ramp_of_size, "size") + " = " + significant(bandwidth * f.of_bandwidth() / unit) +
         " GB/s" + factor(share, "of its time, the rest launch gaps") + ": " +
         significant(bandwidth * (f.of_bandwidth() * share) / unit) + " GB/s";
}

std::string shape_text(const KernelShape& shape) {
  const hardware::KernelFactors& f = shape.factors;
  const std::string bytes = significant(f.moved / megabyte) + " MB";
  if (f.m == 0)
    return bytes;
  const std::string product =
      significant(f.m) + " x " + significant(f.n) + " x " + significant(f.k) + ", " + bytes;
  return f.groups == 1 ? product : significant(f.groups) + " of " + product;
}

// How the rates of the longest kernels came about: of each, the shape that takes most of its time.
std::string factors_text(const Inventory& inventory, BytesPerSecond bandwidth,
                         const std::string& margin) {
  std::string text = margin + "how the rates of the longest came about\n";
  for (std::size_t i = 0; i < std::min(explained_kernels, inventory.kernels.size()); ++i) {
    const KernelUse& use = inventory.kernels[i];
    const KernelShape& shape = use.shapes.front();
    const std::string part = use.shapes.size() == 1
                                 ? ""
                                 : ", " + percent(100 * (shape.alone / use.alone)) + " of its time";
    const bool arithmetic = shape.compute >= shape.memory && shape.factors.peak > FlopsPerSecond{};
    text += wrapped(
        margin + "  " + use.name + ", " + role_text(use.role) + " (" + shape_text(shape) + part +
            "): " + (arithmetic ? arithmetic_text(shape) : memory_rate_text(shape, bandwidth)),
        margin.size() + 6);
  }
  return text;
}

// Whose kernels they are, and how far the mean rank is from it.
std::string whose_text(const Inventory& inventory, const std::string& margin) {
  std::string text = margin + fmt::format("kernels of pipeline rank {}", inventory.rank);
  if (inventory.ranks.size() > 1) {
    Seconds least = inventory.ranks.front().kernels, most = least, sum{};
    for (const RankUse& rank : inventory.ranks) {
      least = std::min(least, rank.kernels);
      most = std::max(most, rank.kernels);
      sum += rank.kernels;
    }
    text += fmt::format(
        ", the one with most to compute, each alone on the chip: {} s. Of the {} ranks the least "
        "has {} s, the mean {} s. What is productive and recomputed is that mean and the optimizer",
        significant(most.base()), inventory.ranks.size(), significant(least.base()),
        significant((sum / double(inventory.ranks.size())).base()));
  } else {
    text += ", each alone on the chip; the optimizer is none of them";
  }
  return wrapped(text, margin.size() + 2);
}

std::vector<std::string> memory_cells(const plan::MemoryPlan& m) {
  std::vector<std::string> cells;
  for (const Bytes part : {m.weights, m.gradients, m.optimizer, m.activations, m.temporaries,
                           m.framework + m.fragmentation, m.total()})
    cells.push_back(with_commas(part / gibibyte, 1));
  return cells;
}

std::vector<std::string> idle_cells(const RankUse& rank) {
  std::vector<std::string> cells;
  for (const Seconds time : {rank.passes, rank.after, rank.idle})
    cells.push_back(significant(time.base()));
  return cells;
}

// Rows of ranks; neighbours with equal cells are one.
template <class Ranks, class Cells>
void add_ranks(const Ranks& ranks, const Cells& cells, TextTable& table) {
  for (std::size_t i = 0; i < ranks.size();) {
    std::vector<std::string> row = cells(ranks[i]);
    std::size_t last = i;
    while (last + 1 < ranks.size() && cells(ranks[last + 1]) == row)
      ++last;
    row.insert(row.begin(), last > i ? fmt::format("{} to {}", i, last) : std::to_string(i));
    table.add(std::move(row));
    i = last + 1;
  }
}

ordered_json shape_json(const KernelShape& shape) {
  const hardware::KernelFactors& f = shape.factors;
  ordered_json object = {{"launches", shape.launches},
                         {"time_s", shape.alone.base()},
                         {"arithmetic_s", shape.compute.base()},
                         {"memory_s", shape.memory.base()},
                         {"flop", shape.executed.base()}};
  if (f.peak > FlopsPerSecond{})
    object["arithmetic"] = {{"precision", name_of(f.precision)},
                            {"peak_flop_per_s", f.peak.base()},
                            {"fraction", f.fraction},
                            {"products", f.products},
                            {"ramp", f.ramp},
                            {"tiles", f.tiles},
                            {"waves", f.waves},
                            {"sustained", f.sustained},
                            {"beside_traffic", f.beside_traffic},
                            {"rate_flop_per_s", f.rate().base()}};
  if (f.m > 0)
    object["multiply"] = {{"groups", f.groups}, {"m", f.m}, {"n", f.n}, {"k", f.k}};
  object["memory"] = {
      {"bytes", f.moved.base()}, {"share", f.share}, {"ramp_of_size", f.ramp_of_size}};
  return object;
}

} // namespace

std::string inventory_text(const Inventory& inventory, BytesPerSecond bandwidth,
                           std::size_t indent) {
  Seconds all{};
  for (const KernelUse& use : inventory.kernels)
    all += use.alone;
  const std::string margin(indent, ' ');
  std::string text = whose_text(inventory, margin);
  TextTable table({"kernel", "pass", "launches", "ms", "share", "TFLOP/s", "bound by"}, 2);
  KernelUse others;
  const auto row = [&](const std::string& name, const std::string& role, const KernelUse& use,
                       const std::string& bound) {
    table.add({name, role, with_commas(use.launches), milliseconds(use.alone),
               percent(100 * (use.alone / all)),
               use.executed > Flops{} ? teraflops(use.executed / use.alone) : "-", bound});
  };
  for (std::size_t i = 0; i < inventory.kernels.size(); ++i) {
    const KernelUse& use = inventory.kernels[i];
    if (i < shown_kernels) {
      row(use.name, role_text(use.role), use, bound_text(use));
      continue;
    }
    others.launches += use.launches;
    others.alone += use.alone;
    others.executed += use.executed;
  }
  if (others.launches > 0)
    row(fmt::format("{} others", inventory.kernels.size() - shown_kernels), "", others, "");
  table.rule();
  table.add({"sum", "", "", milliseconds(all), "100.0 %", "", ""});
  return text + set_in(table.text(), margin) + factors_text(inventory, bandwidth, margin);
}

std::string idle_text(const Inventory& inventory, std::size_t indent) {
  if (inventory.ranks.empty() || inventory.ranks.front().passes <= Seconds{})
    return "";
  TextTable table({"pipeline rank", "passes", "after them", "idle, s"});
  add_ranks(inventory.ranks, idle_cells, table);
  const std::string margin(indent, ' ');
  return margin + "of the step without jitter\n" + set_in(table.text(), margin);
}

std::string operations_text(const std::vector<const CollectiveUse*>& operations,
                            std::size_t indent) {
  TextTable table({"operation", "count", "MB each", "ms on an idle fabric", "GB/s"});
  std::size_t shown = 0;
  for (const CollectiveUse* use : operations) {
    if (++shown > shown_operations)
      break;
    const bool known = use->idle > Seconds{};
    table.add(
        {use->name, with_commas(use->count), significant(use->bytes / megabyte),
         known ? milliseconds(use->idle) : "-",
         known ? significant(use->count * use->bytes / use->idle / (gigabyte / second)) : "-"});
  }
  const std::string margin(indent, ' ');
  std::string text = set_in(table.text(), margin);
  if (operations.size() > shown_operations)
    text += margin + fmt::format("  and {} shorter ones\n", operations.size() - shown_operations);
  return text +
         wrapped(margin + "  bytes over the busiest link, all flows on it together; messages and "
                          "data-parallel ones: of one flow",
                 indent + 4);
}

std::string memory_text(std::span<const plan::MemoryPlan> ranks, std::size_t indent) {
  TextTable table({"pipeline rank", "weights", "gradients", "optimizer", "activations",
                   "temporaries", "other", "GiB"});
  add_ranks(ranks, memory_cells, table);
  return set_in(table.text(), std::string(indent, ' '));
}

void add_json(const Inventory& inventory, ordered_json& object) {
  object["pipeline_rank"] = inventory.rank;
  for (const RankUse& rank : inventory.ranks)
    object["kernels_by_rank_s"].push_back(rank.kernels.base());
  for (const KernelUse& use : inventory.kernels) {
    ordered_json kernel = {{"name", use.name},
                           {"pass", role_text(use.role)},
                           {"launches", use.launches},
                           {"time_s", use.alone.base()},
                           {"arithmetic_s", use.compute.base()},
                           {"memory_s", use.memory.base()},
                           {"flop", use.executed.base()},
                           {"bound_by", bound_text(use)}};
    for (const KernelShape& shape : use.shapes)
      kernel["shapes"].push_back(shape_json(shape));
    object["kernels"].push_back(std::move(kernel));
  }
  for (const CollectiveUse& use : inventory.collectives)
    object["collectives"].push_back(operation_json(use));
}

ordered_json idle_json(const Inventory& inventory) {
  ordered_json ranks = ordered_json::array();
  for (const RankUse& rank : inventory.ranks)
    ranks.push_back({{"passes_s", rank.passes.base()},
                     {"after_s", rank.after.base()},
                     {"idle_s", rank.idle.base()}});
  return ranks;
}

ordered_json operation_json(const CollectiveUse& use) {
  return {{"dimension", dimension_text(use.dimension)},
          {"name", use.name},
          {"count", use.count},
          {"bytes", use.bytes.base()},
          {"idle_fabric_s", use.idle.base()}};
}

} // namespace sim::report
