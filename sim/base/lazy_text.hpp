// SPDX-License-Identifier: Apache-2.0
// Texts of findings that are rarely made: written only when asked for.
#pragma once

#include <fmt/format.h>

#include <string>

namespace sim {
inline namespace base {

// What writes a text in fmt's format. Valid as long as the arguments: use it in the expression that
// makes it.
template <class... Arguments>
auto lazy_text(fmt::format_string<const Arguments&...> format, const Arguments&... arguments) {
  return [format, &arguments...] { return fmt::format(format, arguments...); };
}

inline std::string written(const char* text) { return text; }
template <class Writer> std::string written(const Writer& write) { return write(); }

} // namespace base
} // namespace sim
