// SPDX-License-Identifier: Apache-2.0
// A sum in two doubles, which keeps what each addition rounds away: the result is that of adding
// without rounding and rounding once, unless more than some fifty bits cancel.
#pragma once

#include "sim/base/double_pair.hpp"

namespace sim::engine {

class ExactSum {
public:
  explicit ExactSum(double start) : sum_(start) {}

  void add(double value) {
    const DoublePair total = exact_sum(sum_, value);
    sum_ = total.high;
    rest_ += total.low;
  }
  void add_product(double a, double b) {
    const DoublePair product = exact_product(a, b);
    add(product.high);
    rest_ += product.low;
  }
  [[nodiscard]] double value() const { return sum_ + rest_; }

private:
  double sum_, rest_ = 0;
};

} // namespace sim::engine
