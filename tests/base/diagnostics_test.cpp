// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

using namespace sim;

TEST_CASE("a diagnostic names place, fault and remedy, and leaves out what is not known") {
  CHECK(to_text(Diagnostic{{"a.yaml", 3, 7}, "no such key", "try 'nodes'"}) ==
        "a.yaml:3:7: error: no such key; try 'nodes'");
  CHECK(to_text(Diagnostic{{"a.yaml", 3, 0}, "no such key", ""}) == "a.yaml:3: error: no such key");
  CHECK(to_text(Diagnostic{{"a.yaml", 0, 0}, "empty", ""}) == "a.yaml: error: empty");
  CHECK(to_text(Diagnostic{{}, "empty", ""}) == "error: empty");
}

TEST_CASE("a scenario error tells every finding") {
  const ScenarioError error({{{"a", 1, 2}, "one", ""}, {{"a", 3, 4}, "two", "do"}});
  CHECK(error.diagnostics().size() == 2);
  CHECK(std::string(error.what()) == "a:1:2: error: one\na:3:4: error: two; do");
}

TEST_CASE("an infeasible error keeps its parts") {
  const InfeasibleError error("parallelism.pipeline", "16 does not divide 61", "use 1");
  CHECK(error.path() == "parallelism.pipeline");
  CHECK(error.message() == "16 does not divide 61");
  CHECK(error.remedy() == "use 1");
  CHECK(std::string(error.what()) == "parallelism.pipeline: 16 does not divide 61; use 1");
  CHECK(std::string(InfeasibleError("", "too long").what()) == "too long");
}

TEST_CASE("a broken assertion names condition and place") {
  SIM_ASSERT(1 + 1 == 2);
  CHECK_THROWS_AS(SIM_ASSERT(1 > 2), InternalError);
  CHECK_THROWS_WITH(SIM_ASSERT(1 > 2),
                    Catch::Contains("1 > 2") && Catch::Contains("diagnostics_test.cpp"));
}

TEST_CASE("the nearest name is a likely slip or nothing") {
  const std::vector<std::string> names{"tensor", "pipeline", "expert", "data", "zero_stage"};
  CHECK(nearest_name("tesnor", names) == "tensor");
  CHECK(nearest_name("Pipeline", names) == "pipeline");
  CHECK(nearest_name("zero-stage", names) == "zero_stage");
  CHECK(nearest_name("dat", names) == "data");
  CHECK(nearest_name("pipelines", names) == "pipeline");
  CHECK(nearest_name("colour", names).empty());
  CHECK(nearest_name("", names).empty());
  CHECK(nearest_name("x", {"a", "b"}).empty());               // nothing in common
  CHECK(nearest_name("h20", {"h200", "h20-96"}) == "h20-96"); // its form was left out
  CHECK(nearest_name("any", {}).empty());
}

TEST_CASE("texts that are no names have no near name, however near") {
  const std::string text(300'000, 'a');
  CHECK(nearest_name(text + "b", {text}).empty());
  CHECK(nearest_name(std::string(499, 'a') + "b", {std::string(500, 'a')}) ==
        std::string(500, 'a'));
}
