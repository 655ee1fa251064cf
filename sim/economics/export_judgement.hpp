// SPDX-License-Identifier: Apache-2.0
// What a rule book says of a chip, on a day, for a destination and a buyer. Law, practice and the
// buyer's side are kept apart. Not legal advice.
#pragma once

#include "sim/economics/export_figures.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::economics {

struct ExportQuestion {
  std::string destination, buyer_headquarters; // headquarters: empty: the destination
  Date date;
  Access access = Access::Purchase;
  bool assume_unchanged = false;
};

// How one rule applies.
struct RuleFinding {
  std::string id;
  ExportRuleSpec rule;
  Verdict covers = Verdict::No; // the chip, by predicate and conditions
  LawStatus effect = LawStatus::NoLicenceFound;
  std::string by;          // licence exception whose effect this is; empty: the rule's own
  std::string replaced_by; // another rule stands in its place
  std::string arithmetic;
};

// What a cap leaves room for.
struct CapFinding {
  std::string rule, name, period;
  double cap_tpp = 0;
  bool counts = false; // whether the rule controls the chip; else none is counted
  double chips = 0;    // whole chips under the cap
};

enum class Purchasable { Yes, WithNotice, WithLicence, No, NotLaunched, NotSold, Unknown };

struct Judgement {
  ExportFigures figures;
  LawStatus law = LawStatus::NoLicenceFound;
  std::string rule;                      // that decides; empty: none
  std::string why;                       // for unknown, not-modelled, and days before the book
  std::vector<RuleFinding> law_findings; // rules in force for these places
  std::vector<RuleFinding> in_practice, buyer_side; // those that cover the chip
  std::vector<CapFinding> caps;
  Purchasable purchasable = Purchasable::Yes;
  std::optional<double> surcharge = 0; // sum over rules that cover the chip; empty: unknown
  bool after_newest_rule = false;      // the day: what is found held when the book ended
};

bool includes(const PlacesSpec& places, const std::string& country);
// The newest `from` of the rules of law and practice that were ever in force.
Date newest_rule(const RuleBook& book);
bool in_force(const ExportRuleSpec& rule, Date date);

Judgement judge(const RuleBook& book, const ExportFigures& chip, const ExportQuestion& question);

// Free, notify, licence, denied; the others as they are.
std::string_view short_name(LawStatus status);

// The chips of one pool: what buying them on the day is, and what it was when they were acquired.
// Owning and using chips that are in place is no export.
struct PoolControl {
  std::string pool, chip;
  std::int64_t chips = 0;
  Judgement judgement;
  std::optional<Date> acquired;
  std::optional<LawStatus> law_when_acquired;
  double tpp_in_use = 0; // of chips bought before that caps count
};
// What the pool adds to what caps count; 0 when no cap counts its chips.
double counted_tpp(const PoolControl& control);

} // namespace sim::economics

namespace sim {
inline namespace base {
template <> struct EnumNames<economics::Verdict> {
  static constexpr std::array names{
      std::pair{economics::Verdict::No, std::string_view{"no"}},
      std::pair{economics::Verdict::Yes, std::string_view{"yes"}},
      std::pair{economics::Verdict::Unknown, std::string_view{"unknown"}}};
};
template <> struct EnumNames<economics::Purchasable> {
  using E = economics::Purchasable;
  static constexpr std::array names{std::pair{E::Yes, std::string_view{"yes"}},
                                    std::pair{E::WithNotice, std::string_view{"with-notice"}},
                                    std::pair{E::WithLicence, std::string_view{"with-licence"}},
                                    std::pair{E::No, std::string_view{"no"}},
                                    std::pair{E::NotLaunched, std::string_view{"not-launched"}},
                                    std::pair{E::NotSold, std::string_view{"not-sold"}},
                                    std::pair{E::Unknown, std::string_view{"unknown"}}};
};
} // namespace base
} // namespace sim
