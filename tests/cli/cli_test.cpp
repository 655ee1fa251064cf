// SPDX-License-Identifier: Apache-2.0
// The program as people run it: exit codes, what goes to which stream, and that bad input leaves no
// partial output.
#include "tests/cli/program.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <vector>

using sim::tests::contains;
using sim::tests::Ran;
using sim::tests::read_text;
using sim::tests::shell;
using sim::tests::TemporaryFolder;
using sim::tests::trainfare;
using sim::tests::write_text;

namespace {

const std::string program = TRAINFARE_PROGRAM;
const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";

void check_bad_input(const Ran& ran, const std::string& place) {
  CHECK(ran.exit_code == 3);
  CHECK(ran.out.empty());
  INFO(ran.err);
  CHECK(contains(ran.err, place));
  CHECK(contains(ran.err, ": error: "));
}

} // namespace

TEST_CASE("help and version") {
  CHECK(trainfare("--version").out.find("trainfare 0.") == 0);
  const Ran help = trainfare("--help");
  CHECK(help.exit_code == 0);
  for (const char* command : {"run", "check", "compare", "sweep", "explain", "score", "collective",
                              "rules", "catalog", "schema"}) {
    CHECK(contains(help.out, command));
    const Ran own = trainfare(std::string(command) + " --help");
    CHECK(own.exit_code == 0);
    CHECK(contains(own.out, "usage: trainfare " + std::string(command)));
    CHECK(own.err.empty());
  }
}

TEST_CASE("wrong usage: exit 2, told on standard error, nothing on standard output") {
  const std::vector<std::string> wrong{
      "",
      "rum",
      "run",
      "run a b",
      "run '" + minimal + "' --nonsense",
      "run '" + minimal + "' --js",
      "run '" + minimal + "' --seed -1",
      "run '" + minimal + "' --seed 1.5",
      "run '" + minimal + "' --replications 0",
      "run '" + minimal + "' --input-draws 18",
      "run '" + minimal + "' --jobs 0",
      "run '" + minimal + "' --json --csv",
      "compare '" + minimal + "'",
      "catalog no-such-kind",
      "catalog accelerators h100",
      "catalog a b c",
      "explain '" + minimal + "'",
      "explain '" + minimal + "' totals.gpu_hour",
      "score no-such-family",
      "score deepseek-v3-step deepseek-v3-step",
      "collective --node hgx-h100 --op all-reduce",
      "collective --node hgx-h100 --nodes 2 --op all-reduce --size 1GiB",
      "collective --node hgx-h100 --op all-reduce --size 1GiB --algorithm star",
      "collective --node hgx-h100 --op all-reduce --size 1GiB --protocol ll",
      "sweep"};
  for (const std::string& arguments : wrong) {
    INFO(arguments);
    const Ran ran = trainfare(arguments);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out.empty());
    CHECK_FALSE(ran.err.empty());
  }
  CHECK(contains(trainfare("rum").err, "did you mean 'run'?"));
}

TEST_CASE("collective: one object of figures that agree, as a table too, and located errors") {
  const std::string node = "collective --node hgx-h100 --op all_reduce --size 1GiB";
  const Ran json = trainfare(node + " --json");
  REQUIRE(json.exit_code == 0);
  const auto object = nlohmann::json::parse(json.out);
  CHECK(object.at("algorithm") == "nvls");
  const double rate = 1073741824 / object.at("time_s").get<double>();
  CHECK(object.at("algorithm_bandwidth").get<double>() == Approx(rate));
  CHECK(object.at("bus_bandwidth").get<double>() == Approx(rate * 2 * 7 / 8));
  CHECK(object.at("busiest_links").at(0).at("link") == "scale-up");
  CHECK(object.at("busiest_links").at(0).at("busy_percent").get<double>() <= 100);
  CHECK(contains(trainfare(node).out, "nvls"));
  const auto exact = nlohmann::json::parse(trainfare(node + " --exact --json").out);
  CHECK(exact.at("time_s").get<double>() ==
        Approx(object.at("time_s").get<double>()).epsilon(1e-9));
  CHECK(exact.at("exact").at("flows") == 8); // up to the switch and down, each GPU
  const Ran ring = trainfare(node + " --set cluster.node.in_switch_reduction=false --json");
  CHECK(nlohmann::json::parse(ring.out).at("algorithm") == "ring");
  const Ran tree = trainfare(node + " --algorithm tree --protocol ll128 --json");
  CHECK(nlohmann::json::parse(tree.out).at("protocol") == "ll128");

  const Ran messages = trainfare(node + " --algorithm ring --detail message --json");
  CHECK(nlohmann::json::parse(messages.out).at("messages") == 14 * 8);
}

