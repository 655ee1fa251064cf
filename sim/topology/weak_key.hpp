// SPDX-License-Identifier: Apache-2.0
// What is wrong with a weak link or switch, in one wording for all fabrics.
#pragma once

#include "sim/hardware/spec.hpp"

#include <cstddef>
#include <string>

namespace sim::topology {

std::string weak_key(std::size_t index, const char* member = "");
std::string weak_switch_key(std::size_t index, const char* member = "");
// Throws InfeasibleError(path) unless 0 <= value < count: there are `count` of what is called
// `what` ("leaf") and stands `where` (" with uplinks").
void check_weak_range(int value, int count, const std::string& path, const std::string& what,
                      const std::string& where = "");
[[noreturn]] void fail_single_link(hardware::LinkKind tier, std::size_t index);
[[noreturn]] void fail_named_twice(std::size_t index, std::size_t other);

} // namespace sim::topology
