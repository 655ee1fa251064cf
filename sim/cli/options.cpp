// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace sim::cli {

namespace {

constexpr const char* positional_name =
    "trainfare-argument"; // hidden: the help names the arguments

} // namespace

Arguments::Arguments(const Command& command) : command_(command) {
  options_.add_options()("help,h", "this text");
}

Arguments& Arguments::with_text(const char* name, const char* value_name, const char* help) {
  options_.add_options()(name, po::value<std::string>()->value_name(value_name), help);
  return *this;
}

Arguments& Arguments::with_catalog() {
  return with_text("catalog", "DIR", "folder of entries that overlays the built-in catalogue");
}

Arguments& Arguments::with_scenario() {
  options_.add_options()(
      "set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE")->composing(),
      "change one value of the scenario (repeatable)");
  with_text("seed", "N", "seed of every random stream (default 1)");
  return with_catalog();
}

Arguments& Arguments::with_case() {
  return with_text("case", "NAME", "variant of the scenario, from its `cases`");
}

Arguments& Arguments::with_jobs() {
  return with_text("jobs", "N", "threads (default: one per processor); changes no result");
}

Arguments& Arguments::with_fidelity() {
  return with_text("detail", "pass|kernel|message",
                   "play steps by whole passes (default), every kernel, or every message too")
      .with_flag("exact", "fold nothing: every GPU, group and link by itself");
}

Arguments& Arguments::with_flag(const char* name, const char* help) {
  options_.add_options()(name, po::bool_switch(), help);
  return *this;
}

Arguments& Arguments::with_format(bool csv) {
  with_flag("json", "print one JSON object");
  return csv ? with_flag("csv", "print comma-separated values") : *this;
}

Arguments& Arguments::with_out(const char* help) { return with_text("out", "FILE", help); }

bool Arguments::parse(const std::vector<std::string>& arguments, std::size_t least,
                      std::size_t most) {
  po::options_description all;
  all.add(options_).add_options()(positional_name, po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add(positional_name, -1);
  const std::string see = "; see trainfare " + std::string(command_.name) + " --help";
  try {
    namespace style = po::command_line_style;
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              values_);
    po::notify(values_);
  } catch (const po::error& error) {
    throw UsageError(error.what() + see);
  }
  if (values_.count("help") > 0)
    return false;
  if (values_.count(positional_name) > 0)
    positional_ = values_[positional_name].as<std::vector<std::string>>();
  if (positional_.size() < least || positional_.size() > most)
    throw UsageError("usage: trainfare " + std::string(command_.name) + " " + command_.arguments +
                     see);
  return true;
}

Outcome Arguments::help() const {
  std::ostringstream text;
  text << "usage: trainfare " << command_.name << " [OPTIONS] " << command_.arguments << "\n\n"
       << command_.summary << "\n\n"
       << options_;
  Outcome outcome;
  outcome.text = text.str();
  return outcome;
}

bool Arguments::flag(const char* name) const {
  return values_.count(name) > 0 && values_[name].as<bool>();
}

std::string Arguments::text(const char* name) const {
  return values_.count(name) > 0 ? values_[name].as<std::string>() : std::string();
}

Format Arguments::format() const {
  if (flag("json") && flag("csv"))
    throw UsageError("--json and --csv exclude each other");
  return flag("json") ? Format::Json : flag("csv") ? Format::Csv : Format::Table;
}

std::uint64_t Arguments::number(const char* name, std::uint64_t absent, std::uint64_t low,
                                std::uint64_t high) const {
  if (values_.count(name) == 0)
    return absent;
  const std::string given = text(name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc{} || end != given.data() + given.size() || value < low || value > high)
    throw UsageError("--" + std::string(name) + ": '" + given + "' is not a whole number from " +
                     std::to_string(low) + " to " + std::to_string(high));
  return value;
}

execution::Fidelity Arguments::fidelity() const {
  execution::Fidelity fidelity;
  fidelity.exact = flag("exact");
  const std::string detail = text("detail");
  const auto& names = EnumNames<execution::Detail>::names;
  const auto known = std::find_if(names.begin(), names.end(),
                                  [&](const auto& name) { return name.second == detail; });
  if (known != names.end())
    fidelity.detail = known->first;
  else if (!detail.empty())
    throw UsageError("--detail: '" + detail + "' is none of pass, kernel, message");
  return fidelity;
}

int Arguments::jobs() const {
  constexpr std::uint64_t most = 1024;
  return static_cast<int>(number("jobs", 0, 1, most));
}

scenario::LoadOptions Arguments::load_options() const {
  scenario::LoadOptions options;
  if (values_.count("set") > 0)
    options.sets = values_["set"].as<std::vector<std::string>>();
  options.case_name = text("case");
  options.catalog_directory = text("catalog");
  options.seed = number("seed", 1);
  return options;
}

} // namespace sim::cli
