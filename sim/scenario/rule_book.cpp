// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/rule_book.hpp"

#include "sim/base/country.hpp"
#include "sim/economics/spec.hpp"
#include "sim/scenario/reader.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

namespace sim::scenario {
namespace {

const std::string changed = " (changed)"; // as the reader marks entries that are not as they stand

Node name_node(const std::string& name, const Location& place) {
  Node node;
  node.kind = Node::Kind::Scalar;
  node.text = name;
  node.location = place;
  return node;
}

std::string without_mark(const std::string& name) {
  return name.ends_with(changed) ? name.substr(0, name.size() - changed.size()) : name;
}

// What a rule of the scenario cannot mean: places and chips that nobody knows, or none at all.
class RuleChecker {
public:
  RuleChecker(const Scenario& scenario, const Catalogue& catalogue, const Loaded& loaded,
              Findings& findings)
      : scenario_(scenario), chips_(catalogue.names("accelerators")), loaded_(loaded),
        findings_(findings) {}

  void check(const economics::ExportRuleSpec& rule, const std::string& path) {
    const auto empty = [](const economics::PlacesSpec& places) {
      return !places.everywhere && places.groups.empty() && places.countries.empty();
    };
    if (empty(rule.destinations) && empty(rule.buyer_headquarters))
      say(path, "it is about no place, so it covers nothing",
          "write destinations: {countries: [CN]}, or {everywhere: true}");
    countries(rule.destinations, path + ".destinations");
    countries(rule.buyer_headquarters, path + ".buyer_headquarters");
    for (std::size_t i = 0; i < rule.effect_at.size(); ++i)
      countries(rule.effect_at[i].places, path + ".effect_at." + std::to_string(i) + ".places");
    predicate(rule.predicate, path + ".predicate");
    for (const economics::ExceptionSpec& exception : rule.exceptions)
      predicate(exception.predicate, path + ".exceptions." + exception.name + ".predicate");
    std::vector<std::string> rules;
    for (const auto& entry : scenario_.rule_book.rules)
      rules.push_back(entry.first);
    for (std::size_t i = 0; i < rule.replaces.size(); ++i)
      if (!scenario_.rule_book.rules.contains(rule.replaces[i]))
        say(path + ".replaces." + std::to_string(i),
            "there is no export rule '" + rule.replaces[i] + "'",
            suggestion(rule.replaces[i], rules));
  }

private:
  void say(const std::string& path, const std::string& message, const std::string& remedy) {
    findings_.add(loaded_.locate(path), path + ": " + message, remedy);
  }

  void countries(const economics::PlacesSpec& places, const std::string& path) {
    for (const auto& [key, list] : {std::pair{".countries.", &places.countries},
                                    std::pair{".except_countries.", &places.except_countries}})
      for (std::size_t i = 0; i < list->size(); ++i)
        if (!is_country((*list)[i]))
          say(path + key + std::to_string(i), "'" + (*list)[i] + "' is no country code",
              "write two letters of ISO 3166, such as CN");
  }

  void predicate(const economics::PredicateSpec& predicate, const std::string& path) {
    for (const auto& [key, list] :
         {std::pair{".all_of.", &predicate.all_of}, std::pair{".any_of.", &predicate.any_of},
          std::pair{".exempt.", &predicate.exempt}})
      for (std::size_t i = 0; i < list->size(); ++i)
        for (const std::string& chip : (*list)[i].chips)
          if (std::find(chips_.begin(), chips_.end(), chip) == chips_.end())
            say(path + key + std::to_string(i) + ".chips",
                "the catalogue has no accelerator '" + chip + "'", suggestion(chip, chips_));
  }

  const Scenario& scenario_;
  std::vector<std::string> chips_;
  const Loaded& loaded_;
  Findings& findings_;
};

// The scenario's own rules; one of the same name takes a rule's place.
void lay_over(Scenario& scenario, const Loaded& loaded, Findings& findings) {
  const auto& own = scenario.export_controls->rules;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (own[i].name.empty())
      findings.add(loaded.locate("export_controls.rules." + std::to_string(i)),
                   "export_controls.rules." + std::to_string(i) + ": a rule without name",
                   "write {name: what-if, title: ...}, or {extends: rule of the catalogue, ...}");
    else
      scenario.rule_book.rules[without_mark(own[i].name)] = own[i].spec;
  }
}

std::set<std::string> accelerators_of(const hardware::ClusterSpec& cluster) {
  std::set<std::string> names;
  if (cluster.pools.empty())
    names.insert(without_mark(cluster.main.node->accelerator.name));
  for (const auto& [name, pool] : cluster.pools)
    names.insert(without_mark(pool.node->accelerator.name));
  return names;
}

// Days from which machines with this accelerator lose value: economics/bill.cpp.
std::set<Date> bought_on(const Scenario& scenario, const std::string& accelerator) {
  std::set<Date> days;
  const auto add = [&](const hardware::PoolSpec& pool) {
    if (without_mark(pool.node->accelerator.name) == accelerator)
      days.insert(scenario.price.owned->acquired.known() ? scenario.price.owned->acquired
                  : pool.acquired.known()                ? pool.acquired
                                                         : scenario.calendar.start);
  };
  if (scenario.cluster.pools.empty())
    add(scenario.cluster.main);
  for (const auto& [name, pool] : scenario.cluster.pools)
    add(pool);
  return days;
}

// The quotes of a list that the bill takes, of all that stand in it.
void note_quotes(const Scenario& scenario, const std::string& accelerator,
                 const economics::PriceListSpec& list, const Node& text, ProvenanceBook& book) {
  const auto note = [&](const char* kind, std::ptrdiff_t index, std::string_view key) {
    const Node* quotes = text.find(kind);
    const Node* number = quotes->items[static_cast<std::size_t>(index)].find(key);
    if (number != nullptr)
      book.use(*number, "price.market");
  };
  const economics::PriceSpec& price = scenario.price;
  const Date day = price.date.known() ? price.date : scenario.calendar.start;
  if (!price.rental && price.convention != economics::Convention::Owned)
    if (const auto* quote = economics::rental_quote_on(list, price.market, day))
      note("rentals", quote - list.rentals.data(), name_of(price.level));
  if (price.owned && !price.owned->accelerator_price)
    for (const Date bought : bought_on(scenario, accelerator))
      if (const auto* quote = economics::purchase_quote_on(list, price.market, bought))
        note("purchases", quote - list.purchases.data(), "price");
}

// What reads entries of the catalogue without a scenario.
struct CatalogueReader {
  explicit CatalogueReader(const std::string& directory,
                           std::optional<std::uint64_t> replication = std::nullopt)
      : catalogue(directory), values(catalogue, book, findings, 1, replication),
        entries(catalogue, book, values, findings) {
    catalogue.check(findings);
    findings.raise();
  }
  Findings findings;
  ProvenanceBook book;
  Catalogue catalogue;
  Values values;
  Entries entries;
};

} // namespace

