// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/values.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/published_file.hpp"
#include "tests/scenario/texts.hpp"

#include <cmath>

namespace sim::scenario {
namespace {

std::string priced(const std::string& value) {
  return with({{11, "price: {rental: " + value + "}"}});
}

double rental(const std::string& text, const LoadOptions& options = {}) {
  return load_text(text, "t.yaml", options).scenario.price.rental.value() / dollar_per_gpu_hour;
}

LoadOptions replication(std::uint64_t index, std::uint64_t seed = 1) {
  LoadOptions options;
  options.seed = seed;
  options.replication = index;
  return options;
}

// The value at price.rental, drawn without a scenario around it.
double drawn(const std::string& value, std::uint64_t index) {
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue;
  Values values(catalogue, book, findings, 1, index);
  auto node = parse_document("price: {rental: " + value + "}", "t.yaml", findings);
  REQUIRE(node);
  values.resolve(*node, "", "");
  const auto quantity = parse_quantity(node->find("price")->find("rental")->text).parsed;
  REQUIRE(quantity);
  return DollarsPerGpuSecond::from_base(quantity->value) / dollar_per_gpu_hour;
}

TEST_CASE("without a replication, uncertain numbers are their medians") {
  CHECK(rental(priced("{uncertain: {uniform: [1 USD/GPU-hour, 2 USD/GPU-hour]}}")) == Approx(1.5));
  CHECK(rental(priced("{uncertain: {normal: [2 USD/GPU-hour, 0.1 USD/GPU-hour]}}")) == Approx(2));
  CHECK(rental(priced("{uncertain: {lognormal: {median: 3 USD/GPU-hour, sigma: 0.5}}}")) ==
        Approx(3));
  CHECK(rental(priced("{uncertain: {choice: [5 USD/GPU-hour, 1 USD/GPU-hour, 2 USD/GPU-hour]}}")) ==
        Approx(2));
  CHECK(rental(priced("{uncertain: {choice: [4 USD/GPU-hour, 1 USD/GPU-hour]}}")) == Approx(1));
  CHECK(load_text(priced("{uncertain: {choice: [1 USD/GPU-hour]}}"), "t.yaml").uncertain());
}

TEST_CASE("draws are repeatable, and differ by replication and seed") {
  const std::string uniform = priced("{uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}");
  CHECK(rental(uniform, replication(4)) == rental(uniform, replication(4)));
  CHECK(rental(uniform, replication(4)) != rental(uniform, replication(5)));
  CHECK(rental(uniform, replication(4)) != rental(uniform, replication(4, 2)));
  CHECK(rental(uniform, replication(4)) ==
        drawn("{uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}", 4));
}

TEST_CASE("draws follow their law") {
  struct Case {
    std::string value;
    double mean, deviation, fourth; // fourth central moment over the variance squared
    double quantile, share;         // how many lie below or at the quantile
  };
  constexpr int count = 2000;
  constexpr double lower_quartile = -0.6744897501960817; // of the standard normal distribution
  // Of a lognormal with median 2; with w = e^(sigma^2) its kurtosis is w^4 + 2 w^3 + 3 w^2 - 3.
  const double sigma = 0.25, w = std::exp(sigma * sigma);
  for (const Case& c :
       {Case{"{uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}", 2, 2 / std::sqrt(12.0),
             1.8, 1.5, 0.25},
        Case{"{uncertain: {normal: [2 USD/GPU-hour, 0.2 USD/GPU-hour]}}", 2, 0.2, 3,
             2 + 0.2 * lower_quartile, 0.25},
        Case{"{uncertain: {lognormal: {median: 2 USD/GPU-hour, sigma: 0.25}}}", 2 * std::sqrt(w),
             2 * std::sqrt(w * (w - 1)), w * w * w * w + 2 * w * w * w + 3 * w * w - 3,
             2 * std::exp(sigma * lower_quartile), 0.25},
        Case{"{uncertain: {choice: [1 USD/GPU-hour, 3 USD/GPU-hour, 3 USD/GPU-hour]}}", 7.0 / 3,
             std::sqrt(8.0 / 9), 1.5, 1, 1.0 / 3}}) {
    INFO(c.value);
    double sum = 0, squares = 0, below = 0;
    for (int i = 0; i < count; ++i) {
      const double value = drawn(c.value, static_cast<std::uint64_t>(i));
      sum += value;
      squares += (value - c.mean) * (value - c.mean);
      below += value <= c.quantile * (1 + 1e-12);
    }
    // Within four standard errors of mean, variance and share.
    const double variance = c.deviation * c.deviation, error = 4 / std::sqrt(count);
    CHECK(std::fabs(sum / count - c.mean) < error * c.deviation);
    CHECK(std::fabs(squares / count - variance) < error * variance * std::sqrt(c.fourth - 1));
    CHECK(std::fabs(below / count - c.share) < error * std::sqrt(c.share * (1 - c.share)));
  }
}

TEST_CASE("one uncertain number does not move another's draws") {
  const std::string first = "{uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}";
  const double alone = rental(priced(first), replication(7));
  const std::string both = with({{8, "    tokens: {uncertain: {uniform: [1e12, 2e12]}}"},
                                 {11, "price: {rental: " + first + "}"}});
  CHECK(rental(both, replication(7)) == alone);
}

TEST_CASE("whole numbers are rounded, words are chosen") {
  const std::string nodes = with({{2, "cluster: {node: {uncertain: {choice: [hgx-h800, "
                                      "hgx-h100]}}, nodes: {uncertain: {uniform: [4, 12]}}, "
                                      "fabric: deepseek-mpft}"}});
  bool seen[2] = {false, false};
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Scenario s = load_text(nodes, "t.yaml", replication(i)).scenario;
    CHECK((s.cluster.main.nodes >= 4 && s.cluster.main.nodes <= 12));
    seen[s.cluster.main.node.name == "hgx-h100" ? 1 : 0] = true;
  }
  CHECK((seen[0] && seen[1]));
  CHECK(load_text(nodes, "t.yaml").scenario.cluster.main.node.name == "hgx-h800");
}

TEST_CASE("draws are range-checked, and laws are diagnosed") {
  struct Case {
    std::string value, expected;
  };
  for (const Case& c : {
           Case{"{uncertain: {uniform: [-3 USD/GPU-hour, -1 USD/GPU-hour]}}",
                "11:17 price.rental: '-2 USD/GPU-hour' is out of range"},
           Case{"{uncertain: {uniform: [1, 2]}}", "11:17 price.rental: '1.5' has no unit"},
           Case{"{uncertain: {uniform: [1 USD, 2 USD/GPU-hour]}}",
                "11:39 an uncertain number needs two numbers with the same unit"},
           Case{"{uncertain: {uniform: [2 USD/GPU-hour, 1 USD/GPU-hour]}}",
                "11:39 the lower bound is above the upper one"},
           Case{"{uncertain: {uniform: [2 USD/GPU-hour]}}",
                "11:39 an uncertain number needs two numbers"},
           Case{"{uncertain: {normal: [2 USD/GPU-hour, -1 USD/GPU-hour]}}",
                "11:55 a standard deviation below 0"},
           Case{"{uncertain: {lognormal: {median: 2 USD/GPU-hour}}}",
                "11:41 an uncertain number needs a positive median"},
           Case{"{uncertain: {choice: []}}", "11:38 a choice needs a list"},
           Case{"{uncertain: {unifrom: [1, 2]}}",
                "11:30 unknown law 'unifrom' of an uncertain number; did you mean 'uniform'?"},
           Case{"{uncertain: 3}", "11:29 an uncertain number needs one law"},
           Case{"{uncertain: {uniform: [1e308 USD/GPU-hour, nan]}}",
                "11:39 an uncertain number needs two numbers"},
           Case{"{fitted: nothing-like-it}", "11:26 there is no fitted constant 'nothing-like-it'"},
           Case{"{fitted: [a]}", "11:26 found a list"},
       }) {
    INFO(c.value);
    CHECK_THAT(message_of(priced(c.value)), Catch::StartsWith(c.expected));
  }
}

TEST_CASE("fitted constants come from the catalogue's list, and are weak inputs") {
  const Folder folder;
  folder.write("fitted.yaml", "constants:\n"
                              "  - {id: rent, value: 7 USD/GPU-hour, meaning: Rent., range: [1 "
                              "USD/GPU-hour, 9 USD/GPU-hour],\n"
                              "     fitted_on: three bills, measurement: bills, source: them}\n");
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue(folder.path());
  Values values(catalogue, book, findings, 1, std::nullopt);
  Node root = parse_document("rental: {fitted: rent}", "t.yaml", findings).value();
  values.resolve(root, "", "prices/x: ");
  CHECK(findings.empty());
  REQUIRE(root.find("rental")->is_scalar());
  CHECK(root.find("rental")->text == "7 USD/GPU-hour");
  book.use(*root.find("rental"));
  REQUIRE(book.weak_inputs().size() == 1);
  CHECK(book.weak_inputs()[0].path == "prices/x: rental");
  CHECK(book.weak_inputs()[0].provenance == "fitted");
  CHECK(book.weak_inputs()[0].source == "rent: Rent. Fitted on three bills. them");
  // An uncertain number around one of them.
  Node around =
      parse_document("rental: {uncertain: {lognormal: {median: {fitted: rent}, sigma: 0.1}}}",
                     "t.yaml", findings)
          .value();
  values.resolve(around, "", "");
  CHECK(findings.empty());
  CHECK(around.find("rental")->text == "7 USD/GPU-hour");
  CHECK(around.find("rental")->record >= 0);
  CHECK_FALSE(values.uncertain().empty());
}

TEST_CASE("a fitted constant says which rows or which measurement it stands on") {
  const auto message = [](const std::string& evidence) {
    const Folder folder;
    folder.write("fitted.yaml",
                 "constants:\n  - {id: rent, value: 2, meaning: Rent., range: [1, 3], " + evidence +
                     "fitted_on: three bills, source: them}\n");
    Findings findings;
    ProvenanceBook book;
    const Catalogue catalogue(folder.path());
    Values values(catalogue, book, findings, 1, std::nullopt);
    values.constants();
    try {
      findings.raise();
    } catch (const ScenarioError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(message(""),
             Catch::EndsWith("fitted.yaml:2:5: error: nothing says what the constant 'rent' was "
                             "fitted on; write rows: [{family: ...}] of scenarios/published, or "
                             "measurement: what it was read off"));
  CHECK(message("measurement: a trace, ").empty());
  CHECK(message("rows: [{family: costs}], ").empty());
}

TEST_CASE("every constant of the catalogue is in order") {
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue;
  Values values(catalogue, book, findings, 1, std::nullopt);
  CHECK_FALSE(values.constants().empty());
  CHECK_NOTHROW(findings.raise());
}

TEST_CASE("the rows that a constant was fitted on are there and are no evidence") {
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue;
  Values values(catalogue, book, findings, 1, std::nullopt);
  const auto fitted = [](const FittedRows& named) {
    const PublishedTable table = load_embedded_table(named.family);
    std::size_t found = 0;
    for (const TableRow& row : table.rows)
      for (const Measurement& value : row.measurements)
        found += row.label.starts_with(named.label) && value.role == PublishedRole::Fitted;
    return found;
  };
  for (const FittedConstant& constant : values.constants())
    for (const FittedRows& rows : constant.rows) {
      INFO(constant.id << ": " << rows.family << " " << rows.label);
      CHECK(fitted(rows) > 0);
    }
}

} // namespace
} // namespace sim::scenario
