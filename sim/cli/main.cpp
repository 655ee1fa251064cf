// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/command.hpp"

int main(int count, char** values) {
  return sim::cli::front_end(
      std::vector<std::string>(values + (count > 0 ? 1 : 0), values + count));
}
