// SPDX-License-Identifier: Apache-2.0
// Codes of countries, so that a slip is no country that no rule names.
#pragma once

#include <string_view>

namespace sim {
inline namespace base {

// Whether `code` is one of ISO 3166-1's two-letter codes (249, capitals), which CN, HK and TW are
// too.
bool is_country(std::string_view code);

} // namespace base
} // namespace sim