economics::RuleBook read_rule_book(const Catalogue& catalogue, Entries& entries,
                                   Findings& findings) {
  economics::RuleBook book;
  Reader reader(findings, &entries);
  for (const std::string& name : catalogue.names(catalogue_kind<economics::ExportRuleSpec>)) {
    Named<economics::ExportRuleSpec> rule;
    reader.read(name_node(name, {}), rule, anything, name);
    book.rules.emplace(name, std::move(rule.spec));
  }
  return book;
}

void read_economics(Scenario& scenario, const Catalogue& catalogue, Entries& entries,
                    const Loaded& loaded, ProvenanceBook& book, Findings& findings) {
  if (scenario.export_controls) {
    scenario.rule_book = read_rule_book(catalogue, entries, findings);
    lay_over(scenario, loaded, findings);
    RuleChecker checker(scenario, catalogue, loaded, findings);
    const auto& own = scenario.export_controls->rules;
    for (std::size_t i = 0; i < own.size(); ++i)
      checker.check(own[i].spec, "export_controls.rules." + std::to_string(i));
  }
  if (scenario.price.market.empty())
    return;
  Reader reader(findings, &entries);
  const auto known = catalogue.names(catalogue_kind<economics::PriceListSpec>);
  const Location place = loaded.locate("price.market");
  for (const std::string& name : accelerators_of(scenario.cluster)) {
    Named<economics::PriceListSpec> list;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      findings.add(place, "price.market: the catalogue has no prices of '" + name + "'",
                   "write price.rental, or lay prices/NAME.yaml over the catalogue");
    } else {
      reader.read(name_node(name, place), list, anything, "price.market");
      const Node* text = entries.find(catalogue_kind<economics::PriceListSpec>,
                                      name_node(name, place), "price.market");
      if (text != nullptr && findings.empty())
        note_quotes(scenario, name, list.spec, *text, book);
    }
    scenario.price_lists.emplace(name, std::move(list.spec));
  }
}

economics::RuleBook load_rule_book(const std::string& catalog_directory,
                                   const std::vector<std::string>& assumed) {
  CatalogueReader from(catalog_directory);
  economics::RuleBook book = read_rule_book(from.catalogue, from.entries, from.findings);
  for (const std::string& id : assumed) {
    if (const auto rule = book.rules.find(id); rule != book.rules.end())
      rule->second.assume_in_force = true;
    else
      from.findings.add({"--assume", 1, 1}, "there is no export rule '" + id + "'",
                        suggestion(id, from.catalogue.names("export-rules")));
  }
  from.findings.raise();
  return book;
}

ChipEntry load_chip(const std::string& name, const std::string& catalog_directory,
                    std::optional<std::uint64_t> replication) {
  CatalogueReader from(catalog_directory, replication);
  Reader reader(from.findings, &from.entries, &from.book);
  Named<hardware::AcceleratorSpec> chip;
  reader.read(name_node(name, {"arguments", 1, 1}), chip, anything, "CHIP");
  from.findings.raise();
  ChipEntry entry{name, std::move(chip.spec), {}, from.book.weak_inputs()};
  const std::string prefix = "CHIP.";
  for (const auto& [path, law] : reader.laws())
    entry.uncertain.push_back(path.starts_with(prefix) ? path.substr(prefix.size()) : path);
  return entry;
}

hardware::AcceleratorSpec load_rated(const std::string& name,
                                     const std::string& catalog_directory) {
  CatalogueReader from(catalog_directory, std::nullopt);
  hardware::AcceleratorSpec chip;
  const Node* entry =
      from.entries.find("accelerators", name_node(name, {"arguments", 1, 1}), "CHIP");
  if (entry != nullptr) {
    Node rated = *entry;
    rated.erase("kernels");
    rated.erase("collectives");
    Reader(from.findings).read(rated, chip, anything, "CHIP");
  }
  from.findings.raise();
  return chip;
}

} // namespace sim::scenario
