// SPDX-License-Identifier: Apache-2.0
// Random streams: one per named purpose and index, counter-based, so that asking one stream more
// often, or splitting a class of GPUs in two, moves no other stream's draws. Same seed, same draws
// on every machine: no std distribution, no libm but sqrt (portable_math.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sim {
inline namespace base {

// 128 random bits for a counter and a key: Philox4x32-10 (Salmon et al., "Parallel random numbers:
// as easy as 1, 2, 3", SC'11, section 3.3).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

class RandomStream {
public:
  // `purpose` names what is drawn ("failures", "inputs/price.rental"); `index` tells replications
  // or entities apart.
  RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

  std::uint64_t bits();                     // 64 uniform bits
  double uniform();                         // in (0, 1): never 0, never 1
  double exponential();                     // mean 1
  double normal();                          // mean 0, standard deviation 1
  std::uint64_t below(std::uint64_t bound); // uniform in [0, bound), bound > 0, without modulo bias

private:
  std::uint64_t key_[2];
  std::uint64_t counter_ = 0;
  std::uint64_t second_half_ = 0; // of the block that the last even draw opened
};

} // namespace base
} // namespace sim