TEST_CASE("collective: what is wrong is said of the option, with what would be right") {
  check_bad_input(trainfare("collective --node hgx-h1000 --op all-reduce --size 1GiB"),
                  "--node: error: ");
  check_bad_input(trainfare("collective --node hgx-h100 --op all-reduce --size 1"),
                  "--size: error: ");
  check_bad_input(trainfare("collective --node hgx-h100 --op reduce-all --size 1B"),
                  "--op: error: ");
  check_bad_input(trainfare("collective --node hgx-h100 --op all-reduce --size 1GiB --nodes 2 "
                            "--fabric fat-tree-40g"),
                  "--fabric: error: ");
  const auto infeasible = [](const std::string& arguments, const char* option, const char* remedy) {
    const Ran ran = trainfare("collective --op all-reduce --size 1GiB " + arguments);
    INFO(ran.err);
    CHECK(ran.exit_code == 4);
    CHECK(ran.out.empty());
    CHECK(ran.err.find(std::string(option) + ": error: ") == 0);
    CHECK(contains(ran.err, remedy));
    CHECK_FALSE(contains(ran.err, "probes"));
  };
  infeasible("--node hgx-h100 --ranks 3", "--ranks", "a divisor of 8");
  infeasible("--node hgx-h100 --ranks 16", "--ranks", "--nodes 2 --fabric");
  infeasible("--node hgx-a100 --algorithm nvls", "--algorithm", "ring, tree, halving-doubling");
  infeasible("--node hgx-a100 --algorithm nvls", "--algorithm", "in_switch_reduction");
  infeasible("--node hgx-h100 --algorithm pairwise", "--algorithm", "it does all-to-all");
  infeasible("--node hgx-h100 --algorithm nvls --protocol ll", "--protocol", "simple");
  infeasible("--node hgx-h100 --detail message", "--detail", "algorithm ring");
  infeasible("--node hgx-h100 --nodes 100000 --fabric fat-tree-400g", "--nodes", "");
  for (const char* arguments : {"--detail pass", "--detail message --exact"})
    CHECK(trainfare(std::string("collective --node hgx-h100 --op all-reduce --size 1GiB ") +
                    arguments)
              .exit_code == 2);
}

TEST_CASE("bad input: exit 3, located, no output") {
  const TemporaryFolder folder;
  const std::string file = folder / "x.yaml";
  check_bad_input(trainfare("run '" + folder / "missing.yaml" + "'"), "missing.yaml:1:1");
  check_bad_input(trainfare("run /"), "/:1:1");
  const std::string good = read_text(minimal);
  for (const char* extra : {"nonsense: 1\n", "name: again\n"}) {
    write_text(file, good + extra);
    const auto lines = std::count(good.begin(), good.end(), '\n');
    check_bad_input(trainfare("run '" + file + "'"), file + ":" + std::to_string(lines + 1) + ":1");
    check_bad_input(trainfare("check '" + file + "' --json"),
                    file + ":" + std::to_string(lines + 1) + ":1");
  }
  write_text(file, "");
  check_bad_input(trainfare("run '" + file + "'"), file);
  check_bad_input(trainfare("run '" + minimal + "' --set cluster.nodes=-1"), "nodes");
  check_bad_input(trainfare("run '" + minimal + "' --set price.rental=2"), "rental");
  check_bad_input(trainfare("run '" + minimal + "' --case none"), "none");
  check_bad_input(trainfare("sweep '" + minimal + "'"), minimal);
}

