// SPDX-License-Identifier: Apache-2.0
// Export rules as data: whom they concern, from when until when, which chips, with what effect.
// Adding one is a file of the catalogue's export-rules or an element of `export_controls.rules`.
//
// TPP ("total processing performance") and performance density are plain numbers in the rules' own
// units: 1e12 operations per second times bits, and that per mm2 (15 CFR 774, ECCN 3A090, notes).
#pragma once

#include "sim/base/fields.hpp"
#include "sim/hardware/product.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::economics {

// What the law says, from the mildest to the strictest; then what this model cannot say.
enum class LawStatus {
  NoLicenceFound,
  ExceptionNotify,
  LicenceCaseByCase,
  PresumptionOfDenial,
  Unknown,
  NotModelled
};
// Where a row of the answer stands: law and practice are kept apart.
enum class Track { Law, InPractice, BuyerSide };
enum class Access { Purchase, Cloud };
// What a rule is about; only rules about accelerators are asked for a chip.
enum class Item { Accelerator, MemoryStack, FoundryOutput, ModelWeights };
// Whether the legal text itself was read, or a quotation or report of it.
enum class TextRead { Yes, No };
enum class DataType { Fp32, Tf32, Bf16, Fp16, Fp8, Int8, Fp4, Int4 };

template <class T> struct Threshold { std::optional<T> at_least, above, below, at_most; };

// Holds when everything that is given holds.
struct ConditionSpec {
  std::optional<Threshold<double>> tpp, performance_density, memory_bandwidth_density;
  std::optional<Threshold<BytesPerSecond>> io_bandwidth, dram_bandwidth, dram_and_io_bandwidth;
  std::optional<hardware::ProductClass> product_class;
  std::vector<DataType> dtypes;   // TPP over these alone
  std::vector<std::string> chips; // accelerators of the catalogue
  std::vector<std::string> makers;
};

// All of all_of, one of any_of where there are any, none of exempt.
struct PredicateSpec {
  std::vector<ConditionSpec> all_of, any_of, exempt;
};

struct CountryGroupSpec {
  std::string title;
  std::vector<std::string> members; // two letters of ISO 3166
};

struct PlacesSpec {
  bool everywhere = false;
  std::vector<Named<CountryGroupSpec>> groups;
  std::vector<std::string> countries;
  std::vector<Named<CountryGroupSpec>> except_groups;
  std::vector<std::string> except_countries;
};

// A milder or stricter effect where goods go to, or the buyer's headquarters are in, these places.
struct EffectAtSpec {
  PlacesSpec places;
  LawStatus effect = LawStatus::LicenceCaseByCase;
};

// A licence exception: for what it covers, its effect stands in place of the rule's.
struct ExceptionSpec {
  std::string name;
  PredicateSpec predicate;
  LawStatus effect = LawStatus::ExceptionNotify;
};

// Conditions that are no property of the chip's arithmetic.
struct RuleConditionsSpec {
  std::optional<bool> sold_in_us;     // the product must be sold there, or must not
  std::optional<double> volume_share; // of what is sold in the US, at most
  std::vector<std::string> others;    // for people
};

// A sum of TPP that a buyer or country may take in a period; counts only what the rule controls.
struct CapSpec {
  std::string name;
  double tpp = 0;
  std::string period;
};

struct ExportRuleSpec {
  std::string title;
  Track track = Track::Law;
  Item item = Item::Accelerator;
  Date announced, published, from, until; // from: first day; until: first day no longer in force
  bool assume_in_force = false;
  std::vector<Access> access; // empty: purchase
  PlacesSpec destinations, buyer_headquarters;
  PredicateSpec predicate;
  std::vector<std::string> replaces; // rules; this one covers only what they cover
  RuleConditionsSpec conditions;
  LawStatus effect = LawStatus::LicenceCaseByCase;
  std::vector<EffectAtSpec> effect_at;
  std::vector<ExceptionSpec> exceptions;
  std::vector<CapSpec> caps;
  std::optional<double> surcharge; // share of the price
  std::string summary, source, pinpoint, note;
  TextRead text_read = TextRead::No;
};

// `export_controls` of a scenario.
struct ExportControlsSpec {
  std::string destination;
  std::string buyer_headquarters; // absent: the destination
  Date date;                      // absent: calendar.start
  Access access = Access::Purchase;
  std::vector<Named<ExportRuleSpec>> rules;
  bool assume_unchanged = false;
  double tpp_in_use = 0;
};

