// SPDX-License-Identifier: Apache-2.0
// Options that several commands have. The only header with Boost.Program_options.
#pragma once

#include "sim/cli/command.hpp"
#include "sim/execution/detail.hpp"

#include <boost/program_options.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sim::cli {

namespace po = boost::program_options;

enum class Format { Table, Json, Csv };

class Arguments {
public:
  explicit Arguments(const Command& command);

  // Builders, each naming options in the help.
  Arguments& with_scenario();            // --set, --seed, --catalog
  Arguments& with_catalog();             // --catalog
  Arguments& with_case();                // --case
  Arguments& with_jobs();                // --jobs
  Arguments& with_fidelity();            // --detail, --exact
  Arguments& with_format(bool csv);      // --json, --csv
  Arguments& with_out(const char* help); // --out
  Arguments& with_text(const char* name, const char* value_name, const char* help);

  Arguments& with_flag(const char* name, const char* help);

  // Throws UsageError. False: --help was asked; help() is the answer.
  bool parse(const std::vector<std::string>& arguments, std::size_t least, std::size_t most);
  [[nodiscard]] Outcome help() const;

  [[nodiscard]] const std::vector<std::string>& positional() const { return positional_; }
  [[nodiscard]] scenario::LoadOptions load_options() const;
  [[nodiscard]] std::string text(const char* name) const; // empty when absent
  [[nodiscard]] bool flag(const char* name) const;
  [[nodiscard]] Format format() const;
  [[nodiscard]] int jobs() const; // 0: as many as the machine has
  [[nodiscard]] execution::Fidelity fidelity() const;
  // A whole number within [low, high]; `absent` without the option.
  [[nodiscard]] std::uint64_t
  number(const char* name, std::uint64_t absent, std::uint64_t low = 0,
         std::uint64_t high = std::numeric_limits<std::uint64_t>::max()) const;

private:
  const Command& command_;
  po::options_description options_{"options", 100};
  po::variables_map values_;
  std::vector<std::string> positional_;
};

} // namespace sim::cli