TEST_CASE("score: families by name, tables by file, errors located") {
  const TemporaryFolder folder;
  const Ran named = trainfare("score deepseek-v3-step --json");
  CHECK(named.exit_code == 0);
  const auto json = nlohmann::json::parse(named.out);
  CHECK(json["families"][0]["name"] == "deepseek-v3-step");
  CHECK(json["rows"][0]["published"].get<double>() == 19.926);
  const std::string file = SOURCE_DIR "/scenarios/published/deepseek-v3-step.yaml";
  CHECK(trainfare("score '" + file + "' --json").out == named.out);
  const Ran changed = trainfare("score '" + file + "' --json --set stack.jitter=0");
  CHECK(changed.exit_code == 0);
  CHECK(changed.out != named.out);
  check_bad_input(trainfare("score '" + minimal + "'"), minimal);
  check_bad_input(trainfare("score ./none.yaml"), "none.yaml:1:1");
  const std::string bad = folder / "bad.yaml";
  std::string text = read_text(file);
  text.replace(text.find("[multi-plane, 19.926]"), 21, "[multi-plane, 19.9 s]");
  write_text(bad, text);
  check_bad_input(trainfare("score '" + bad + "'"), bad + ":");
}

TEST_CASE("quantities that no result has are found before the run") {
  const TemporaryFolder folder;
  const std::string file = folder / "x.yaml";
  write_text(file,
             read_text(minimal) +
                 "published:\n"
                 "  - {quantity: totals.gpu_hour, value: 1 GPU-hour, role: held-out, source: s}\n"
                 "  - {quantity: totals.cost_usd, value: 1 h, role: held-out, source: s}\n");
  const Ran ran = trainfare("run '" + file + "'");
  check_bad_input(ran, "did you mean 'totals.gpu_hours'?");
  CHECK(contains(ran.err, "published.1.value"));
}

TEST_CASE("a run that starts from itself is refused") {
  const TemporaryFolder folder;
  const std::string good = read_text(minimal);
  write_text(folder / "a.yaml", good + "builds_on: b.yaml\n");
  write_text(folder / "b.yaml", good + "builds_on: a.yaml\n");
  check_bad_input(trainfare("run '" + folder / "a.yaml" + "'"), "b.yaml:");
  write_text(folder / "c.yaml", good + "builds_on: missing.yaml\n");
  check_bad_input(trainfare("run '" + folder / "c.yaml" + "'"), "c.yaml:");
  write_text(folder / "d.yaml", good + "builds_on: " + minimal + "\n");
  const Ran ran = trainfare("run '" + folder / "d.yaml" + "'");
  CHECK(ran.exit_code == 0);
  CHECK(contains(ran.out, "not counted"));
}

TEST_CASE("infeasible: exit 4, located, with the reason, no output") {
  for (const char* key : {"parallelism.tensor=3", "parallelism.pipeline=7"}) {
    const std::string set = key;
    const Ran ran = trainfare("run '" + minimal + "' --set " + set);
    INFO(ran.err);
    CHECK(ran.exit_code == 4);
    CHECK(ran.out.empty());
    CHECK(contains(ran.err, "parallelism"));
    CHECK(contains(ran.err, ": error: "));
    CHECK(trainfare("check '" + minimal + "' --set " + set).exit_code == 4);
  }
  const Ran memory = trainfare("run '" + minimal + "' --set model=llama-3.1-405b");
  INFO(memory.err);
  CHECK(memory.exit_code == 4);
  CHECK(contains(memory.err, "GiB"));
}

TEST_CASE("a failed assertion: exit 1, and the result is there") {
  const TemporaryFolder folder;
  const std::string file = folder / "x.yaml";
  write_text(file, read_text(minimal) + "assert:\n  - {quantity: totals.cost_usd, max: 1 USD}\n");
  const Ran ran = trainfare("run '" + file + "' --json");
  CHECK(ran.exit_code == 1);
  CHECK(nlohmann::json::parse(ran.out)["totals"]["cost_usd"] > 1);
  CHECK(contains(ran.err, "assertion failed: totals.cost_usd is "));
  CHECK(contains(ran.err, file + ":"));
  write_text(file, read_text(minimal) + "assert:\n  - {quantity: totals.cost_usd, min: 1 USD}\n");
  CHECK(trainfare("run '" + file + "'").exit_code == 0);
}

