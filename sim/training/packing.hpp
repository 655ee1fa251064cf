// SPDX-License-Identifier: Apache-2.0
// Inside this room only. How full packed training sequences are.
#pragma once

#include "sim/training/trainer.hpp"

namespace sim::training {

// Share of sequences of `length` tokens that prompts and responses fill, those of `responses`
// responses together: each to the fullest sequence that has room for it, the longest first (best
// fit decreasing; Ding et al., arXiv 2404.10830, section 2). What is longer than a sequence fills
// whole ones, and its rest is packed. Responses are the law's quantiles, at most 512 of them.
double packed_share(const Experience& experience, double responses, double length);

} // namespace sim::training
