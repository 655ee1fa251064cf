// SPDX-License-Identifier: Apache-2.0
// What the commands share: exit codes, errors, and how a command hands back its output. A command
// builds its whole text first; main writes it once, so that there is no partial output.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/located.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sim::cli {

enum ExitCode : int {
  Done = 0,
  AssertionFailed = 1,
  WrongUsage = 2,
  BadInput = 3,
  Infeasible = 4,
  Interrupted = 5,
  OwnFault = 70,
  OutputFailed = 74, // as sysexits.h: standard output or --out cannot be written
};

struct Outcome {
  int exit_code = Done;
  std::string text;                  // to standard output, or to `file`
  std::string file;                  // empty: standard output
  std::vector<std::string> messages; // to standard error
  // Names and contents of files beside it.
  std::vector<std::pair<std::string, std::string>> files;
};

// The command line is wrong (exit 2).
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

using study::located;
using study::LocatedInfeasibleError;

struct Command {
  const char* name;
  const char* arguments; // "SCENARIO"
  const char* summary;
  Outcome (*run)(const Command& command, const std::vector<std::string>& arguments);
};

// One file each: command_<name>.cpp.
Outcome run_command(const Command& command, const std::vector<std::string>& arguments);
Outcome check_command(const Command& command, const std::vector<std::string>& arguments);
Outcome compare_command(const Command& command, const std::vector<std::string>& arguments);
Outcome sweep_command(const Command& command, const std::vector<std::string>& arguments);
Outcome solve_command(const Command& command, const std::vector<std::string>& arguments);
Outcome explain_command(const Command& command, const std::vector<std::string>& arguments);
Outcome catalog_command(const Command& command, const std::vector<std::string>& arguments);
Outcome collective_command(const Command& command, const std::vector<std::string>& arguments);
Outcome rules_command(const Command& command, const std::vector<std::string>& arguments);
Outcome score_command(const Command& command, const std::vector<std::string>& arguments);
Outcome schema_command(const Command& command, const std::vector<std::string>& arguments);

const std::vector<Command>& commands();

// The whole program: writes to standard output and standard error, returns the exit code.
int front_end(const std::vector<std::string>& arguments);

} // namespace sim::cli
