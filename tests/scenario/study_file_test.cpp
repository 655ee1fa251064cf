// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/study_file.hpp"
#include "tests/study/temporary_folder.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

std::string study_message(const std::string& text) {
  try {
    load_study_text(text, "t.yaml");
  } catch (const ScenarioError& error) {
    std::string all;
    for (const std::string& message : messages(error.diagnostics()))
      all += (all.empty() ? "" : "\n") + message;
    return all;
  }
  return "";
}

std::vector<std::string> arguments_of(const StudyPoint& point) {
  std::vector<std::string> arguments;
  for (const PlacedSet& set : point.sets)
    arguments.push_back(set.argument);
  return arguments;
}

TEST_CASE("a study is a base and axes of settings") {
  const StudyFile study = load_study_text("name: Chips\n"
                                          "base: ../r1.yaml\n"
                                          "axes:\n"
                                          "  - name: chip\n"
                                          "    points:\n"
                                          "      - {label: H800, set: {cluster.node: hgx-h800}}\n"
                                          "      - label: H20\n"
                                          "        set:\n"
                                          "          cluster.node: hgx-h20-8x400\n"
                                          "          price.rental: 1.1 USD/GPU-hour\n"
                                          "          port: {precision: [fp8, bf16], layout: auto}\n"
                                          "  - {path: cluster.nodes, values: [32, 64]}\n"
                                          "columns: [totals.gpu_hours]\n",
                                          "studies/chips.yaml");
  CHECK(study.base == "r1.yaml"); // from the study's folder
  REQUIRE(study.axes.size() == 2);
  CHECK(study.axes[0].points[1].label == "H20");
  CHECK(arguments_of(study.axes[0].points[1]) ==
        std::vector<std::string>{"cluster.node=hgx-h20-8x400", "price.rental=1.1 USD/GPU-hour",
                                 "port={precision: [fp8, bf16], layout: auto}"});
  CHECK(study.axes[1].name == "cluster.nodes");
  CHECK(study.axes[1].points[0].label == "32");
  CHECK(arguments_of(study.axes[1].points[0]) == std::vector<std::string>{"cluster.nodes=32"});
  CHECK(study.axes[1].points[1].location == Location{"studies/chips.yaml", 12, 40});
  CHECK(study.columns == std::vector<std::string>{"totals.gpu_hours"});
}

TEST_CASE("the settings of a study are --set arguments that load") {
  const Folder folder;
  folder.write("base.yaml", joined(lines()));
  const StudyFile study = load_study(folder.write(
      "studies/s.yaml", "name: S\nbase: ../base.yaml\naxes:\n"
                        "  - {path: name, values: [\"a: [b\", \"10\", plain words]}\n"
                        "  - {path: port, values: [{precision: [fp8, bf16], layout: auto}]}\n"));
  std::vector<std::string> names;
  for (const StudyPoint& point : study.axes[0].points) {
    LoadOptions options;
    options.placed_sets = point.sets;
    options.placed_sets.push_back(study.axes[1].points[0].sets[0]);
    const Scenario s = load(study.base, options).scenario;
    names.push_back(s.name);
    CHECK(s.port.precision.size() == 2);
  }
  CHECK(names == std::vector<std::string>{"a: [b", "10", "plain words"});
}

TEST_CASE("bad studies are diagnosed with their place") {
  const std::string head = "name: S\nbase: b.yaml\n";
  CHECK(study_message(head + "axes: []\n") ==
        "3:7 axes: there is no axis; write axes: [{path: ..., values: [...]}]");
  CHECK(
      study_message("axes: [{path: a, values: [1]}]\n") ==
      "1:1 the key 'name' of the study is missing; \n1:1 the key 'base' of the study is missing; ");
  CHECK(study_message(head + "axis: 1\naxes: [{path: a, values: [1]}]\n") ==
        "3:1 unknown key 'axis' in the study; did you mean 'axes'?");
  CHECK(study_message(head + "axes: [{path: a, values: []}]\n") ==
        "3:26 an axis without points; give at least one");
  CHECK(study_message(head + "axes: [{path: a, value: [1]}]\n") ==
        "3:8 the key 'values' of an axis is missing; \n3:18 unknown key 'value' in an axis; did "
        "you mean 'values'?");
  CHECK(study_message(head + "axes: [{path: a, values: [1, 1]}]\n") ==
        "3:30 two points of the axis 'a' have the label '1'; rows are told apart by it");
  CHECK(study_message(head + "axes: [{name: a, points: [{label: x, set: 3}]}]\n") ==
        "3:43 set: found '3'; write set: {key.path: value}");
  CHECK(study_message(head + "axes: 3\n") == "3:7 axes: found '3'; write a list: [...]");
  CHECK(study_message("- 1\n") == "1:1 the study: found a list; write a map: {key: value}");
}

TEST_CASE("every shipped study reads, and each of its points or cases loads") {
  const auto load_cases = [](const std::string& file) {
    for (const std::string& name : load(file).cases) {
      INFO(file << " " << name);
      LoadOptions options;
      options.case_name = name;
      CHECK_NOTHROW(load(file, options));
    }
  };
  for (const auto& item : std::filesystem::directory_iterator(SOURCE_DIR "/scenarios/studies")) {
    if (item.path().extension() != ".yaml")
      continue;
    const std::string file = item.path().string();
    if (tests::read_text(file).find("\nbase: ") == std::string::npos) { // scenarios to compare
      load_cases(file);
      continue;
    }
    const StudyFile study = load_study(file);
    for (const StudyAxis& axis : study.axes)
      for (const StudyPoint& point : axis.points) {
        INFO(item.path().string() << " " << point.label);
        LoadOptions options;
        options.placed_sets = point.sets;
        options.case_name = point.case_name;
        CHECK_NOTHROW(load(study.base, options));
      }
  }
}

} // namespace
} // namespace sim::scenario
