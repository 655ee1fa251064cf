// SPDX-License-Identifier: Apache-2.0
// Quantities with a dimension as types: bytes divided by bytes per second are seconds, bytes plus
// seconds do not compile. A quantity stores one double in the base unit of its dimension (second,
// byte, FLOP, joule, US dollar, GPU, kilogram, square metre). To get a number out, divide by a
// unit: `step / millisecond`; to put one in, multiply: `400 * gigabyte`.
#pragma once

#include <compare>
#include <type_traits>

namespace sim {
inline namespace base {

struct Dimension {
  int time = 0, byte = 0, flop = 0, energy = 0, money = 0, gpu = 0, mass = 0, area = 0;
  constexpr bool operator==(const Dimension&) const = default;
  constexpr Dimension operator+(const Dimension& o) const {
    return {time + o.time,   byte + o.byte, flop + o.flop, energy + o.energy,
            money + o.money, gpu + o.gpu,   mass + o.mass, area + o.area};
  }
  constexpr Dimension operator-() const {
    return {-time, -byte, -flop, -energy, -money, -gpu, -mass, -area};
  }
};

template <Dimension D> class Quantity {
public:
  static constexpr Dimension dimension = D;
  constexpr Quantity() = default;
  // From a number of base units; elsewhere multiply a number by a unit.
  static constexpr Quantity from_base(double value) {
    Quantity q;
    q.value_ = value;
    return q;
  }
  // The number of base units: for text, hashing and the engine's plain arrays.
  [[nodiscard]] constexpr double base() const { return value_; }

  constexpr Quantity operator-() const { return from_base(-value_); }
  constexpr Quantity& operator+=(Quantity o) {
    value_ += o.value_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity o) {
    value_ -= o.value_;
    return *this;
  }
  constexpr Quantity& operator*=(double factor) {
    value_ *= factor;
    return *this;
  }
  constexpr Quantity& operator/=(double divisor) {
    value_ /= divisor;
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
  friend constexpr Quantity operator*(Quantity a, double b) { return a *= b; }
  friend constexpr Quantity operator*(double a, Quantity b) { return b *= a; }
  friend constexpr Quantity operator/(Quantity a, double b) { return a /= b; }
  friend constexpr auto operator<=>(Quantity a, Quantity b) = default;

private:
  double value_ = 0;
};

// A product without dimension is a plain number.
template <Dimension D> constexpr auto make_quantity(double value) {
  if constexpr (D == Dimension{})
    return value;
  else
    return Quantity<D>::from_base(value);
}
template <Dimension A, Dimension B> constexpr auto operator*(Quantity<A> a, Quantity<B> b) {
  return make_quantity<A + B>(a.base() * b.base());
}
template <Dimension A, Dimension B> constexpr auto operator/(Quantity<A> a, Quantity<B> b) {
  return make_quantity<A + -B>(a.base() / b.base());
}
template <Dimension A> constexpr auto operator/(double a, Quantity<A> b) {
  return make_quantity<-A>(a / b.base());
}

template <class T> inline constexpr bool is_quantity = false;
template <Dimension D> inline constexpr bool is_quantity<Quantity<D>> = true;

using Seconds = Quantity<Dimension{.time = 1}>;
using Bytes = Quantity<Dimension{.byte = 1}>;
using Flops = Quantity<Dimension{.flop = 1}>; // a count of operations, not a rate
using Joules = Quantity<Dimension{.energy = 1}>;
using Dollars = Quantity<Dimension{.money = 1}>;
using GpuSeconds = Quantity<Dimension{.time = 1, .gpu = 1}>;
using Kilograms = Quantity<Dimension{.mass = 1}>;
using SquareMetres = Quantity<Dimension{.area = 1}>;
using BytesPerSecond = Quantity<Dimension{.time = -1, .byte = 1}>;
using FlopsPerSecond = Quantity<Dimension{.time = -1, .flop = 1}>;
using FlopsPerByte = Quantity<Dimension{.byte = -1, .flop = 1}>;
using Watts = Quantity<Dimension{.time = -1, .energy = 1}>;
using PerSecond = Quantity<Dimension{.time = -1}>;
using PerGpuSecond = Quantity<Dimension{.time = -1, .gpu = -1}>; // e.g. failures per GPU and time
using DollarsPerGpuSecond = Quantity<Dimension{.time = -1, .money = 1, .gpu = -1}>;
using DollarsPerJoule = Quantity<Dimension{.energy = -1, .money = 1}>;
using KilogramsPerJoule = Quantity<Dimension{.energy = -1, .mass = 1}>;

inline constexpr Seconds second = Seconds::from_base(1), millisecond = 1e-3 * second,
                         microsecond = 1e-6 * second, nanosecond = 1e-9 * second,
                         minute = 60 * second, hour = 3600 * second, day = 86400 * second;
inline constexpr Bytes byte = Bytes::from_base(1), kilobyte = 1e3 * byte, megabyte = 1e6 * byte,
                       gigabyte = 1e9 * byte, terabyte = 1e12 * byte, mebibyte = 1048576.0 * byte,
                       gibibyte = 1073741824.0 * byte;
inline constexpr Flops flop = Flops::from_base(1), gigaflop = 1e9 * flop, teraflop = 1e12 * flop;
inline constexpr Joules joule = Joules::from_base(1), kilowatt_hour = 3.6e6 * joule,
                        megawatt_hour = 3.6e9 * joule;
inline constexpr Watts watt = joule / second, kilowatt = 1e3 * watt;
inline constexpr Dollars dollar = Dollars::from_base(1);
inline constexpr GpuSeconds gpu_second = GpuSeconds::from_base(1), gpu_hour = 3600 * gpu_second;
inline constexpr DollarsPerGpuSecond dollar_per_gpu_hour = dollar / gpu_hour;
inline constexpr Kilograms kilogram = Kilograms::from_base(1), tonne = 1e3 * kilogram;

} // namespace base
} // namespace sim
