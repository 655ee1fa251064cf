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

TEST_CASE("the core neither prints nor exits") {
  CHECK_FALSE(offences("training", "a.cpp", "void f() { std::cout << 1; }\n").empty());
  CHECK_FALSE(offences("training", "a.cpp", "void f() { std::exit(1); }\n").empty());
  CHECK(offences("cli", "a.cpp", "void f() { std::fputs(\"\", stderr); }\n").empty());
}

TEST_CASE("what differs between machines, libraries or moments is refused, with its place") {
  for (const std::string line :
       {// the C library's functions, also by their old names
        "double f(double x) { return std::pow(x, 3); }", "double f(double x) { return exp(x); }",
        "double f(double x) { return -::log1p(x); }", "float f(float x) { return std::expf(x); }",
        "double f(double x) { return std::hypot(x, 1); }",
        "double f(double x) { return std::fma(x, x, x); }",
        "double f(double x) { return __builtin_fma(x, x, x); }",
        "double f(double x) { return std::lerp(0.0, x, 0.3); }", "long double wide = 1;",
        // the standard library's draws and orders
        "std::normal_distribution<double> d;", "std::mt19937 engine;", "int f() { return rand(); }",
        "std::shuffle(a.begin(), a.end(), engine);", "std::unordered_map<int, double> seen;",
        "std::unordered_multiset<int> seen;", "auto h = std::hash<int>{}(1);",
        "double f() { return std::reduce(a.begin(), a.end()); }",
        "std::sort(std::execution::par, a, b);",
        // locale, clock, rounding
        "double f(const char* s) { return std::stod(s); }", "std::ostringstream text;",
        "auto t = std::chrono::steady_clock::now();", "auto t = std::time(nullptr);",
        "auto t = std::clock();", "#pragma STDC FP_CONTRACT ON",
        "int f() { return std::fesetround(0); }"}) {
    const std::string found = offences("training", "a.cpp", "int first;\n" + line + "\n");
    INFO(line);
    CHECK(found.find("sim/training/a.cpp:2: ") != std::string::npos);
    CHECK_FALSE(offences("base", "a.hpp", line + "\n").empty());
  }
}

TEST_CASE("what only looks like it is not refused") {
  for (const std::string line :
       {"double f(double x) { return std::sqrt(x) + portable_exp(x); }",
        "double f(double x) { return std::floor(x) + std::fabs(x) + std::nearbyint(x); }",
        "double f(double x) { return std::nextafter(x, 0) + std::fmod(x, 2) + std::ldexp(x, 2); }",
        "// std::exp( and std::cout in a comment", "const char* s = \"std::exit(1) exp(2)\";",
        "auto t = model.log(3);", "auto t = units::exp(3);", "double f() { return slow_exp(1); }",
        "const std::map<int, double> seen;", "long doubled = 1;", "Seconds time() const;",
        "auto d = std::chrono::sys_days(day);", "void exponential(int);"}) {
    INFO(line);
    CHECK(offences("training", "a.cpp", line + "\n").empty());
  }
  for (const char* room : {"cli", "study"})
    CHECK(offences(room, "a.cpp", "auto t = std::chrono::steady_clock::now();\n").empty());
  CHECK(offences("cli", "a.cpp", "std::ostringstream text;\n").empty());
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
