// SPDX-License-Identifier: Apache-2.0
#include "sim/base/country.hpp"
#include "sim/base/time.hpp"
#include "sim/cli/options.hpp"
#include "sim/report/rules_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/rule_book.hpp"

#include <algorithm>

namespace sim::cli {

namespace {

constexpr std::uint64_t draws = 32; // of a chip's uncertain numbers

std::string country(const Arguments& given, const char* option) {
  const std::string text = given.text(option);
  if (!text.empty() && !is_country(text))
    throw UsageError("--" + std::string(option) + ": '" + text +
                     "' is no country code; write two letters of ISO 3166, such as CN");
  return text;
}

Date day(const Arguments& given, const char* option) {
  const std::string text = given.text(option);
  if (text.empty())
    return {};
  if (const std::optional<Date> date = parse_date(text))
    return *date;
  throw UsageError("--" + std::string(option) + ": '" + text +
                   "' is not a day; write it as 2024-10-01");
}

economics::Access access(const Arguments& given) {
  const std::string text = given.text("access");
  if (text.empty() || text == "purchase")
    return economics::Access::Purchase;
  if (text == "cloud")
    return economics::Access::Cloud;
  throw UsageError("--access: '" + text + "' is none of purchase, cloud");
}

// The names asked for; UsageError for one that the catalogue does not have.
std::vector<std::string> chips(const Arguments& given, const scenario::Catalogue& catalogue) {
  const std::vector<std::string> known = catalogue.names("accelerators");
  const std::vector<std::string>& asked = given.positional();
  if (given.flag("all") != asked.empty())
    throw UsageError(asked.empty() ? "name a chip, or --all; see trainfare catalog accelerators"
                                   : "--all and the name of a chip exclude each other");
  for (const std::string& name : asked)
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string near = nearest_name(name, known);
      throw UsageError("the catalogue has no accelerator '" + name + "'; " +
                       (near.empty() ? "there are: " + report::joined(known, ", ")
                                     : "did you mean '" + near + "'?"));
    }
  return asked.empty() ? known : asked;
}

report::RulesRow row_of(const std::string& name, const std::string& catalog,
                        const economics::RuleBook& book, const report::RulesAnswer& answer) {
  const scenario::ChipEntry chip = scenario::load_chip(name, catalog);
  const auto judge = [&](const scenario::ChipEntry& entry, const economics::ExportQuestion& q) {
    return economics::judge(book, economics::export_figures(entry.spec, name), q);
  };
  report::RulesRow row;
  row.chip = name;
  row.title = chip.spec.title;
  row.judgement = judge(chip, answer.question);
  row.uncertain = chip.uncertain;
  const std::string own = "accelerators/" + name + ": "; // not those of its kernels
  for (const scenario::WeakInput& weak : chip.weak)
    if (weak.path.starts_with(own))
      row.assumed.push_back(weak.path.substr(own.size()));
  if (answer.acquired) {
    economics::ExportQuestion then = answer.question;
    then.date = *answer.acquired;
    row.law_when_acquired = judge(chip, then).law;
  }
  if (!chip.uncertain.empty())
    for (std::uint64_t i = 0; i < draws; ++i)
      ++row.draws[judge(scenario::load_chip(name, catalog, i), answer.question).law];
  return row;
}

} // namespace

Outcome rules_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_flag("all", "every accelerator of the catalogue")
      .with_text("date", "DAY", "day of purchase, such as 2024-06-01")
      .with_text("destination", "CC", "where the chips go to: two letters of ISO 3166")
      .with_text("buyer-hq", "CC", "where the buyer's headquarters are (default: the destination)")
      .with_text("access", "purchase|cloud", "buying chips (default), or use over a network")
      .with_text("acquired", "DAY", "stock in place: what buying it was on that day")
      .with_text("assume", "RULE", "a what-if: take this rule of the catalogue as in force")
      .with_flag("assume-unchanged", "a what-if: nothing changes after the newest known rule")
      .with_catalog()
      .with_format(false);
  if (!given.parse(arguments, 0, 64))
    return given.help();
  for (const char* name : {"date", "destination"})
    if (given.text(name).empty())
      throw UsageError(std::string("--") + name + " is missing; see trainfare rules --help");
  const Format format = given.format();
  report::RulesAnswer answer;
  answer.question = {country(given, "destination"), country(given, "buyer-hq"), day(given, "date"),
                     access(given), given.flag("assume-unchanged")};
  if (const Date acquired = day(given, "acquired"); acquired.known())
    answer.acquired = acquired;
  const std::string catalog = given.text("catalog"), assumed = given.text("assume");
  const economics::RuleBook book = scenario::load_rule_book(
      catalog, assumed.empty() ? std::vector<std::string>{} : std::vector{assumed});
  answer.newest = economics::newest_rule(book);
  for (const std::string& name : chips(given, scenario::Catalogue(catalog)))
    answer.rows.push_back(row_of(name, catalog, book, answer));
  Outcome outcome;
  outcome.text =
      format == Format::Json ? report::write_rules_json(answer) : report::write_rules_table(answer);
  return outcome;
}

} // namespace sim::cli
