// SPDX-License-Identifier: Apache-2.0
#include "sim/study/goal_seek.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/simulate.hpp"
#include "sim/study/monotone_search.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace sim::study {
namespace {

using scenario::LoadOptions;

constexpr const char* reference_word = "reference";

[[noreturn]] void refuse(const Location& place, std::string message, std::string remedy) {
  throw ScenarioError({{place, std::move(message), std::move(remedy)}});
}

// A number with what stands behind it: "2 USD/GPU-hour".
struct Number {
  double value = 0;
  std::string unit; // with its blank
  [[nodiscard]] std::string with(double v) const { return number_text(v) + unit; }
};

Number number_of(const std::string& text, const Location& place, const std::string& what) {
  const std::size_t blank = text.find(' ');
  const std::optional<double> value = parse_number(text.substr(0, blank));
  if (!value)
    refuse(place, what + " is '" + text + "', no plain number", "vary a number, with its unit");
  return {*value, blank == std::string::npos ? "" : text.substr(blank)};
}

struct Until {
  std::string quantity, limit;
  bool at_most = true;
};

Until until_of(const scenario::StudyGoal& goal) {
  const std::string& text = goal.until;
  const std::size_t relation = std::min(text.find("<="), text.find(">="));
  if (relation == std::string::npos)
    refuse(goal.until_place, "until: '" + text + "' compares nothing",
           "write \"totals.wall_clock_hours <= 1320 h\", or >=");
  const auto trimmed = [](std::string part) {
    while (!part.empty() && part.back() == ' ')
      part.pop_back();
    part.erase(0, std::min(part.size(), part.find_first_not_of(' ')));
    return part;
  };
  return {trimmed(text.substr(0, relation)), trimmed(text.substr(relation + 2)),
          text[relation] == '<'};
}

class Seeker {
public:
  explicit Seeker(const GoalRequest& request)
      : request_(request), goal_(request.goal), until_(until_of(request.goal)) {
    const scenario::Loaded base = load_base();
    column_ = report::find_column(base.scenario, until_.quantity);
    if (column_ == nullptr)
      refuse(goal_.until_place, "until: the result has no quantity '" + until_.quantity + "'",
             report::unknown_path_remedy(base.scenario, until_.quantity));
    const auto varied =
        std::find_if(base.inputs.begin(), base.inputs.end(),
                     [&](const scenario::Input& input) { return input.path == goal_.vary; });
    if (varied == base.inputs.end())
      refuse(goal_.vary_place, "vary: no number is written at '" + goal_.vary + "'",
             "name a key whose number the scenario or the catalogue gives; trainfare explain lists "
             "them");
    now_ = number_of(varied->value, goal_.vary_place, "vary: " + goal_.vary);
    if (now_.value <= 0)
      refuse(goal_.vary_place, "vary: " + goal_.vary + " is " + varied->value,
             "begin from a number above 0");
    set_limit();
  }

  report::GoalAnswer run() {
    SearchRange range{now_.value, bound(goal_.low, "low"), bound(goal_.high, "high"),
                      is_whole() ? goal_.step : 0};
    MonotoneSearch search([this](double x) { return value_at(x); }, limit_, until_.at_most, range);
    const SearchEnd end = search.run();
    if (end != SearchEnd::Found)
      fail(end, search);
    const Crossing& crossing = search.crossing();
    if (!crossing.fails && range.step == 0)
      throw InfeasibleError(goal_.vary,
                            goal_.until + " holds throughout, " + at(search, crossing.meets),
                            "there is no boundary; a tighter limit");
    const scenario::Scenario solved =
        scenario::load(request_.file, varied(crossing.meets)).scenario;
    report::GoalAnswer answer;
    answer.scenario = solved.name;
    answer.vary = goal_.vary;
    answer.until = goal_.until;
    answer.solution = now_.with(crossing.meets);
    answer.value = search.value(crossing.meets);
    answer.quantity = until_.quantity;
    answer.scope = report::scope_text(solved, convention_);
    answer.limit = limit_;
    answer.unit = column_->unit;
    if (crossing.fails) {
      answer.beyond = now_.with(*crossing.fails);
      answer.value_beyond = search.value(*crossing.fails);
    }
    if (const std::vector<double> none = search.passed_over(); !none.empty()) {
      answer.passed_over = none.size();
      answer.nearest_passed_over = now_.with(none.front());
      answer.why_not = why_not_.at(none.front());
    }
    answer.simulated = search.asked();
    return answer;
  }

private:
  scenario::Loaded load_base() const {
    LoadOptions load = request_.load;
    load.inputs = true;
    return scenario::load(request_.file, load);
  }

