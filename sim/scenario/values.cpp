// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/values.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/base/random.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/reader.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::scenario {
namespace {

// A number, with or without a unit.
struct Amount {
  double value = 0;
  Dimension dimension;
};

std::optional<Amount> parse_amount(const Node& node) {
  if (!node.is_scalar())
    return std::nullopt;
  if (const auto number = parse_number(node.text))
    return Amount{*number, {}};
  if (const auto quantity = parse_quantity(node.text).parsed)
    return Amount{quantity->value, quantity->dimension};
  return std::nullopt;
}

// The two numbers of "[a, b]", with the same unit; a finding otherwise.
std::optional<std::pair<Amount, Amount>> read_pair(const Node& law, const std::string& form,
                                                   Findings& findings) {
  if (law.is_sequence() && law.items.size() == 2) {
    const auto first = parse_amount(law.items[0]), second = parse_amount(law.items[1]);
    if (first && second && first->dimension == second->dimension)
      return std::pair{*first, *second};
  }
  findings.add(law.location, "an uncertain number needs two numbers with the same unit here", form);
  return std::nullopt;
}

using Draw = std::optional<RandomStream>; // empty: take the median

std::optional<Amount> draw_uniform(const Node& law, Draw stream, Findings& findings) {
  const auto bounds = read_pair(law, "write uniform: [a, b]", findings);
  if (!bounds)
    return std::nullopt;
  const auto [low, high] = *bounds;
  if (low.value > high.value) {
    findings.add(law.location, "the lower bound is above the upper one",
                 "write uniform: [lower, upper]");
    return std::nullopt;
  }
  const double share = stream ? stream->uniform() : 0.5;
  return Amount{low.value * (1 - share) + high.value * share, low.dimension};
}

std::optional<Amount> draw_normal(const Node& law, Draw stream, Findings& findings) {
  const auto moments = read_pair(law, "write normal: [mean, standard deviation]", findings);
  if (!moments)
    return std::nullopt;
  const auto [mean, deviation] = *moments;
  if (deviation.value < 0) {
    findings.add(law.items[1].location, "a standard deviation below 0",
                 "write normal: [mean, standard deviation]");
    return std::nullopt;
  }
  return Amount{mean.value + deviation.value * (stream ? stream->normal() : 0), mean.dimension};
}

std::optional<Amount> draw_lognormal(const Node& law, Draw stream, Findings& findings) {
  const Node* median = law.find("median");
  const Node* sigma = law.find("sigma");
  const Amount middle = median != nullptr ? parse_amount(*median).value_or(Amount{}) : Amount{};
  const Amount spread =
      sigma != nullptr ? parse_amount(*sigma).value_or(Amount{-1, {}}) : Amount{-1, {}};
  if (law.members.size() != 2 || !(spread.dimension == Dimension{}) || spread.value < 0 ||
      middle.value <= 0) {
    findings.add(law.location, "an uncertain number needs a positive median and a sigma here",
                 "write lognormal: {median: m, sigma: s}");
    return std::nullopt;
  }
  const double exponent = stream ? spread.value * stream->normal() : 0;
  return Amount{middle.value * portable_exp(exponent), middle.dimension};
}

// Choices may be words, so this gives the item itself.
std::optional<Node> draw_choice(const Node& law, Draw stream, Findings& findings) {
  const bool scalars =
      law.is_sequence() && !law.items.empty() &&
      std::all_of(law.items.begin(), law.items.end(), [](const Node& i) { return i.is_scalar(); });
  if (!scalars) {
    findings.add(law.location, "a choice needs a list of numbers or words",
                 "write choice: [x, y, z]");
    return std::nullopt;
  }
  if (stream)
    return law.items[static_cast<std::size_t>(stream->below(law.items.size()))];
  std::vector<std::pair<double, std::size_t>> sorted;
  for (std::size_t i = 0; i < law.items.size(); ++i)
    if (const auto amount = parse_amount(law.items[i]))
      sorted.emplace_back(amount->value, i);
  std::sort(sorted.begin(), sorted.end());
  const bool numbers = sorted.size() == law.items.size();
  return law.items[numbers ? sorted[(sorted.size() - 1) / 2].second : 0];
}

std::string amount_text(Amount amount) { return to_text(amount.value, amount.dimension); }

} // namespace

void Values::resolve(Node& node, const std::string& path, const std::string& origin) {
  if (node.is_map() && node.members.size() == 1 && node.members[0].key == "fitted") {
    const Node id = std::move(node.members[0].value);
    return take_constant(node, id, path, origin);
  }
  if (node.is_map() && node.members.size() == 1 && node.members[0].key == "uncertain") {
    const Node laws = node.members[0].value;
    return draw(node, laws, path, origin);
  }
  for (std::size_t i = 0; i < node.items.size(); ++i)
    resolve(node.items[i], join_path(path, element_key(node, i)), origin);
  for (Member& member : node.members)
    resolve(member.value, join_path(path, member.key), origin);
}

