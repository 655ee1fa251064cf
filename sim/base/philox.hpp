// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 3.3)
// on several counters at once, so that their multiplications overlap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sim {
inline namespace base {

// Word by word of `Lanes` counters; overwritten by 128 random bits for each.
template <std::size_t Lanes> using PhiloxWords = std::array<std::array<std::uint32_t, Lanes>, 4>;

template <std::size_t Lanes>
inline void philox_lanes(PhiloxWords<Lanes>& words, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    for (std::size_t lane = 0; lane < Lanes; ++lane) {
      const std::uint64_t first = std::uint64_t{0xd2511f53} * words[0][lane];
      const std::uint64_t second = std::uint64_t{0xcd9e8d57} * words[2][lane];
      words[0][lane] = static_cast<std::uint32_t>(second >> 32) ^ words[1][lane] ^ key[0];
      words[1][lane] = static_cast<std::uint32_t>(second);
      words[2][lane] = static_cast<std::uint32_t>(first >> 32) ^ words[3][lane] ^ key[1];
      words[3][lane] = static_cast<std::uint32_t>(first);
    }
    key[0] += 0x9e3779b9;
    key[1] += 0xbb67ae85;
  }
}

} // namespace base
} // namespace sim
