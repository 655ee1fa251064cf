// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/failure_clock.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sim::reliability {
namespace {

constexpr double never = 1e300;

bool later(double a, double b) { return a > b; }

} // namespace

double gamma_function(double x) {
  constexpr std::array<double, 9> terms{
      0.99999999999980993,  676.5203681218851,     -1259.1392167224028,
      771.32342877765313,   -176.61502916214059,   12.507343278686905,
      -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7};
  constexpr double root_two_pi = 2.5066282746310002;
  SIM_ASSERT(x > 0);
  if (x < 0.5) // the recurrence keeps the approximation where it is good
    return gamma_function(x + 1) / x;
  double sum = terms[0];
  for (std::size_t i = 1; i < terms.size(); ++i)
    sum += terms[i] / (x - 1 + double(i));
  const double t = x + 6.5;
  return root_two_pi * portable_pow(t, x - 0.5) * portable_exp(-t) * sum;
}

FailureClock::FailureClock(const FailureLaw& law, const RandomStream& random)
    : law_(law), random_(random), first_lives_(law.components) {
  SIM_ASSERT(law.components >= 0 && law.rate >= PerSecond{} && law.shape > 0);
  const double rate = law.rate / PerSecond::from_base(1);
  if (rate > 0 && law.shape != 1)
    scale_ = 1 / (rate * gamma_function(1 + 1 / law.shape));
}

double FailureClock::hazard(double age) const {
  if (law_.shape != 1)
    return portable_pow(age / scale_, law_.shape);
  const double rate = law_.rate / PerSecond::from_base(1);
  const double decay = law_.infant_time / second;
  if (decay <= 0)
    return rate * age;
  return rate * (age + (law_.infant_factor - 1) * decay * (1 - portable_exp(-age / decay)));
}

// The inverse of hazard().
double FailureClock::age_at(double target) const {
  if (law_.shape != 1)
    return scale_ * portable_pow(target, 1 / law_.shape);
  const double rate = law_.rate / PerSecond::from_base(1);
  if (law_.infant_time <= Seconds{} || law_.infant_factor == 1)
    return target / rate;
  const double decay = law_.infant_time / second, excess = (law_.infant_factor - 1) * decay;
  double low = std::max(0.0, target / rate - std::max(0.0, excess)),
         high = target / rate + std::max(0.0, -excess);
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (hazard(middle) < target ? low : high) = middle;
  }
  return high;
}

double FailureClock::next_exponential() {
  reached_ += random_.exponential() / law_.components;
  return age_at(reached_);
}

// First lives by order statistics (A. Renyi, "On the theory of order statistics", 1953): of m equal
// lives the least has gone through hazard E / m. Whoever has failed begins a life of its own.
double FailureClock::next_life() {
  const auto order = [](const Life& a, const Life& b) { return later(a.death, b.death); };
  if (last_.death > 0) {
    ended_ += hazard(last_.death - last_.birth);
    lives_.push_back({last_.death, last_.death + age_at(random_.exponential())});
    std::push_heap(lives_.begin(), lives_.end(), order);
  }
  double first = never;
  if (first_lives_ >= 1)
    first = age_at(reached_);
  if (lives_.empty() || first <= lives_.front().death) {
    last_ = {0, first};
    first_lives_ -= 1;
    if (first_lives_ >= 1)
      reached_ += random_.exponential() / first_lives_;
  } else {
    std::pop_heap(lives_.begin(), lives_.end(), order);
    last_ = lives_.back();
    lives_.pop_back();
  }
  return last_.death;
}

Seconds FailureClock::next() {
  if (law_.components <= 0 || law_.rate <= PerSecond{})
    return never * second;
  if (law_.shape == 1)
    return std::min(never, next_exponential()) * second;
  if (last_.death == 0 && reached_ == 0)
    reached_ = random_.exponential() / first_lives_;
  return std::min(never, next_life()) * second;
}

double FailureClock::expected(Seconds end) const {
  const double until = end / second;
  if (law_.components <= 0 || law_.rate <= PerSecond{})
    return 0;
  if (law_.shape == 1)
    return law_.components * hazard(until);
  double sum = ended_ + first_lives_ * hazard(until);
  if (last_.death > 0)
    sum += hazard(std::min(until, last_.death) - last_.birth);
  for (const Life& life : lives_)
    sum += hazard(until - life.birth);
  return sum;
}

} // namespace sim::reliability