TEST_CASE("JSON output is one object and nothing else; the same bytes again") {
  const Ran ran = trainfare("run '" + minimal + "' --json");
  CHECK(ran.exit_code == 0);
  CHECK(ran.err.empty());
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json["format"] == 1);
  CHECK(trainfare("run '" + minimal + "' --json").out == ran.out);
  // Hours x GPUs = GPU-hours; GPU-hours x rent = dollars; the ledger sums to both.
  const double hours = json["totals"]["gpu_hours"], cost = json["totals"]["cost_usd"];
  CHECK(cost == Approx(2.5 * hours).epsilon(1e-9));
  double ledger_hours = 0, ledger_cost = 0;
  for (const auto& entry : json["ledger"]) {
    ledger_hours += entry["gpu_hours"].get<double>();
    ledger_cost += entry["cost_usd"].get<double>();
  }
  CHECK(ledger_hours == Approx(hours).epsilon(1e-12));
  CHECK(ledger_cost == Approx(cost).epsilon(1e-12));
}

TEST_CASE("options: --set, --out, --csv, --seed") {
  const TemporaryFolder folder;
  const Ran dear = trainfare("run '" + minimal + "' --json --set 'price.rental=5 USD/GPU-hour'");
  const Ran usual = trainfare("run '" + minimal + "' --json --seed 7");
  const auto a = nlohmann::json::parse(dear.out), b = nlohmann::json::parse(usual.out);
  CHECK(a["totals"]["cost_usd"].get<double>() == Approx(2 * b["totals"]["cost_usd"].get<double>()));
  CHECK(a["scenario_sha256"] != b["scenario_sha256"]);
  CHECK(b["seed"] == 7);
  const Ran filed = trainfare("run '" + minimal + "' --csv --out '" + folder / "r.csv" + "'");
  CHECK(filed.exit_code == 0);
  CHECK(filed.out.empty());
  CHECK(read_text(folder / "r.csv") == trainfare("run '" + minimal + "' --csv").out);
}

TEST_CASE("replications add a distribution", "[threads]") {
  const std::string often =
      "--set 'reliability={title: often, failures: 1e-3 failures/GPU-hour, restart: 10 min}' ";
  const Ran one = trainfare("run '" + minimal + "' " + often + "--replications 20 --jobs 1 --json");
  CHECK(one.exit_code == 0);
  const auto json = nlohmann::json::parse(one.out);
  CHECK(json["distribution"]["replications"] == 20);
  CHECK(json["distribution"]["cost_usd"]["p05"] <= json["distribution"]["cost_usd"]["p95"]);
  for (const char* jobs : {"2", "7"})
    CHECK(trainfare("run '" + minimal + "' " + often + "--replications 20 --json --jobs " + jobs)
              .out == one.out);
}

TEST_CASE("uncertain inputs have an interval unasked; the same bytes on any threads", "[threads]") {
  const std::string uncertain =
      "run '" + minimal +
      "' --set 'price.rental={uncertain: {uniform: [2 USD/GPU-hour, 3 USD/GPU-hour]}}' ";
  const std::string line = "90 % over 1 uncertain input (19 draws): ";
  CHECK(contains(trainfare(uncertain).out, line));
  const Ran one = trainfare(uncertain + "--json --jobs 1");
  CHECK(one.exit_code == 0);
  const auto json = nlohmann::json::parse(one.out);
  const auto interval = json["validity"]["uncertain_inputs"];
  CHECK(interval["inputs"] == nlohmann::json{"price.rental"});
  CHECK(interval["draws"] == 19);
  const double hours = json["totals"]["gpu_hours"];
  CHECK(interval["cost_usd"]["low"] >= 2 * hours);
  CHECK(interval["cost_usd"]["low"] < json["totals"]["cost_usd"]); // the median of the rents
  CHECK(interval["cost_usd"]["high"] > json["totals"]["cost_usd"]);
  CHECK(interval["cost_usd"]["high"] <= 3 * hours);
  for (const char* jobs : {"2", "7"})
    CHECK(trainfare(uncertain + "--json --jobs " + jobs).out == one.out);
  // Replications draw inputs themselves, and one run can be had alone.
  for (const char* none : {"--input-draws 0", "--replications 2"})
    CHECK_FALSE(contains(trainfare(uncertain + none).out, "uncertain input"));
  CHECK(contains(trainfare(uncertain + "--replications 2 --input-draws 19").out, line));
  CHECK_FALSE(contains(trainfare("run '" + minimal + "'").out, "uncertain input"));
  const Ran piped =
      shell("cat '" + minimal + "' | '" + program + "' run /dev/stdin --set " +
            "'price.rental={uncertain: {uniform: [2 USD/GPU-hour, 3 USD/GPU-hour]}}'");
  CHECK(piped.exit_code == 0);
  CHECK(contains(piped.out, "Total: "));
  CHECK(contains(piped.err, "no interval over uncertain inputs"));
}