void Values::take_constant(Node& node, const Node& id, const std::string& path,
                           const std::string& origin) {
  node.members.clear();
  node.kind = Node::Kind::Refused;
  if (!id.is_scalar()) {
    findings_.add(id.location, "found " + describe(id), "write {fitted: name of a constant}");
    return;
  }
  std::vector<std::string> known;
  for (const FittedConstant& constant : constants()) {
    known.push_back(constant.id);
    if (constant.id != id.text)
      continue;
    node.kind = Node::Kind::Scalar;
    node.text = constant.value;
    node.record = book_.add({origin + path, "fitted",
                             constant.id + ": " + constant.meaning + " Fitted on " +
                                 constant.fitted_on + ". " + constant.source});
    in_use_[constant.id] = constant.value;
    return;
  }
  findings_.add(id.location, "there is no fitted constant '" + id.text + "'",
                suggestion(id.text, known));
}

void Values::draw(Node& node, const Node& laws, const std::string& path,
                  const std::string& origin) {
  const std::string input = origin + path;
  if (std::find(uncertain_.begin(), uncertain_.end(), input) == uncertain_.end())
    uncertain_.push_back(input);
  const std::string law_text = flow_text(node);
  node.members.clear();
  node.kind = Node::Kind::Refused;
  if (!laws.is_map() || laws.members.size() != 1) {
    findings_.add(laws.location, "an uncertain number needs one law",
                  "known: uniform, normal, lognormal, choice");
    return;
  }
  Draw stream;
  if (const auto own = replication_of_.find(input); own != replication_of_.end())
    stream.emplace(seed_, "inputs/" + input, own->second);
  else if (replication_)
    stream.emplace(seed_, "inputs/" + input, *replication_);
  const auto& [name, name_location, written] = laws.members[0];
  // A law's numbers may be fitted constants: the median of one that is uncertain.
  Node law = written;
  for (Member& member : law.members)
    resolve(member.value, path, origin);
  std::optional<Amount> amount;
  std::optional<Node> choice;
  if (name == "uniform")
    amount = draw_uniform(law, stream, findings_);
  else if (name == "normal")
    amount = draw_normal(law, stream, findings_);
  else if (name == "lognormal")
    amount = draw_lognormal(law, stream, findings_);
  else if (name == "choice")
    choice = draw_choice(law, stream, findings_);
  else
    findings_.add(name_location, "unknown law '" + name + "' of an uncertain number",
                  suggestion(name, {"uniform", "normal", "lognormal", "choice"}));
  if (amount && !std::isfinite(amount->value))
    findings_.add(node.location, "a draw of this number is beyond the range of numbers");
  else if (amount || choice) {
    node.kind = Node::Kind::Scalar;
    node.text = amount ? amount_text(*amount) : choice->text;
    node.quoted = choice && choice->quoted;
    node.law = law_text;
    for (const Member& member : law.members)
      if (member.value.record >= 0)
        node.record = member.value.record;
  }
}

const std::vector<FittedConstant>& Values::constants() {
  if (constants_)
    return *constants_;
  constants_.emplace();
  const std::optional<CatalogueText> entry = catalogue_.find("", "fitted", findings_);
  if (!entry)
    return *constants_;
  const std::optional<Node> root = parse_document(entry->text, entry->file, findings_);
  const Node* list = root && root->is_map() ? root->find("constants") : nullptr;
  if (list == nullptr) {
    findings_.add({entry->file, 1, 1}, "the key 'constants' is missing");
    return *constants_;
  }
  Reader reader(findings_);
  reader.read(*list, *constants_, anything, "constants");
  for (std::size_t i = 0; i < constants_->size(); ++i) {
    const FittedConstant& constant = (*constants_)[i];
    Node text;
    text.kind = Node::Kind::Scalar;
    std::vector<Amount> amounts;
    for (const std::string& number :
         {constant.value, constant.range.empty() ? "" : constant.range.front(),
          constant.range.empty() ? "" : constant.range.back()}) {
      text.text = number;
      if (const auto amount = parse_amount(text))
        amounts.push_back(*amount);
    }
    const Location place = i < list->items.size() ? list->items[i].location : list->location;
    if (amounts.size() != 3 || constant.range.size() != 2 || amounts[0].value < amounts[1].value ||
        amounts[0].value > amounts[2].value)
      findings_.add(place, "the constant '" + constant.id + "' is not a number within its range",
                    "write range: [lowest, highest]");
    if (constant.rows.empty() && constant.measurement.empty())
      findings_.add(place, "nothing says what the constant '" + constant.id + "' was fitted on",
                    "write rows: [{family: ...}] of scenarios/published, or measurement: what it "
                    "was read off");
  }
  return *constants_;
}

} // namespace sim::scenario
