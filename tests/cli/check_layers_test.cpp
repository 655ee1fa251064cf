// SPDX-License-Identifier: Apache-2.0
// tools/check-layers finds what it is there to find.
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

using sim::tests::read_text;
using sim::tests::TemporaryFolder;
using sim::tests::write_text;

namespace {

// What the script says of one file of a room; empty when it is in order.
std::string offences(const std::string& room, const std::string& name, const std::string& text) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / ("sim/" + room));
  write_text(folder / ("sim/" + room + "/" + name), text);
  const std::string out = folder / "out";
  const std::string command =
      SOURCE_DIR "/tools/check-layers '" + folder / "sim" + "' > '" + out + "'";
  const bool failed = std::system(command.c_str()) != 0;
  const std::string said = read_text(out);
  CHECK(failed == (said.find("in order") == std::string::npos));
  return failed ? said : "";
}

} // namespace

TEST_CASE("includes follow the arrows") {
  CHECK(offences("plan", "a.cpp",
                 "#include \"sim/topology/fabric.hpp\"\n#include \"sim/base/time.hpp\"\n")
            .empty());
  CHECK_FALSE(offences("network", "a.cpp", "#include \"sim/plan/layout.hpp\"\n").empty());
  CHECK_FALSE(offences("base", "a.hpp", "#include \"sim/engine/pool.hpp\"\n").empty());
  CHECK_FALSE(offences("economics", "a.cpp", "#include \"sim/training/result.hpp\"\n").empty());
  CHECK(offences("scenario", "a.cpp", "#include \"sim/training/spec.hpp\"\n").empty());
  CHECK_FALSE(offences("scenario", "a.cpp", "#include \"sim/training/run.hpp\"\n").empty());
  CHECK_FALSE(offences("report", "a.cpp", "#include \"sim/cli/options.hpp\"\n").empty());
  CHECK_FALSE(offences("unheard-of", "a.cpp", "int a;\n").empty());
}

TEST_CASE("libraries stay behind their walls") {
  CHECK(offences("scenario", "document.cpp", "#include <yaml-cpp/eventhandler.h>\n").empty());
  CHECK_FALSE(offences("scenario", "load.cpp", "#include <yaml-cpp/yaml.h>\n").empty());
  CHECK_FALSE(offences("network", "a.cpp", "#include <boost/graph/adjacency_list.hpp>\n").empty());
  CHECK_FALSE(offences("report", "a.cpp", "#include <thread>\n").empty());
  CHECK_FALSE(offences("cli", "a.cpp", "#include <nlohmann/json.hpp>\n").empty());
}

TEST_CASE("the core neither prints nor exits, nor depends on libm, clock or standard draws") {
  CHECK_FALSE(offences("training", "a.cpp", "void f() { std::cout << 1; }\n").empty());
  CHECK_FALSE(offences("training", "a.cpp", "void f() { std::exit(1); }\n").empty());
  CHECK_FALSE(offences("training", "a.cpp", "double f() { return std::pow(2.0, 3); }\n").empty());
  CHECK_FALSE(offences("training", "a.cpp", "std::normal_distribution<double> d;\n").empty());
  CHECK_FALSE(
      offences("training", "a.cpp", "auto t = std::chrono::steady_clock::now();\n").empty());
  CHECK(offences("training", "a.cpp",
                 "// std::exp( and std::cout in a comment\nconst char* s = \"std::exit(\";\n")
            .empty());
  CHECK(offences("training", "a.cpp", "double f() { return std::sqrt(2.0) + portable_exp(1); }\n")
            .empty());
  CHECK(offences("cli", "a.cpp", "void f() { std::fputs(\"\", stderr); }\n").empty());
}

TEST_CASE("files and functions stay within the budget") {
  std::string body = "int f(int a) {\n";
  for (int i = 0; i < 58; ++i)
    body += "  ++a;\n";
  CHECK(offences("base", "a.cpp", body + "}\n").empty()); // 60 lines
  CHECK_FALSE(offences("base", "a.cpp", body + "  ++a;\n}\n").empty());
  CHECK(offences("base", "a.cpp", std::string(600, '\n')).empty());
  CHECK_FALSE(offences("base", "a.cpp", std::string(601, '\n')).empty());
}
