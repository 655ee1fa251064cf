// SPDX-License-Identifier: Apache-2.0
#include "sim/report/rules_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sim::report {

namespace {

using economics::CapFinding;
using economics::ExportFigures;
using economics::Judgement;
using economics::LawStatus;
using economics::PoolControl;
using economics::RuleFinding;
using economics::Verdict;
using nlohmann::ordered_json;

constexpr const char* not_advice = "Not legal advice.";
constexpr double giga = 1e9, square_millimetre = 1e-6;

std::string types_text(const ExportFigures& figures) {
  std::vector<std::string> names;
  for (const economics::DataType type : figures.binding)
    names.emplace_back(name_of(type));
  return joined(names, ", ");
}

std::string status_text(LawStatus status) {
  const std::string_view word = name_of(status), brief = economics::short_name(status);
  return word == brief ? std::string(word) : fmt::format("{} ({})", brief, word);
}

std::string number(const std::optional<double>& value) {
  return value ? significant(*value) : "unknown";
}

std::string cover_text(const RuleFinding& finding) {
  if (finding.covers == Verdict::No)
    return "does not cover it";
  std::string text(economics::short_name(finding.effect));
  if (!finding.by.empty())
    text += ", exception " + finding.by;
  if (!finding.replaced_by.empty())
    text = "replaced by " + finding.replaced_by;
  if (finding.covers == Verdict::Unknown)
    text = "unknown whether it covers it: " + text;
  return text;
}

std::string source_text(const economics::ExportRuleSpec& rule) {
  return rule.source + (rule.pinpoint.empty() ? "" : ", " + rule.pinpoint) +
         " (legal text read: " + std::string(name_of(rule.text_read)) + ")";
}

// What must hold beside the chip's arithmetic, for people.
std::vector<std::string> conditions_of(const economics::ExportRuleSpec& rule) {
  std::vector<std::string> all;
  if (rule.conditions.sold_in_us)
    all.emplace_back(*rule.conditions.sold_in_us ? "sold in the United States"
                                                 : "not sold in the United States");
  if (rule.conditions.volume_share)
    all.push_back("at most " + percent(100 * *rule.conditions.volume_share, 0) +
                  " of the volume that went to users in the United States");
  all.insert(all.end(), rule.conditions.others.begin(), rule.conditions.others.end());
  return all;
}

const RuleFinding* deciding(const Judgement& judgement) {
  for (const RuleFinding& finding : judgement.law_findings)
    if (finding.id == judgement.rule)
      return &finding;
  return nullptr;
}

// The head in a column of its own. `wrapped` takes blanks together, so those of the head are
// marked.
std::string line(const char* head, const std::string& text) {
  constexpr std::size_t column = 24;
  std::string marked = std::string("  ") + head;
  marked.resize(column, ' ');
  std::replace(marked.begin(), marked.end(), ' ', '\x01');
  std::string out = wrapped(marked + text, column);
  std::replace(out.begin(), out.end(), '\x01', ' ');
  return out;
}

std::string figures_text(const ExportFigures& figures) {
  std::string text = line("TPP", number_text(figures.tpp) + " by " + types_text(figures));
  text += line("die area", figures.die_area
                               ? number_text(figures.die_area->base() / square_millimetre) + " mm2"
                               : "unknown");
  text += line("performance density", number(figures.performance_density));
  text += line("I/O bandwidth", significant(figures.io_bandwidth.base() / giga) +
                                    " GB/s, both directions, scale-up and host link");
  text += line("DRAM bandwidth", significant(figures.dram_bandwidth.base() / giga) + " GB/s");
  if (figures.launched.known())
    text += line("launched", to_text(figures.launched));
  return text;
}

std::string rows_text(const char* title, const std::vector<RuleFinding>& findings) {
  std::string text;
  for (const RuleFinding& finding : findings) {
    text += line(text.empty() ? title : "",
                 finding.id + " (" +
                     (finding.covers == Verdict::Unknown ? std::string("may apply")
                                                         : "from " + to_text(finding.rule.from)) +
                     "): " + finding.rule.summary);
    text += line("", "source: " + source_text(finding.rule));
  }
  return text;
}

std::string caps_text(const std::vector<CapFinding>& caps) {
  std::string text;
  for (const CapFinding& cap : caps)
    text += line(text.empty() ? "caps" : "",
                 cap.name + (cap.period.empty() ? "" : ", " + cap.period) + ": " +
                     engineering(cap.cap_tpp) + " TPP, " +
                     (cap.counts ? with_commas(cap.chips) + " chips" : "does not count this chip") +
                     " (" + cap.rule + ")");
  return text;
}

std::string question_text(const RulesAnswer& answer) {
  const economics::ExportQuestion& q = answer.question;
  std::string text = fmt::format("{} for {}", name_of(q.access), q.destination);
  if (!q.buyer_headquarters.empty() && q.buyer_headquarters != q.destination)
    text += ", buyer's headquarters in " + q.buyer_headquarters;
  return text + " on " + to_text(q.date) + "; newest known rule: " + to_text(answer.newest);
}

std::string draws_text(const RulesRow& row) {
  int all = 0;
  for (const auto& [status, count] : row.draws)
    all += count;
  std::string text;
  for (const auto& [status, count] : row.draws)
    text += fmt::format("{}{} in {} of {} draws", text.empty() ? "" : ", ",
                        economics::short_name(status), count, all);
  return text;
}

std::string chip_text(const RulesAnswer& answer, const RulesRow& row) {
  const Judgement& judgement = row.judgement;
  const RuleFinding* rule = deciding(judgement);
  std::string text = row.title + " (" + row.chip + "): " + question_text(answer) + "\n";
  text += line("law", status_text(judgement.law));
  if (!judgement.why.empty())
    text += line("", judgement.why);
  if (rule != nullptr) {
    text += line("rule", rule->id + ": " + rule->rule.title);
    text += line("", rule->rule.summary);
    text += line("arithmetic", rule->arithmetic);
    if (!rule->by.empty())
      text += line("exception", rule->by);
    if (const auto conditions = conditions_of(rule->rule); !conditions.empty())
      text += line("conditions", joined(conditions, "; "));
    text += line("source", source_text(rule->rule));
  }
  text += line("purchasable", std::string(name_of(judgement.purchasable)));
  if (row.law_when_acquired)
    text += line("stock in place", "acquired " + to_text(*answer.acquired) + ": " +
                                       status_text(*row.law_when_acquired) +
                                       "; owning and using it is no export");
  if (judgement.surcharge != 0.0)
    text += line("surcharge", judgement.surcharge
                                  ? percent(100 * *judgement.surcharge) + " of the price"
                                  : "unknown");
  const bool later = judgement.after_newest_rule; // what follows held when the book ended
  text += rows_text(later ? "last in practice" : "in practice", judgement.in_practice);
  text += rows_text(later ? "buyer's side, last" : "buyer's side", judgement.buyer_side);
  text += caps_text(judgement.caps) + figures_text(judgement.figures);
  if (!row.uncertain.empty())
    text += line("uncertain", joined(row.uncertain, ", ") + "; " + draws_text(row));
  if (!row.assumed.empty())
    text += line("not published", joined(row.assumed, ", "));
  for (const RuleFinding& finding : judgement.law_findings)
    text += line(&finding != &judgement.law_findings.front() ? ""
                 : later                                     ? "newest known rules"
                                                             : "rules in force",
                 finding.id + " (" + cover_text(finding) + "): " + finding.arithmetic);
  return text + not_advice + "\n";
}

// "purchasable" in a narrow column.
std::string buy_text(economics::Purchasable purchasable) {
  switch (purchasable) {
  case economics::Purchasable::WithNotice:
    return "notice";
  case economics::Purchasable::WithLicence:
    return "licence";
  case economics::Purchasable::NotLaunched:
    return "later";
  default:
    return std::string(name_of(purchasable));
  }
}

std::string several_text(const RulesAnswer& answer) {
  TextTable table({"chip", "law", "buy", "rule", "TPP", "by", "density", "I/O", "DRAM"}, 4);
  bool marked = false;
  for (const RulesRow& row : answer.rows) {
    const Judgement& j = row.judgement;
    const bool beside = !j.in_practice.empty() || !j.buyer_side.empty();
    const bool swings = row.draws.size() > 1 || !row.uncertain.empty();
    marked = marked || beside || swings;
    table.add(
        {row.chip,
         std::string(economics::short_name(j.law)) + (beside ? "*" : "") + (swings ? "~" : ""),
         buy_text(j.purchasable), j.rule.empty() ? "-" : j.rule, significant(j.figures.tpp),
         std::string(name_of(j.figures.binding.front())), number(j.figures.performance_density),
         significant(j.figures.io_bandwidth.base() / giga),
         significant(j.figures.dram_bandwidth.base() / giga)});
  }
  std::string text = question_text(answer) + "\n" + table.text();
  if (marked)
    text += "  * practice or the buyer's side differ, ~ rests on uncertain numbers: see the chip "
            "alone\n";
  return text + "  density: TPP per mm2; I/O, DRAM: GB/s. " + not_advice + "\n";
}

ordered_json rule_json(const RuleFinding& finding) {
  const economics::ExportRuleSpec& rule = finding.rule;
  ordered_json object = {{"rule", finding.id},
                         {"title", rule.title},
                         {"covers", name_of(finding.covers)},
                         {"from", to_text(rule.from)}};
  if (rule.until.known())
    object["until"] = to_text(rule.until);
  if (rule.track == economics::Track::Law)
    object["effect"] = name_of(finding.effect);
  if (!finding.by.empty())
    object["exception"] = finding.by;
  if (!finding.replaced_by.empty())
    object["replaced_by"] = finding.replaced_by;
  if (rule.surcharge)
    object["surcharge"] = *rule.surcharge;
  object["summary"] = rule.summary;
  if (const auto conditions = conditions_of(rule); !conditions.empty())
    object["conditions"] = conditions;
  object["arithmetic"] = finding.arithmetic;
  object["source"] = rule.source;
  object["pinpoint"] = rule.pinpoint;
  object["text_read"] = name_of(rule.text_read);
  return object;
}

ordered_json rules_json(const std::vector<RuleFinding>& findings) {
  ordered_json list = ordered_json::array();
  for (const RuleFinding& finding : findings)
    list.push_back(rule_json(finding));
  return list;
}

template <class T> ordered_json optional_json(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json figures_json(const ExportFigures& figures) {
  ordered_json by_type = ordered_json::object(), binding = ordered_json::array();
  for (const auto& [type, tpp] : figures.tpp_by_type)
    by_type[std::string(name_of(type))] = tpp;
  for (const economics::DataType type : figures.binding)
    binding.push_back(name_of(type));
  std::optional<double> area;
  if (figures.die_area)
    area = figures.die_area->base() / square_millimetre;
  return {{"tpp", figures.tpp},
          {"binding_dtypes", std::move(binding)},
          {"tpp_by_dtype", std::move(by_type)},
          {"die_area_mm2", optional_json(area)},
          {"performance_density", optional_json(figures.performance_density)},
          {"io_bandwidth_gbs", figures.io_bandwidth.base() / giga},
          {"dram_bandwidth_gbs", figures.dram_bandwidth.base() / giga}};
}

ordered_json caps_json(const std::vector<CapFinding>& caps) {
  ordered_json list = ordered_json::array();
  for (const CapFinding& cap : caps) {
    ordered_json object = {{"rule", cap.rule},
                           {"name", cap.name},
                           {"period", cap.period},
                           {"cap_tpp", cap.cap_tpp},
                           {"counts_this_chip", cap.counts}};
    if (cap.counts)
      object["chips"] = cap.chips;
    list.push_back(std::move(object));
  }
  return list;
}

void add_judgement(const Judgement& judgement, ordered_json& object) {
  object["status"] = name_of(judgement.law);
  object["short"] = economics::short_name(judgement.law);
  object["rule"] = judgement.rule.empty() ? ordered_json(nullptr) : ordered_json(judgement.rule);
  if (!judgement.why.empty())
    object["why"] = judgement.why;
  object["purchasable"] = name_of(judgement.purchasable);
  object["surcharge"] = optional_json(judgement.surcharge);
  object["figures"] = figures_json(judgement.figures);
  object["law"] = rules_json(judgement.law_findings);
  object["in_practice"] = rules_json(judgement.in_practice);
  object["buyer_side"] = rules_json(judgement.buyer_side);
  object["caps"] = caps_json(judgement.caps);
}

ordered_json row_json(const RulesAnswer& answer, const RulesRow& row) {
  ordered_json object = {{"chip", row.chip}, {"title", row.title}};
  add_judgement(row.judgement, object);
  if (row.law_when_acquired)
    object["stock_in_place"] = {{"acquired", to_text(*answer.acquired)},
                                {"status_then", name_of(*row.law_when_acquired)}};
  object["uncertain"] = row.uncertain;
  for (const auto& [status, count] : row.draws)
    object["draws"][std::string(name_of(status))] = count;
  object["not_published"] = row.assumed;
  return object;
}

// "1,024 of 49,901 under country allocation".
std::string cap_use_text(const PoolControl& control, const CapFinding& cap) {
  if (!cap.counts)
    return cap.name + " does not count them";
  const double used = control.tpp_in_use + economics::counted_tpp(control);
  return fmt::format("{}: {} of {} TPP{}", cap.name, engineering(used), engineering(cap.cap_tpp),
                     used > cap.cap_tpp ? ", above the cap" : "");
}

} // namespace

std::string write_rules_table(const RulesAnswer& answer) {
  return answer.rows.size() == 1 ? chip_text(answer, answer.rows.front()) : several_text(answer);
}

std::string write_rules_json(const RulesAnswer& answer) {
  const economics::ExportQuestion& q = answer.question;
  ordered_json chips = ordered_json::array();
  for (const RulesRow& row : answer.rows)
    chips.push_back(row_json(answer, row));
  return json_text(
      {{"date", to_text(q.date)},
       {"destination", q.destination},
       {"buyer_hq", q.buyer_headquarters.empty() ? q.destination : q.buyer_headquarters},
       {"access", name_of(q.access)},
       {"newest_rule", to_text(answer.newest)},
       {"chips", std::move(chips)},
       {"notice", not_advice}});
}

std::string export_controls_text(const std::vector<PoolControl>& controls) {
  if (controls.empty())
    return "";
  std::string text = "Export controls\n";
  for (const PoolControl& control : controls) {
    const Judgement& j = control.judgement;
    std::string row = fmt::format("  {} {} (pool {}): {}", with_commas(double(control.chips)),
                                  control.chip, control.pool, status_text(j.law));
    if (!j.rule.empty())
      row += " by " + j.rule;
    if (const RuleFinding* rule = deciding(j))
      row += ", " + rule->arithmetic;
    if (!j.why.empty())
      row += "; " + j.why;
    if (control.law_when_acquired)
      row += "; in place since " + to_text(*control.acquired) + ", then " +
             status_text(*control.law_when_acquired) + ": keeping and using them is no export";
    for (const auto* beside : {&j.in_practice, &j.buyer_side})
      for (const RuleFinding& finding : *beside)
        row += "; " + std::string(name_of(finding.rule.track)) + ": " + finding.rule.summary;
    for (const CapFinding& cap : j.caps)
      row += "; " + cap_use_text(control, cap);
    text += wrapped(row, 4);
  }
  return text + "  " + not_advice + "\n";
}

ordered_json export_controls_json(const std::vector<PoolControl>& controls) {
  ordered_json list = ordered_json::array();
  for (const PoolControl& control : controls) {
    ordered_json object = {
        {"pool", control.pool}, {"chip", control.chip}, {"chips", control.chips}};
    add_judgement(control.judgement, object);
    if (control.law_when_acquired)
      object["stock_in_place"] = {{"acquired", to_text(*control.acquired)},
                                  {"status_then", name_of(*control.law_when_acquired)}};
    object["tpp_counted"] = economics::counted_tpp(control);
    object["tpp_in_use_before"] = control.tpp_in_use;
    list.push_back(std::move(object));
  }
  return list;
}

} // namespace sim::report
