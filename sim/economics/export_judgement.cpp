// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/export_judgement.hpp"

#include "sim/base/time.hpp"

#include <algorithm>
#include <cmath>

namespace sim::economics {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool in_groups(const std::vector<Named<CountryGroupSpec>>& groups, const std::string& country) {
  return std::any_of(groups.begin(), groups.end(), [&](const Named<CountryGroupSpec>& group) {
    return contains(group->members, country);
  });
}

bool concerns(const ExportRuleSpec& rule, const ExportQuestion& question) {
  const bool access = rule.access.empty() ? question.access == Access::Purchase
                                          : std::find(rule.access.begin(), rule.access.end(),
                                                      question.access) != rule.access.end();
  return access && rule.item == Item::Accelerator &&
         (includes(rule.destinations, question.destination) ||
          includes(rule.buyer_headquarters, question.buyer_headquarters));
}

Verdict conditions_hold(const RuleConditionsSpec& conditions, const ExportFigures& chip) {
  if (!conditions.sold_in_us)
    return Verdict::Yes;
  if (!chip.sold_in_us)
    return Verdict::Unknown;
  return *chip.sold_in_us == *conditions.sold_in_us ? Verdict::Yes : Verdict::No;
}

std::string with_conditions(const ExportRuleSpec& rule, const ExportFigures& chip) {
  std::string text = arithmetic(rule.predicate, chip);
  if (rule.conditions.sold_in_us)
    text += (text.empty() ? "" : "; ") + std::string(!chip.sold_in_us
                                                         ? "not known whether sold in the US"
                                                     : *chip.sold_in_us ? "sold in the US"
                                                                        : "not sold in the US");
  return text;
}

// The rule's effect there, before and after its exceptions.
void set_effect(const ExportFigures& chip, const ExportQuestion& question, RuleFinding& finding) {
  const ExportRuleSpec& rule = finding.rule;
  finding.effect = rule.effect;
  for (const EffectAtSpec& at : rule.effect_at)
    if (includes(at.places, question.destination) ||
        includes(at.places, question.buyer_headquarters)) {
      finding.effect = at.effect;
      break;
    }
  for (const ExceptionSpec& exception : rule.exceptions)
    if (exception.effect < finding.effect && holds(exception.predicate, chip) == Verdict::Yes) {
      finding.effect = exception.effect;
      finding.by = exception.name;
      break;
    }
}

RuleFinding find_rule(const std::string& id, const ExportRuleSpec& rule, const ExportFigures& chip,
                      const ExportQuestion& question) {
  RuleFinding finding;
  finding.id = id;
  finding.rule = rule;
  finding.covers = both(holds(rule.predicate, chip), conditions_hold(rule.conditions, chip));
  finding.arithmetic = with_conditions(rule, chip);
  set_effect(chip, question, finding);
  return finding;
}

// A rule that replaces others covers only what one of these covers, and these then step back.
void replace(std::vector<RuleFinding>& findings) {
  for (RuleFinding& finding : findings) {
    if (finding.rule.replaces.empty())
      continue;
    Verdict base = Verdict::No;
    for (const RuleFinding& other : findings)
      if (contains(finding.rule.replaces, other.id))
        base = either(base, other.covers);
    finding.covers = both(finding.covers, base);
    for (RuleFinding& other : findings)
      if (finding.covers == Verdict::Yes && contains(finding.rule.replaces, other.id))
        other.replaced_by = finding.id;
  }
}

// The strictest effect of what surely covers the chip; unknown when a rule that may cover it would
// be stricter, or when one that may replace the deciding rule would be milder.
void decide(Judgement& judgement) {
  for (const RuleFinding& finding : judgement.law_findings)
    if (finding.covers == Verdict::Yes && finding.replaced_by.empty() &&
        finding.effect >= judgement.law) { // of equal ones the last: ids begin with dates
      judgement.law = finding.effect;
      judgement.rule = finding.id;
    }
  const std::string decided = judgement.rule;
  const LawStatus sure = judgement.law;
  for (const RuleFinding& finding : judgement.law_findings) {
    if (finding.covers != Verdict::Unknown)
      continue;
    const bool stricter = finding.rule.replaces.empty() && finding.effect > sure;
    const bool milder = contains(finding.rule.replaces, decided) && finding.effect < sure;
    if (stricter || milder) {
      judgement.law = LawStatus::Unknown;
      judgement.rule = finding.id;
      judgement.why = finding.arithmetic;
    }
  }
}

// Caps are for places that are neither free nor denied.
void add_caps(const RuleFinding& finding, const ExportFigures& chip, Judgement& judgement) {
  if (finding.effect == LawStatus::NoLicenceFound ||
      finding.effect == LawStatus::PresumptionOfDenial)
    return;
  for (const CapSpec& cap : finding.rule.caps) {
    CapFinding found{finding.id, cap.name, cap.period, cap.tpp, finding.covers == Verdict::Yes, 0};
    if (found.counts)
      found.chips = std::floor(cap.tpp / chip.tpp);
    judgement.caps.push_back(std::move(found));
  }
}

// Unknown where a rule with a surcharge may cover the chip.
void set_surcharge(Judgement& judgement) {
  judgement.surcharge = 0;
  for (const auto* findings : {&judgement.law_findings, &judgement.in_practice})
    for (const RuleFinding& finding : *findings) {
      if (!finding.rule.surcharge || finding.covers == Verdict::No)
        continue;
      if (finding.covers == Verdict::Unknown || !judgement.surcharge)
        judgement.surcharge.reset();
      else
        *judgement.surcharge += *finding.rule.surcharge;
    }
}

void set_purchasable(const ExportFigures& chip, Date date, Judgement& judgement) {
  const auto of_law = [&] {
    switch (judgement.law) {
    case LawStatus::NoLicenceFound:
      return Purchasable::Yes;
    case LawStatus::ExceptionNotify:
      return Purchasable::WithNotice;
    case LawStatus::LicenceCaseByCase:
      return Purchasable::WithLicence;
    case LawStatus::PresumptionOfDenial:
      return Purchasable::No;
    case LawStatus::Unknown:
    case LawStatus::NotModelled:
      return Purchasable::Unknown;
    }
    return Purchasable::Unknown;
  };
  judgement.purchasable = !chip.sold                                      ? Purchasable::NotSold
                          : chip.launched.known() && date < chip.launched ? Purchasable::NotLaunched
                                                                          : of_law();
}

// What the book cannot say anything about.
std::string not_modelled(const RuleBook& book, const ExportFigures& chip,
                         const ExportQuestion& question) {
  if (question.access == Access::Cloud &&
      std::none_of(book.rules.begin(), book.rules.end(), [&](const auto& entry) {
        return entry.second.track == Track::Law && in_force(entry.second, question.date) &&
               concerns(entry.second, question);
      }))
    return "no rule of the book is about use over a network";
  if (!chip.maker.empty() && chip.maker == question.destination)
    return "the maker's country is the destination: nothing is exported; entity lists and "
           "foreign-produced items are not modelled";
  return "";
}

} // namespace