// Rules by id, those of a scenario laid over those of the catalogue.
struct RuleBook {
  std::map<std::string, ExportRuleSpec> rules;
};

template <class V, class T> void fields(V& v, Threshold<T>& s) {
  v("at_least", s.at_least, non_negative, "The value or more.");
  v("above", s.above, non_negative, "More than the value.");
  v("below", s.below, non_negative, "Less than the value.");
  v("at_most", s.at_most, non_negative, "The value or less.");
}
template <class V> void fields(V& v, ConditionSpec& s) {
  v("tpp", s.tpp, anything, "Total processing performance: 1e12 operations a second times bits.");
  v("performance_density", s.performance_density, anything, "TPP per mm2 of die area.");
  v("memory_bandwidth_density", s.memory_bandwidth_density, anything,
    "GB/s per mm2 of a memory stack.");
  v("io_bandwidth", s.io_bandwidth, anything,
    "To other chips but memory, both directions added: scale-up links and host link.");
  v("dram_bandwidth", s.dram_bandwidth, anything, "Of the memory on or beside the chip.");
  v("dram_and_io_bandwidth", s.dram_and_io_bandwidth, anything, "Their sum.");
  v("class", s.product_class, anything, "Class of the product.");
  v("dtypes", s.dtypes, anything, "Data types that count for TPP; absent: all.");
  v("chips", s.chips, anything, "Chips by their names in the catalogue.");
  v("makers", s.makers, anything, "Countries of the makers' headquarters.");
}
template <class V> void fields(V& v, PredicateSpec& s) {
  v("all_of", s.all_of, anything, "Conditions that must all hold.");
  v("any_of", s.any_of, anything, "Conditions of which one must hold.");
  v("exempt", s.exempt, anything, "Conditions that must not hold.");
}
template <class V> void fields(V& v, CountryGroupSpec& s) {
  v("title", s.title, required(), "For people.");
  v("members", s.members, required(), "Countries, two letters of ISO 3166.");
}
template <class V> void fields(V& v, PlacesSpec& s) {
  v("everywhere", s.everywhere, anything, "All countries.");
  v("groups", s.groups, anything, "Country groups of the catalogue.");
  v("countries", s.countries, anything, "Countries, two letters of ISO 3166.");
  v("except_groups", s.except_groups, anything, "Groups that are left out.");
  v("except_countries", s.except_countries, anything, "Countries that are left out.");
}
template <class V> void fields(V& v, EffectAtSpec& s) {
  v("places", s.places, required(), "Where goods go to, or the buyer's headquarters are.");
  v("effect", s.effect, required(), "The effect there.");
}
template <class V> void fields(V& v, ExceptionSpec& s) {
  v("name", s.name, required(), "Name of the licence exception.");
  v("predicate", s.predicate, anything, "Which chips it covers; absent: all that the rule covers.");
  v("effect", s.effect, anything, "What remains to be done.");
}
template <class V> void fields(V& v, RuleConditionsSpec& s) {
  v("sold_in_us", s.sold_in_us, anything, "The chip must be sold in the United States, or not.");
  v("volume_share", s.volume_share, fraction, "Most of the volume sold in the US, as a share.");
  v("others", s.others, anything, "Further conditions, for people.");
}
template <class V> void fields(V& v, CapSpec& s) {
  v("name", s.name, required(), "What is capped.");
  v("tpp", s.tpp, required(positive), "Sum of TPP of all chips together.");
  v("period", s.period, anything, "Over what time.");
}
template <class V> void fields(V& v, ExportRuleSpec& s) {
  v("title", s.title, required(), "What the rule is called.");
  v("track", s.track, anything, "Law, what licensing is like in practice, or the buyer's side.");
  v("item", s.item, anything, "What the rule is about.");
  v("announced", s.announced, anything, "Day of the announcement.");
  v("published", s.published, anything, "Day of publication.");
  v("from", s.from, required(), "First day in force.");
  v("until", s.until, anything,
    "First day no longer in force; absent: in force. Not after `from`: never in force.");
  v("assume_in_force", s.assume_in_force, anything, "A what-if: in force from `from` on, always.");
  v("access", s.access, anything, "Kinds of access that it covers; absent: purchase.");
  v("destinations", s.destinations, anything, "Where goods go to.");
  v("buyer_headquarters", s.buyer_headquarters, anything,
    "Or where the buyer's headquarters are, wherever goods go to.");
  v("predicate", s.predicate, anything, "Which chips; absent: all.");
  v("replaces", s.replaces, anything,
    "Rules in whose place this one stands, for the chips that they cover and it covers too.");
  v("conditions", s.conditions, anything, "Conditions beside the chip's arithmetic.");
  v("effect", s.effect, anything, "What the law says of what it covers.");
  v("effect_at", s.effect_at, anything, "Other effects by place; the first that fits counts.");
  v("exceptions", s.exceptions, anything, "Licence exceptions; the first that fits counts.");
  v("caps", s.caps, anything, "Caps on the sum of TPP.");
  v("surcharge", s.surcharge, non_negative, "Duty or share of revenue, as a share of the price.");
  v("summary", s.summary, required(), "The rule in a sentence.");
  v("source", s.source, required(), "Title, place, date.");
  v("pinpoint", s.pinpoint, anything, "Where in the source.");
  v("text_read", s.text_read, anything, "Whether the legal text itself was read.");
  v("note", s.note, anything, "For people.");
}
template <class V> void fields(V& v, ExportControlsSpec& s) {
  v("destination", s.destination, required(), "Where the chips go to, two letters of ISO 3166.");
  v("buyer_hq", s.buyer_headquarters, anything,
    "Where the buyer's headquarters are; absent: the destination.");
  v("date", s.date, anything, "Day of purchase; absent: calendar.start.");
  v("access", s.access, anything, "Purchase of chips, or use over a network.");
  v("rules", s.rules, anything,
    "Further rules, or rules of the catalogue changed; the same name replaces.");
  v("assume_unchanged", s.assume_unchanged, anything,
    "A what-if: after the newest known rule nothing changes.");
  v("tpp_in_use", s.tpp_in_use, non_negative,
    "TPP that caps count already, bought before this cluster.");
}

} // namespace sim::economics

