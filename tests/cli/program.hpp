// SPDX-License-Identifier: Apache-2.0
// The program as a user runs it.
#pragma once

#include "tests/study/temporary_folder.hpp"

#include <cstdlib>
#include <string>

#include <sys/wait.h>

namespace sim::tests {

struct Ran {
  int exit_code = -1;
  std::string out, err;
};

// Runs a line of shell.
inline Ran shell(const std::string& command) {
  const TemporaryFolder folder;
  const std::string line =
      "( " + command + " ) > '" + folder / "out" + "' 2> '" + folder / "err" + "' < /dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder / "out"),
          read_text(folder / "err")};
}

inline Ran trainfare(const std::string& arguments) {
  return shell("'" TRAINFARE_PROGRAM "' " + arguments);
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace sim::tests