bool includes(const PlacesSpec& places, const std::string& country) {
  const bool named =
      places.everywhere || contains(places.countries, country) || in_groups(places.groups, country);
  return named && !contains(places.except_countries, country) &&
         !(in_groups(places.except_groups, country) && !contains(places.countries, country));
}

Date newest_rule(const RuleBook& book) {
  Date newest;
  for (const auto& [id, rule] : book.rules)
    if (!rule.until.known() || rule.from < rule.until || rule.assume_in_force)
      newest = std::max(newest, rule.from);
  return newest;
}

namespace {

Date oldest_rule(const RuleBook& book) {
  Date oldest;
  for (const auto& [id, rule] : book.rules)
    if (!oldest.known() || rule.from < oldest)
      oldest = rule.from;
  return oldest;
}

} // namespace

bool in_force(const ExportRuleSpec& rule, Date date) {
  return rule.from <= date && (rule.assume_in_force || !rule.until.known() || date < rule.until);
}

Judgement judge(const RuleBook& book, const ExportFigures& chip, const ExportQuestion& asked) {
  ExportQuestion question = asked;
  if (question.buyer_headquarters.empty())
    question.buyer_headquarters = question.destination;
  Judgement judgement;
  judgement.figures = chip;
  for (const auto& [id, rule] : book.rules) {
    if (!in_force(rule, question.date) || !concerns(rule, question))
      continue;
    RuleFinding finding = find_rule(id, rule, chip, question);
    if (rule.track == Track::Law)
      judgement.law_findings.push_back(std::move(finding));
    else if (finding.covers != Verdict::No)
      (rule.track == Track::InPractice ? judgement.in_practice : judgement.buyer_side)
          .push_back(std::move(finding));
  }
  replace(judgement.law_findings);
  decide(judgement);
  for (const RuleFinding& finding : judgement.law_findings)
    add_caps(finding, chip, judgement);
  set_surcharge(judgement);
  if (const Date oldest = oldest_rule(book); question.date < oldest)
    judgement.why =
        "the oldest rule of the book is of " + to_text(oldest) + "; what held before is not in it";
  if (const Date newest = newest_rule(book); question.date > newest && !question.assume_unchanged) {
    judgement.law = LawStatus::Unknown;
    judgement.rule.clear();
    judgement.why = "the newest rule of the book is of " + to_text(newest);
    judgement.surcharge.reset();
    judgement.after_newest_rule = true;
  }
  if (const std::string why = not_modelled(book, chip, question); !why.empty()) {
    judgement.law = LawStatus::NotModelled;
    judgement.rule.clear();
    judgement.why = why;
  }
  set_purchasable(chip, question.date, judgement);
  return judgement;
}

double counted_tpp(const PoolControl& control) {
  const auto& caps = control.judgement.caps;
  const bool counts =
      std::any_of(caps.begin(), caps.end(), [](const CapFinding& cap) { return cap.counts; });
  return counts ? static_cast<double>(control.chips) * control.judgement.figures.tpp : 0;
}

std::string_view short_name(LawStatus status) {
  switch (status) {
  case LawStatus::NoLicenceFound:
    return "free";
  case LawStatus::ExceptionNotify:
    return "notify";
  case LawStatus::LicenceCaseByCase:
    return "licence";
  case LawStatus::PresumptionOfDenial:
    return "denied";
  case LawStatus::Unknown:
  case LawStatus::NotModelled:
    break;
  }
  return name_of(status);
}

} // namespace sim::economics
