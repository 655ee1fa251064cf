// SPDX-License-Identifier: Apache-2.0
#include "sim/report/columns.hpp"
#include "sim/report/text_table.hpp"

namespace sim::report {

namespace {

using probe::ProbeResult;
using probe::ProbeSpec;
using Value = std::optional<double>;

template <class Quantity> Value base_of(const std::optional<Quantity>& quantity) {
  return quantity ? Value(quantity->base()) : std::nullopt;
}

bool is_kernel(const ProbeSpec& p) {
  return p.matrix_multiply || p.attention || p.latent_attention;
}
bool moves_bytes(const ProbeSpec& p) { return p.memory || p.collective || p.exchange; }

} // namespace

const std::vector<ProbeColumn>& probe_columns() {
  static const std::vector<ProbeColumn> columns{
      {{"time_s", "s", false, "Alone on idle machines."},
       [](const ProbeSpec&) { return true; },
       [](const ProbeResult& r) { return Value(r.time.base()); }},
      {{"tflops", "TFLOP/s", false, "Kernels: FLOPs over time, the masked half left out."},
       is_kernel,
       [](const ProbeResult& r) { return base_of(r.rate); }},
      {{"algorithm_bandwidth", "GB/s", false,
        "Memory, collectives: size over time. Exchanges: bytes to all nodes (in one: ranks) over "
        "time."},
       moves_bytes,
       [](const ProbeResult& r) { return base_of(r.algorithm_bandwidth); }},
      {{"bus_bandwidth", "GB/s", false, "Collectives: as nccl-tests counts it."},
       [](const ProbeSpec& p) { return p.collective.has_value(); },
       [](const ProbeResult& r) { return base_of(r.bus_bandwidth); }}};
  return columns;
}

std::string probes_text(const Result& result) {
  if (result.probes.empty())
    return "";
  TextTable table({"Probe", "time us", "TFLOP/s", "algorithm GB/s", "bus GB/s"});
  for (const ProbeResult& r : result.probes) {
    std::vector<std::string> cells{r.name};
    for (const ProbeColumn& column : probe_columns()) {
      const Value value = value_of(column, r);
      constexpr double microseconds = 1e6;
      cells.push_back(value ? significant(column.name == "time_s" ? *value * microseconds : *value)
                            : "");
    }
    table.add(std::move(cells));
  }
  return table.text();
}

} // namespace sim::report
