// SPDX-License-Identifier: Apache-2.0
// Comparisons, goal seeks and the shipped studies, as people use them.
#include "tests/cli/program.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>

using nlohmann::json;
using sim::tests::contains;
using sim::tests::Ran;
using sim::tests::read_text;
using sim::tests::TemporaryFolder;
using sim::tests::trainfare;
using sim::tests::write_text;

namespace {

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const std::string scenarios = SOURCE_DIR "/scenarios/";
const std::string minimal = scenarios + "minimal.yaml";

} // namespace

TEST_CASE("a new rule, chip and price in a folder of YAML take part in a comparison") {
  const TemporaryFolder folder;
  for (const char* kind : {"accelerators", "nodes", "prices", "export-rules"})
    std::filesystem::create_directories(folder / kind);
  // Files of the catalogue with some numbers changed.
  write_text(folder / "accelerators/h20-half.yaml",
             changed(changed(read_text(scenarios + "catalog/accelerators/h20-96.yaml"),
                             "bf16: 148 TFLOP/s, fp16: 148 TFLOP/s, fp8: 296 TFLOP/s",
                             "bf16: 74 TFLOP/s, fp16: 74 TFLOP/s, fp8: 148 TFLOP/s"),
                     "int8: 296 TFLOP/s", "int8: 148 TFLOP/s"));
  write_text(
      folder / "nodes/hgx-h20-half.yaml",
      changed(read_text(scenarios + "catalog/nodes/hgx-h20-8x400.yaml"), "h20-96", "h20-half"));
  write_text(folder / "prices/h20-half.yaml",
             "spec: {rentals: [{market: CN, from: 2024-01-01, typical: 0.5 USD/GPU-hour}]}\n"
             "provenance: [{of: [rentals], kind: reported, source: the market of a what-if}]\n");
  write_text(folder / "export-rules/what-if.yaml",
             "spec:\n  title: what if\n  from: 2024-01-01\n  destinations: {countries: [CN]}\n"
             "  predicate: {any_of: [{tpp: {at_least: 2000}}]}\n"
             "  effect: presumption-of-denial\n  summary: TPP from 2024 on\n  source: invented\n"
             "provenance: [{of: [predicate], kind: assumed, source: invented}]\n");
  write_text(folder / "first.yaml", "extends: " + minimal +
                                        "\ncalendar: {start: 2025-02-01}\n"
                                        "price: {rental: null, market: CN}\n"
                                        "export_controls: {destination: CN}\n"
                                        "cluster: {node: hgx-h20-8x400}\n");
  write_text(folder / "second.yaml", "extends: first.yaml\ncluster: {node: hgx-h20-half}\n");
  const std::string files = "'" + folder / "first.yaml" + "' '" + folder / "second.yaml" + "'";
  const Ran ran = trainfare("compare --json --attribute --catalog '" + folder / "" + "' " + files);
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  const json j = json::parse(ran.out);
  CHECK(j["compared"][0]["export_controls"][0]["status"] == "presumption-of-denial");
  CHECK(j["compared"][1]["export_controls"][0]["status"] == "no-licence-found");
  CHECK(j["compared"][1]["h100_equivalents"]["bf16_dense"].get<double>() ==
        Approx(64 * 74 / 989.4));
  for (const json& share : j["attributions"][0]["tables"][0]["quantities"][0]["shares"])
    if (share["property"] == "compute")
      CHECK(share["share"].get<double>() > 0);
  // The price leads to its source.
  const Ran why = trainfare("explain --catalog '" + folder / "" + "' '" + folder / "second.yaml" +
                            "' totals.cost_usd");
  REQUIRE(why.exit_code == 0);
  CHECK(contains(why.out, "the market of a what-if"));
  CHECK(contains(why.out, "0.5 USD/GPU-hour"));
}

TEST_CASE("explain leads from dollars to the quote that holds on the day, and to no other") {
  const std::string market =
      " --set 'price={market: US, date: 2024-06-01}' '" + minimal + "' totals.cost_usd";
  const Ran typical = trainfare("explain" + market);
  INFO(typical.err);
  REQUIRE(typical.exit_code == 0);
  CHECK(contains(typical.out, "prices/h100-sxm: price.market = 3.49 USD/GPU-hour"));
  CHECK(contains(typical.out, "Hardware prices.csv"));
  CHECK_FALSE(contains(typical.out, "2.94 USD/GPU-hour"));
  // Hours rest on no price.
  CHECK_FALSE(contains(trainfare("explain --set 'price={market: US, date: 2024-06-01}' '" +
                                 minimal + "' totals.gpu_hours")
                           .out,
                       "3.49 USD/GPU-hour"));
  const Ran owned = trainfare(
      "explain --set 'price={market: US, owned: {acquired: 2024-08-01}, convention: owned, "
      "energy: us}' --set calendar.start=2025-01-01 '" +
      minimal + "' totals.cost_usd");
  INFO(owned.err);
  REQUIRE(owned.exit_code == 0);
  CHECK(contains(owned.out, "36018 USD"));
  CHECK_FALSE(contains(owned.out, "2.94 USD/GPU-hour"));
}

