// SPDX-License-Identifier: Apache-2.0
#include "sim/base/limit.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

namespace sim {
inline namespace base {

void require_within(std::int64_t most, double asked, std::string_view what, const std::string& path,
                    const std::string& remedy) {
  if (!(asked <= double(most))) // NaN is beyond any limit
    throw InfeasibleError(
        path, fmt::format("limit: {} {}, {:.10g} are asked for", most, what, asked), remedy);
}

void fail_limit(std::int64_t most, std::string_view what, const std::string& path,
                const std::string& remedy) {
  throw InfeasibleError(path, fmt::format("limit: {} {}", most, what), remedy);
}

} // namespace base
} // namespace sim