TEST_CASE("a full disk is an error, a closed pipe is none") {
  const Ran full = shell("'" + program + "' run '" + minimal + "' > /dev/full");
  CHECK(full.exit_code == 74);
  CHECK(contains(full.err, "standard output"));
  const Ran closed = shell("{ '" + program + "' schema; echo $? >&2; } | true");
  CHECK(closed.err == "0\n");
  const Ran piped = shell("'" + program + "' run '" + minimal + "' | cat");
  CHECK(piped.out == trainfare("run '" + minimal + "'").out);
  CHECK(piped.err.empty());
  CHECK(trainfare("run '" + minimal + "' --out /no/such/folder/x").exit_code == 74);
}

TEST_CASE("the table fits 100 columns and has no control characters when piped") {
  const Ran ran = trainfare("run '" + minimal + "'");
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);)
    CHECK(line.size() <= 100);
  CHECK(ran.out.find('\033') == std::string::npos);
  CHECK(ran.out.find('\r') == std::string::npos);
}

TEST_CASE("check tells layout and memory and no cost") {
  const Ran ran = trainfare("check '" + minimal + "'");
  CHECK(ran.exit_code == 0);
  CHECK(contains(ran.out, "tensor 2"));
  CHECK(contains(ran.out, "GiB per GPU"));
  CHECK_FALSE(contains(ran.out, "$"));
  const auto json = nlohmann::json::parse(trainfare("check '" + minimal + "' --json").out);
  CHECK(json["stages"][0]["layout"]["tensor"] == 2);
}

TEST_CASE("catalog fabric counts switches, links and cost, and says what is not known") {
  // DeepSeek's own cluster: 2,048 GPUs on eight planes (ISCA 2025, section 5.1).
  const auto json = nlohmann::json::parse(
      trainfare("catalog fabric deepseek-mpft --nodes 256 --node hgx-h800 --json").out);
  CHECK(json["endpoints"] == 2048);
  CHECK(json["switches"] == 8 * (8 + 4));
  CHECK(json["switches_by_tier"]["spine"] == 32);
  CHECK(json["switch_links_by_tier"]["leaf-uplink"] == 2048);
  CHECK(json["oversubscription"] == 1);
  CHECK(json["nics_cost_usd"].is_null());
  const Ran full = trainfare("catalog fabric deepseek-mpft");
  CHECK(full.exit_code == 0);
  CHECK(contains(full.out, "16,384"));
  CHECK(contains(full.out, "not known: the fabric has no nic_price"));
  CHECK(contains(trainfare("catalog fabric rail-optimised-400g").err,
                 "did you mean 'rail-optimized-400g'?"));
  CHECK(contains(trainfare("catalog fabric deepseek-mpft --node hgx-h80").err, "'hgx-h800'"));
  CHECK(trainfare("catalog fabric deepseek-mpft --nodes 2049").exit_code == 4);
  CHECK(trainfare("catalog fabric deepseek-mpft --nodes 1").exit_code == 2);
  CHECK(trainfare("catalog fabric fat-tree-200g --node hgx-h100").exit_code == 4); // 400 Gb/s NICs
  CHECK(trainfare("catalog nodes --nodes 3").exit_code == 2);
  const nlohmann::json names = nlohmann::json::parse(trainfare("catalog fabrics --json").out);
  for (const std::string name : names["fabrics"])
    CHECK(trainfare("catalog fabric " + name + (name == "torus-400g" ? "" : " --nodes 16"))
              .exit_code == 0);
}