TEST_CASE("compare: scopes that differ are bad input unless allowed") {
  const TemporaryFolder folder;
  write_text(folder / "other.yaml", "extends: " + minimal + "\nscope: {includes: [staff]}\n");
  const std::string files = "'" + minimal + "' '" + folder / "other.yaml" + "'";
  const Ran refused = trainfare("compare " + files);
  CHECK(refused.exit_code == 3);
  CHECK(refused.out.empty());
  CHECK(contains(refused.err, "other.yaml:2:"));
  CHECK(contains(refused.err, "error: scope: it differs"));
  CHECK(trainfare("compare --allow-scope-mismatch " + files).exit_code == 0);
  CHECK(trainfare("compare --equal weight " + files).exit_code == 2);
  const Ran unknown =
      trainfare("compare --allow-scope-mismatch --quantity totals.cost_us " + files);
  CHECK(unknown.exit_code == 3);
  CHECK(contains(unknown.err, "did you mean 'totals.cost_usd'"));
}

TEST_CASE("solve: a closed form from the command line, and its errors") {
  const json gpu_hours = json::parse(trainfare("run --json '" + minimal + "'").out)["totals"];
  const Ran ran = trainfare("solve --json '" + minimal +
                            "' --vary price.rental --until 'totals.cost_usd <= 1e5 USD'");
  REQUIRE(ran.exit_code == 0);
  const json j = json::parse(ran.out);
  CHECK(std::strtod(j["solution"].get<std::string>().c_str(), nullptr) ==
        Approx(1e5 / gpu_hours["gpu_hours"].get<double>()).epsilon(2e-6));
  CHECK(j["value_beyond"].get<double>() > 1e5);
  CHECK(contains(j["scope"].get<std::string>(),
                 "rental at " + j["solution"].get<std::string>().substr(0, 8)));
  CHECK(trainfare("solve '" + minimal + "' --vary price.rental").exit_code == 2);
  // From 8 nodes: the next fewer that divide the batch take too long.
  const Ran nodes = trainfare("solve '" + minimal +
                              "' --vary cluster.nodes --until 'totals.wall_clock_hours <= 100 h'");
  CHECK(contains(nodes.out, "cluster.nodes = 64\n"));
  CHECK(contains(nodes.out, "  31 in between cannot be; 63: "));
  const Ran reach = trainfare("solve '" + minimal +
                              "' --vary cluster.node.accelerator.memory_bandwidth --until "
                              "'totals.wall_clock_hours <= 1 h'");
  CHECK(reach.exit_code == 4);
  CHECK(contains(reach.err, "out of reach"));
  CHECK(contains(reach.err, "minimal.yaml:"));
}

TEST_CASE("a chip without links and with less memory runs by the port rules, each of them listed") {
  const std::string l20 =
      "run --json '" + minimal +
      "' --set cluster.node.accelerator=l20 --set cluster.node.accelerator.kernels=hopper --set "
      "cluster.node.accelerator.streaming_multiprocessors=92 --set "
      "'cluster.node.accelerator.special_function_peak=3.7 TFLOP/s' --set "
      "'cluster.node.pcie={bandwidth: 32 GB/s, efficiency: 0.85}'";
  const Ran unasked = trainfare(l20);
  CHECK(unasked.exit_code == 3);
  CHECK(contains(unasked.err, "port: {scale_up: pcie}"));
  const Ran ran = trainfare(l20 + " --set 'port={layout: auto, scale_up: pcie}'");
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  const json told = json::parse(ran.out)["substitutions"];
  REQUIRE(told.size() >= 2);
  CHECK(told[0] == "node.scale_up: switch -> pcie (NVIDIA L20 has no links of its own)");
  CHECK(contains(told[1].get<std::string>(), "stages.pre-training.parallelism: "));
  CHECK(contains(told[1].get<std::string>(), "44.7 GiB of NVIDIA L20"));
}

TEST_CASE("threads change no byte of a comparison", "[threads]") {
  const std::string compared = "compare --json --attribute --replications 4 '" + scenarios +
                               "studies/v3-chips.yaml:h800' '" + scenarios +
                               "studies/v3-chips.yaml:h20' --jobs ";
  const Ran one = trainfare(compared + "1"), four = trainfare(compared + "4");
  REQUIRE(one.exit_code == 0);
  CHECK(one.out == four.out);
}

// The whole of them takes a minute: tools/studies.
TEST_CASE("every shipped study reads, and every case of its scenarios can be", "[slow]") {
  int sweeps = 0, cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scenarios + "studies")) {
    const std::string file = entry.path().string(), text = read_text(file);
    INFO(file);
    if (contains(text, "\nbase: ")) {
      ++sweeps;
      continue;
    }
    for (std::size_t at = text.find("\ncases:"); at != std::string::npos;) {
      const std::size_t line = text.find("\n  ", at + 1);
      if (line == std::string::npos)
        break;
      at = line;
      const std::size_t name = line + 3, end = text.find(':', name);
      if (text[name] == ' ' || text[name] == '#' || end == std::string::npos)
        continue;
      ++cases;
      const Ran ran = trainfare("check '" + file + "' --case " + text.substr(name, end - name));
      INFO(text.substr(name, end - name) + ran.err);
      CHECK(ran.exit_code == 0);
    }
  }
  CHECK(sweeps >= 3);
  CHECK(cases >= 25);
}

TEST_CASE("a sweep as a table for people") {
  const TemporaryFolder folder;
  write_text(folder / "s.yaml", "name: Two sizes\nbase: " + minimal +
                                    "\naxes: [{path: cluster.nodes, values: [8, 16]}]\n"
                                    "columns: [totals.gpu_hours, totals.cost_usd]\n");
  const Ran ran = trainfare("sweep --table '" + folder / "s.yaml" + "'");
  REQUIRE(ran.exit_code == 0);
  CHECK(contains(ran.out, "Two sizes\n"));
  CHECK(contains(ran.out, "gpu_hours"));
  CHECK(contains(ran.out, "8; 16: USD: rental at"));
}
