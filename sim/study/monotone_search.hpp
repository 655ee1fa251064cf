// SPDX-License-Identifier: Apache-2.0
// Where a monotone function of one number crosses a limit. The function may have no value at some
// arguments; over whole numbers these are passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace sim::study {

struct SearchRange {
  double start = 0;                // where to begin; not 0, of the sign of what is searched
  std::optional<double> low, high; // absent: within 2^40 of the start
  std::int64_t step = 0;           // whole numbers, multiples of this; 0: any number
};

struct Crossing {
  double meets = 0;            // nearest to the crossing of those that meet the limit
  std::optional<double> fails; // nearest of the others; empty: none, within the range
};

enum class SearchEnd {
  Found,
  NoValue,     // at the start and around it
  Alone,       // nothing but the start has a value
  Constant,    // the argument changes nothing
  OutOfReach,  // the limit is met nowhere
  NotMonotone, // `culprit` lies on the wrong side of a neighbour
};

class MonotoneSearch {
public:
  using Function = std::function<std::optional<double>(double)>;
  // meets(value): whether the limit is met.
  MonotoneSearch(Function function, double limit, bool at_most, const SearchRange& range);

  SearchEnd run();
  [[nodiscard]] const Crossing& crossing() const { return crossing_; }
  [[nodiscard]] double last() const { return last_; }       // OutOfReach: the nearest
  [[nodiscard]] double culprit() const { return culprit_; } // NotMonotone
  // What was asked without getting a value: between the two sides of the crossing, or, with nothing
  // on the other, anywhere; the nearest to `meets` first.
  [[nodiscard]] std::vector<double> passed_over() const;
  [[nodiscard]] std::size_t asked() const { return values_.size(); }
  [[nodiscard]] double value(double argument) const { return *values_.at(argument); }

private:
  std::optional<double> ask(double argument);
  [[nodiscard]] bool meets(double value) const {
    return at_most_ ? value <= limit_ : value >= limit_;
  }
  bool within(double argument) const;
  double rounded(double argument) const;
  std::optional<double> start();
  std::optional<double> outward(double from, bool up);
  std::optional<double> between(double meets, double fails);
  std::optional<double> whole_between(double near, double low, double high);
  std::optional<bool> direction(double from);
  SearchEnd expand(double from, bool up);
  void narrow();
  bool monotone();

  Function function_;
  double limit_;
  bool at_most_;
  SearchRange range_;
  std::map<double, std::optional<double>> values_;
  Crossing crossing_;
  double last_ = 0, culprit_ = 0;
  int turn_ = 0;
};

} // namespace sim::study
