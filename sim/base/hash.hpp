// SPDX-License-Identifier: Apache-2.0
// Hashes that are the same everywhere: SHA-256 for scenario and catalogue identity, FNV-1a 64 for
// keys and fingerprints.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sim {
inline namespace base {

std::string sha256_hex(std::string_view bytes);

inline constexpr std::uint64_t fnv_offset = 14695981039346656037ULL;
constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t state = fnv_offset) {
  for (const char c : bytes) {
    state ^= static_cast<unsigned char>(c);
    state *= 1099511628211ULL;
  }
  return state;
}
std::uint64_t fnv1a(double value, std::uint64_t state); // by bit pattern, -0 as 0
std::uint64_t fnv1a(std::uint64_t value, std::uint64_t state);

} // namespace base
} // namespace sim
