// SPDX-License-Identifier: Apache-2.0
#include "sim/base/country.hpp"

#include <catch2/catch.hpp>

#include <string>

using sim::is_country;

TEST_CASE("countries are those of ISO 3166-1: 249, first and last included, no slips") {
  int count = 0;
  for (char a = 'A'; a <= 'Z'; ++a)
    for (char b = 'A'; b <= 'Z'; ++b)
      count += is_country(std::string{a, b}) ? 1 : 0;
  CHECK(count == 249);
  for (const char* code : {"AD", "CN", "HK", "TW", "GB", "US", "ZW"})
    CHECK(is_country(code));
  for (const char* code : {"UK", "ZZ", "cn", "CHN", "C", "", "N ", " C"})
    CHECK_FALSE(is_country(code));
}