  std::optional<double> value_of(const LoadOptions& load) {
    SimulateOptions options;
    options.seed = load.seed;
    options.catalog_directory = load.catalog_directory;
    options.fidelity = request_.fidelity;
    options.builds_on = false;
    const Result result = simulate(scenario::load(request_.file, load), options);
    convention_ = result.bill.convention;
    const std::optional<report::Quantity> quantity = report::find_quantity(result, until_.quantity);
    return quantity ? std::optional(quantity->value) : std::nullopt;
  }

  [[nodiscard]] LoadOptions varied(double x) const {
    LoadOptions load = request_.load;
    load.placed_sets.push_back(
        {goal_.vary + "=" + now_.with(x), goal_.vary_place, goal_.vary_place});
    return load;
  }

  // Empty: out of the key's range, or no such run can be.
  std::optional<double> value_at(double x) {
    try {
      const std::optional<double> value = value_of(varied(x));
      if (value)
        return value;
      last_why_not_ = until_.quantity + " has no value there";
    } catch (const ScenarioError& error) {
      last_why_not_ = error.diagnostics().front().message;
    } catch (const InfeasibleError& error) {
      last_why_not_ = error.path() + ": " + error.message();
    }
    why_not_[x] = last_why_not_;
    return std::nullopt;
  }

  // A key of whole numbers refuses others.
  bool is_whole() const {
    if (!now_.unit.empty() || now_.value != std::floor(now_.value))
      return false;
    try {
      static_cast<void>(scenario::load(request_.file, varied(now_.value + 0.5)));
      return false;
    } catch (const ScenarioError&) {
      return true;
    }
  }

  void set_limit() {
    if (until_.limit != reference_word) {
      const report::ConvertedText limit = report::convert(until_.limit, *column_);
      if (!limit.value)
        refuse(goal_.until_place, "until: " + limit.problem, limit.remedy);
      limit_ = *limit.value;
      return;
    }
    if (!goal_.reference)
      refuse(goal_.until_place, "until: there is no reference",
             "write reference: {set: {...}} beside it");
    LoadOptions load = request_.load;
    load.placed_sets.insert(load.placed_sets.end(), goal_.reference->begin(),
                            goal_.reference->end());
    const std::optional<double> value = value_of(load);
    if (!value)
      throw InfeasibleError(goal_.vary, until_.quantity + " has no value in the reference",
                            "another quantity");
    limit_ = *value;
  }

  [[nodiscard]] std::optional<double> bound(const std::optional<std::string>& text,
                                            const char* key) const {
    if (!text)
      return std::nullopt;
    const Number number = number_of(*text, goal_.vary_place, std::string(key));
    if (number.unit != now_.unit)
      refuse(goal_.vary_place,
             std::string(key) + ": '" + *text + "' has another unit than " + goal_.vary,
             "write it like " + now_.with(now_.value));
    return number.value;
  }

  [[nodiscard]] std::string at(const MonotoneSearch& search, double x) const {
    return report::significant(search.value(x)) +
           (column_->unit.empty() ? "" : " " + column_->unit) + " at " + goal_.vary + " = " +
           report::significant(x) + now_.unit;
  }

  [[noreturn]] void fail(SearchEnd end, const MonotoneSearch& search) {
    switch (end) {
    case SearchEnd::NoValue:
      throw InfeasibleError(
          goal_.vary, "no run can be at or around " + now_.with(now_.value) + ": " + last_why_not_,
          "another start, or another step");
    case SearchEnd::Alone:
      throw InfeasibleError(
          goal_.vary, "no run can be around " + now_.with(now_.value) + ": " + last_why_not_,
          "leave to the program what follows from the key (parallelism: {data: null}, or auto), or "
          "give a step");
    case SearchEnd::Constant:
      throw InfeasibleError(goal_.vary, until_.quantity + " does not depend on it",
                            "vary what the quantity hangs on; trainfare explain --elasticity "
                            "tells");
    case SearchEnd::OutOfReach:
      throw InfeasibleError(
          goal_.vary, goal_.until + " is out of reach: the nearest is " + at(search, search.last()),
          "another limit, or vary something else");
    case SearchEnd::NotMonotone:
      throw InfeasibleError(goal_.vary,
                            until_.quantity + " neither rises nor falls throughout: " +
                                at(search, search.culprit()) + " is out of order",
                            "bounds low and high around one crossing, or a step");
    case SearchEnd::Found:
      break;
    }
    fail_internal("a search that ended well", __FILE__, __LINE__);
  }

  const GoalRequest& request_;
  const scenario::StudyGoal& goal_;
  Until until_;
  const report::ColumnText* column_ = nullptr;
  Number now_;
  double limit_ = 0;
  std::string convention_, last_why_not_;
  std::map<double, std::string> why_not_; // by value of the key
};

} // namespace

report::GoalAnswer seek(const GoalRequest& request) { return Seeker(request).run(); }

} // namespace sim::study
