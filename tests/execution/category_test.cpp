// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/category.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace sim;
using execution::Category;

TEST_CASE("every category has a name of its own") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < execution::categories; ++i)
    names.insert(execution::name_of(static_cast<Category>(i)));
  CHECK(names.size() == execution::categories);
  CHECK(execution::name_of(Category::ExposedExpert) == "exposed-expert");
  CHECK(execution::name_of(Category::LostWork) == "lost-work");
}