TEST_CASE("catalog lists kinds, names and entries with their sources") {
  const Ran all = trainfare("catalog");
  CHECK(all.exit_code == 0);
  CHECK(contains(all.out, "h800-sxm"));
  CHECK(contains(trainfare("catalog nodes").out, "hgx-h20-4x200"));
  const Ran entry = trainfare("catalog accelerators h800-sxm");
  CHECK(entry.exit_code == 0);
  CHECK(contains(entry.out, "source"));
  CHECK(nlohmann::json::parse(trainfare("catalog --json").out)["accelerators"].is_array());
  CHECK(contains(trainfare("catalog accelerators h800").err, "h800-sxm"));
  CHECK(trainfare("catalog --catalog /no/such/folder").exit_code == 3);
}

TEST_CASE("schema is JSON") {
  const Ran ran = trainfare("schema");
  CHECK(ran.exit_code == 0);
  CHECK(nlohmann::json::parse(ran.out).is_object());
  CHECK(contains(trainfare("schema --reference").out, "cluster"));
}

TEST_CASE("compare: a run and itself have ratios of one") {
  const auto json =
      nlohmann::json::parse(trainfare("compare --json '" + minimal + "' '" + minimal + "'").out);
  CHECK(json["rows"].size() > 20);
  for (const auto& row : json["rows"]) {
    INFO(row.dump());
    CHECK((row["ratios"][1].is_null() || row["ratios"][1] == 1));
  }
  CHECK(contains(trainfare("compare '" + minimal + "' '" + minimal + "'").out, "x1.000"));
}

TEST_CASE("sweep writes rows in order, remembers them, and prints nothing else") {
  const TemporaryFolder folder;
  const std::string study = folder / "study.yaml", table = folder / "table.csv";
  write_text(
      study,
      "name: small\nbase: " + minimal +
          "\naxes:\n  - {path: cluster.nodes, values: [16, 8, 1]}\ncolumns: [totals.gpu_hours]\n");
  const Ran to_file = trainfare("sweep '" + study + "' --out '" + table + "'");
  CHECK(to_file.exit_code == 0);
  CHECK(to_file.out.empty());
  const std::string first = read_text(table);
  CHECK(contains(first, "cluster.nodes,totals.gpu_hours,error"));
  CHECK(first.find("\n16,") < first.find("\n8,"));
  CHECK(trainfare("sweep '" + study + "'").out == first);
  CHECK(trainfare("sweep '" + study + "' --jobs 2 --out '" + table + "'").exit_code == 0);
  CHECK(read_text(table) == first);
}

TEST_CASE("a sweep that is interrupted or killed goes on and ends with the same bytes", "[slow]") {
  const TemporaryFolder folder;
  const std::string study = folder / "study.yaml", table = folder / "table.csv";
  std::string values;
  for (int i = 1; i <= 300; ++i)
    values += (i == 1 ? "" : ", ") + std::to_string(i) + " USD/GPU-hour";
  write_text(study, "name: many\nbase: " + minimal + "\naxes:\n  - {path: price.rental, values: [" +
                        values + "]}\n");
  const std::string sweep = "sweep '" + study + "' --jobs 2 --out '" + table + "'";
  const std::string undisturbed = trainfare("sweep '" + study + "'").out;

  const Ran stopped = shell("timeout --preserve-status -s INT 0.3 '" + program + "' " + sweep);
  if (stopped.exit_code != 0) { // a fast machine may be done already
    CHECK(stopped.exit_code == 5);
    CHECK(contains(stopped.err, "the same command goes on"));
    CHECK(read_text(table).empty());
  }
  for (int kill = 0; kill < 5; ++kill)
    shell("timeout -s KILL 0.1 '" + program + "' " + sweep);
  CHECK(trainfare(sweep).exit_code == 0);
  CHECK(read_text(table) == undisturbed);
  // Header and 300 rows: none was simulated twice.
  const std::string journal = read_text(table + ".journal");
  CHECK(std::count(journal.begin(), journal.end(), '\n') == 301);
}
