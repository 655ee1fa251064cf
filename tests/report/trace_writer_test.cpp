// SPDX-License-Identifier: Apache-2.0
#include "sim/report/trace_writer.hpp"

#include "sim/scenario/load.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

using namespace sim;

TEST_CASE("steps are written as trace events") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  SimulateOptions options;
  options.trace = true;
  const Result result = simulate(loaded, options);
  CHECK(simulate(loaded).run.fingerprint == result.run.fingerprint);
  const nlohmann::json events = nlohmann::json::parse(report::write_trace(result))["traceEvents"];
  std::set<int> named;
  std::map<std::string, int> spans;
  double end = 0;
  for (const nlohmann::json& event : events) {
    const std::string phase = event["ph"];
    if (phase == "M" && event["name"] == "process_name")
      named.insert(event["pid"].get<int>());
    if (phase == "X") {
      ++spans[event["name"]];
      CHECK(named.contains(event["pid"].get<int>()));
      end = std::max(end, event["ts"].get<double>() + event["dur"].get<double>());
    }
    if (phase == "C") {
      const double percent = event["args"]["percent"];
      CHECK(percent >= 0);
      CHECK(percent <= 100 * (1 + 1e-9));
    }
  }
  CHECK(spans["forward"] == spans["backward"]);
  CHECK(spans["optimizer"] == 1);
  // The step itself holds what the slowest of many ranks adds, which no rank shows.
  const training::StageResult& stage = result.run.stages.front();
  CHECK(end <= stage.step_time / second * 1e6);
  CHECK(end >= 0.95 * (stage.step_time / second * 1e6));
}
