// SPDX-License-Identifier: Apache-2.0
#include "sim/report/csv_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"

#include <algorithm>

namespace sim::report {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"')
      quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i)
    line += (i == 0 ? "" : ",") + csv_field(fields[i]);
  return line + "\n";
}

std::string write_csv(const Result& result, const Uncertainty& uncertainty) {
  const std::optional<Distributions>& distributions = uncertainty.distributions;
  std::vector<std::string> heads{"quantity", "value", "unit", "scope"};
  if (distributions)
    heads.insert(heads.end(), {"mean", "standard_error", "p05", "p50", "p95"});
  std::string out = csv_line(heads);
  const std::string scope = scope_text(result.scenario, result.bill.convention);
  for (const std::string& path : quantity_paths(result.scenario)) {
    const std::optional<Quantity> q = find_quantity(result, path);
    if (!q)
      continue;
    std::vector<std::string> fields{path, number_text(q->value), q->column->unit,
                                    q->column->unit == "USD" ? scope : ""};
    if (distributions) {
      const auto& all = distributions->quantities;
      const auto found = std::find_if(all.begin(), all.end(),
                                      [&](const Distribution& d) { return d.quantity == path; });
      const bool known = found != all.end();
      for (double Quantiles::*part : {&Quantiles::mean, &Quantiles::standard_error, &Quantiles::p05,
                                      &Quantiles::p50, &Quantiles::p95})
        fields.push_back(known ? number_text(found->quantiles.*part) : "");
    }
    out += csv_line(fields);
  }
  return out;
}

} // namespace sim::report
