// SPDX-License-Identifier: Apache-2.0
// How closely a step is played.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace sim::execution {

enum class Detail {
  Pass,   // a pass is one activity, played kernel by kernel once by itself
  Kernel, // every kernel and every phase of every collective of the step
  Message // every message of every collective too; never folded
};

struct Fidelity {
  Detail detail = Detail::Pass;
  bool exact = false;       // no folding: every GPU, group and trunk by itself
  bool engine_only = false; // nothing is left to the longest path
  bool operator==(const Fidelity&) const = default;
};

} // namespace sim::execution

namespace sim {
inline namespace base {
template <> struct EnumNames<execution::Detail> {
  static constexpr std::array names{
      std::pair{execution::Detail::Pass, std::string_view{"pass"}},
      std::pair{execution::Detail::Kernel, std::string_view{"kernel"}},
      std::pair{execution::Detail::Message, std::string_view{"message"}}};
};
} // namespace base
} // namespace sim