namespace sim {
inline namespace base {
template <> struct EnumNames<economics::LawStatus> {
  using E = economics::LawStatus;
  static constexpr std::array names{
      std::pair{E::NoLicenceFound, std::string_view{"no-licence-found"}},
      std::pair{E::ExceptionNotify, std::string_view{"exception-notify"}},
      std::pair{E::LicenceCaseByCase, std::string_view{"licence-case-by-case"}},
      std::pair{E::PresumptionOfDenial, std::string_view{"presumption-of-denial"}},
      std::pair{E::Unknown, std::string_view{"unknown"}},
      std::pair{E::NotModelled, std::string_view{"not-modelled"}}};
};
template <> struct EnumNames<economics::Track> {
  static constexpr std::array names{
      std::pair{economics::Track::Law, std::string_view{"law"}},
      std::pair{economics::Track::InPractice, std::string_view{"in-practice"}},
      std::pair{economics::Track::BuyerSide, std::string_view{"buyer-side"}}};
};
template <> struct EnumNames<economics::Access> {
  static constexpr std::array names{
      std::pair{economics::Access::Purchase, std::string_view{"purchase"}},
      std::pair{economics::Access::Cloud, std::string_view{"cloud"}}};
};
template <> struct EnumNames<economics::Item> {
  static constexpr std::array names{
      std::pair{economics::Item::Accelerator, std::string_view{"accelerator"}},
      std::pair{economics::Item::MemoryStack, std::string_view{"memory-stack"}},
      std::pair{economics::Item::FoundryOutput, std::string_view{"foundry-output"}},
      std::pair{economics::Item::ModelWeights, std::string_view{"model-weights"}}};
};
template <> struct EnumNames<economics::TextRead> {
  static constexpr std::array names{std::pair{economics::TextRead::Yes, std::string_view{"yes"}},
                                    std::pair{economics::TextRead::No, std::string_view{"no"}}};
};
template <> struct EnumNames<economics::DataType> {
  using E = economics::DataType;
  static constexpr std::array names{
      std::pair{E::Fp32, std::string_view{"fp32"}}, std::pair{E::Tf32, std::string_view{"tf32"}},
      std::pair{E::Bf16, std::string_view{"bf16"}}, std::pair{E::Fp16, std::string_view{"fp16"}},
      std::pair{E::Fp8, std::string_view{"fp8"}},   std::pair{E::Int8, std::string_view{"int8"}},
      std::pair{E::Fp4, std::string_view{"fp4"}},   std::pair{E::Int4, std::string_view{"int4"}}};
};
template <>
inline constexpr std::string_view catalogue_kind<economics::ExportRuleSpec> = "export-rules";
template <>
inline constexpr std::string_view catalogue_kind<economics::CountryGroupSpec> = "country-groups";
} // namespace base
} // namespace sim
