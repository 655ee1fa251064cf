// SPDX-License-Identifier: Apache-2.0
#include "sim/base/output_file.hpp"
#include "sim/cli/command.hpp"
#include "sim/cli/interrupt.hpp"
#include "sim/simulate.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace sim::cli {

namespace {

// A reader that has closed its end has read enough: that is no error. Returns errno, or 0.
int write_all(int descriptor, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ::ssize_t count = ::write(descriptor, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return errno == EPIPE ? 0 : errno;
    written += static_cast<std::size_t>(count);
  }
  return 0;
}

void tell(const std::string& message) { write_all(STDERR_FILENO, message + "\n"); }

std::string program_help() {
  std::string text = "trainfare simulates what a training run costs: from a YAML scenario to step "
                     "times, hours and "
                     "dollars.\n\nusage: trainfare COMMAND [OPTIONS] ARGUMENTS\n\n";
  for (const Command& command : commands())
    text += fmt::format("  {:<12}{:<40}{}\n", command.name, command.arguments, command.summary);
  return text +
         "\n  trainfare COMMAND --help   the options of a command\n  trainfare --version\n\n"
         "exit codes: 0 done, 1 an assertion of the scenario failed, 2 wrong usage, 3 bad input,\n"
         "4 infeasible, 5 interrupted, 70 a fault of the program, 74 output cannot be written\n";
}

Outcome dispatch(const std::vector<std::string>& arguments) {
  Outcome outcome;
  if (arguments.empty()) {
    outcome.exit_code = WrongUsage;
    outcome.messages.push_back(program_help());
    return outcome;
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    outcome.text = program_help();
    return outcome;
  }
  if (name == "--version") {
    outcome.text = "trainfare " + version() + "\n";
    return outcome;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (name == command.name)
      return command.run(command, {arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  const std::string near = nearest_name(name, names);
  throw UsageError("no command '" + name + "'" +
                   (near.empty() ? "; see trainfare --help" : "; did you mean '" + near + "'?"));
}

int deliver(const Outcome& outcome) {
  for (const std::string& message : outcome.messages)
    tell(message);
  for (const auto& [name, text] : outcome.files)
    write_file(name, text);
  if (!outcome.file.empty()) {
    write_file(outcome.file, outcome.text);
    return outcome.exit_code;
  }
  if (const int reason = write_all(STDOUT_FILENO, outcome.text); reason != 0) {
    tell(std::string("error: standard output: ") + std::strerror(reason));
    return OutputFailed;
  }
  return outcome.exit_code;
}

} // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all{
      {"run", "SCENARIO", "simulate a scenario: hours, dollars, where they went", run_command},
      {"check", "SCENARIO", "does it fit in memory? which inputs are assumed?", check_command},
      {"compare", "A B [C...]", "results side by side", compare_command},
      {"sweep", "STUDY --out FILE.csv", "a grid of scenarios to a table; goes on after a kill",
       sweep_command},
      {"solve", "SCENARIO --vary KEY --until LIMIT",
       "the value of one key at which a quantity meets a limit", solve_command},
      {"explain", "SCENARIO QUANTITY",
       "how a quantity came about: formulas, kernels, inputs with sources", explain_command},
      {"collective", "--node NODE --op OP --size SIZE",
       "one collective: time, algorithm, bus bandwidth, busiest links", collective_command},
      {"score", "[FAMILY|FILE]...", "published runs: predicted against measured", score_command},
      {"rules", "CHIP|--all --date DAY --destination CC",
       "export-control status of chips: the rule, the arithmetic, the source", rules_command},
      {"catalog", "[KIND] [NAME]", "chips, nodes, fabrics, models, stacks, prices",
       catalog_command},
      {"schema", "", "JSON Schema of the scenario language", schema_command}};
  return all;
}

int front_end(const std::vector<std::string>& arguments) {
  listen_for_interrupts();
  try {
    return deliver(dispatch(arguments));
  } catch (const UsageError& error) {
    tell(std::string("error: ") + error.what());
    return WrongUsage;
  } catch (const ScenarioError& error) {
    std::string text;
    for (const Diagnostic& diagnostic : error.diagnostics())
      text += (text.empty() ? "" : "\n") + to_text(diagnostic);
    tell(text);
    return BadInput;
  } catch (const LocatedInfeasibleError& error) {
    tell(error.what());
    return Infeasible;
  } catch (const InfeasibleError& error) {
    tell("error: " + error.path() + ": " + error.message() +
         (error.remedy().empty() ? "" : "; " + error.remedy()));
    return Infeasible;
  } catch (const FileError& error) {
    tell(std::string("error: ") + error.what());
    return OutputFailed;
  } catch (const std::bad_alloc&) {
    tell("error: not enough memory for this scenario");
    return Infeasible;
  } catch (const std::exception& error) {
    tell(std::string("internal error: ") + error.what() + "; this is a fault of trainfare " +
         version() + ", please report it with the scenario");
    return OwnFault;
  }
}

} // namespace sim::cli
