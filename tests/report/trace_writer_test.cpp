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
  // The last span ends with the step, jitter included.
  const training::StageResult& stage = result.run.stages.front();
  CHECK(stage.step.jitter > Seconds{});
  CHECK(spans["waiting for the slowest rank"] == spans["optimizer"]);
  CHECK(spans["synchronisation"] == spans["optimizer"]);
  CHECK(end == Approx(stage.step_time / second * 1e6).epsilon(1e-12));
}

TEST_CASE("traces of several stages end with the sum of their steps") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/deepseek-v3.yaml");
  SimulateOptions options;
  options.trace = true;
  options.builds_on = false;
  const Result result = simulate(loaded, options);
  Seconds steps{};
  for (const training::StageResult& stage : result.run.stages) {
    REQUIRE(stage.trace != nullptr);
    Seconds end{};
    for (const execution::StepTrace::Span& span : stage.trace->spans)
      end = std::max(end, span.end);
    CHECK(end / second == Approx(stage.step_time / second).epsilon(1e-12));
    steps += stage.step_time;
  }
  const std::string text = report::write_trace(result);
  double end = 0;
  for (std::size_t at = text.find("\"dur\":"); at != std::string::npos;
       at = text.find("\"dur\":", at + 1)) {
    const std::size_t begin = text.rfind("\"ts\":", at);
    end = std::max(end, std::stod(text.substr(begin + 5, 40)) + std::stod(text.substr(at + 6, 40)));
  }
  CHECK(end == Approx(steps / second * 1e6).epsilon(1e-12));
}
