// SPDX-License-Identifier: Apache-2.0
// What a chip is to buyers and export rules, beside what it computes. An absent number is one that
// nobody published.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sim::hardware {

// Rates of integers; the plans compute in none of them, export rules count them.
enum class IntegerPrecision { Int8, Int4 };

// Whether the maker designed or markets it for data centres: a fact about the product, no number.
enum class ProductClass { Datacenter, Consumer };

struct ProductSpec {
  std::optional<ProductClass> product_class;
  std::string maker;              // country of the maker's headquarters, ISO 3166: "US"
  bool sold = true;               // false: only used or rented out by its maker
  std::optional<bool> sold_in_us; // commercially available in the United States
  std::optional<BytesPerSecond> pcie_bandwidth; // per direction; absent: the host's is PCIe
  std::optional<SquareMetres> die_area; // logic dies on non-planar processes together, no DRAM
  std::string process, memory_type, scale_up_link;
  std::optional<int> scale_up_links;  // per chip
  std::optional<int> scale_up_domain; // largest number of chips that they join
};

template <class V> void fields(V& v, ProductSpec& s) {
  v("class", s.product_class, anything, "Designed or marketed for data centres, or for consumers.");
  v("maker", s.maker, anything, "Country of the maker's headquarters, two letters of ISO 3166.");
  v("sold", s.sold, anything, "false: only used or rented out by its maker.");
  v("sold_in_us", s.sold_in_us, anything,
    "Commercially available in the United States; absent: not known.");
  v("pcie_bandwidth", s.pcie_bandwidth, non_negative,
    "Per direction, where the link to the host is another; absent: host_bandwidth.");
  v("die_area", s.die_area, positive,
    "Logic dies on FinFET or later processes together, without DRAM; absent: not known.");
  v("process", s.process, anything, "Of the logic dies.");
  v("memory_type", s.memory_type, anything, "HBM3, GDDR6, ...");
  v("scale_up_link", s.scale_up_link, anything, "Name of the link; none: there is none.");
  v("scale_up_links", s.scale_up_links, non_negative, "Links per chip.");
  v("scale_up_domain", s.scale_up_domain, at_least_one, "Largest number of chips they join.");
}

} // namespace sim::hardware

namespace sim {
inline namespace base {
template <> struct EnumNames<hardware::IntegerPrecision> {
  static constexpr std::array names{
      std::pair{hardware::IntegerPrecision::Int8, std::string_view{"int8"}},
      std::pair{hardware::IntegerPrecision::Int4, std::string_view{"int4"}}};
};
template <> struct EnumNames<hardware::ProductClass> {
  static constexpr std::array names{
      std::pair{hardware::ProductClass::Datacenter, std::string_view{"datacenter"}},
      std::pair{hardware::ProductClass::Consumer, std::string_view{"consumer"}}};
};
} // namespace base
} // namespace sim
