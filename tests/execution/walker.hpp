// SPDX-License-Identifier: Apache-2.0
// What a pipeline program takes, worked out anew: an operation starts when the one before it on its
// rank has ended and what it reads has come. Shares no code with the player.
#pragma once

#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace sim::execution::tests {

struct Walk {
  double end = 0;           // of the last operation
  std::vector<double> busy; // of each rank
};

// `duration` of a pass on a rank; `delay` of what one rank hands to another, none to itself.
inline Walk walk(const plan::PipelineProgram& program,
                 const std::function<double(std::size_t, const plan::PassKey&)>& duration,
                 double delay) {
  using plan::PassKind;
  using Made = std::tuple<bool, int, int>; // forward, chunk, micro-batch
  std::map<Made, std::pair<double, std::size_t>> made;
  const std::size_t ranks = program.ranks.size();
  std::vector<std::size_t> next(ranks);
  std::vector<double> end(ranks);
  Walk result{0, std::vector<double>(ranks)};
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t r = 0; r < ranks; ++r)
      while (next[r] < program.ranks[r].size()) {
        const plan::ScheduledPass& op = program.ranks[r][next[r]];
        const PassKind kind = op.pass.kind;
        const bool pair = kind == PassKind::Pair;
        const int back_chunk = pair ? op.pass.backward_chunk : op.pass.chunk;
        const int back = pair ? op.backward_micro_batch : op.micro_batch;
        const bool forward = pair || kind == PassKind::Forward;
        const bool backward = !forward || pair;
        std::vector<Made> reads;
        if (forward && op.pass.chunk > 0)
          reads.push_back({true, op.pass.chunk - 1, op.micro_batch});
        if (backward && kind != PassKind::Weight)
          reads.push_back(back_chunk + 1 == program.chunks ? Made{true, back_chunk, back}
                                                           : Made{false, back_chunk + 1, back});
        double start = end[r];
        bool ready = true;
        for (const Made& read : reads) {
          const auto found = made.find(read);
          ready = ready && found != made.end();
          if (ready)
            start = std::max(start, found->second.first + (found->second.second == r ? 0 : delay));
        }
        if (!ready)
          break;
        const double took = duration(r, op.pass);
        end[r] = start + took;
        result.busy[r] += took;
        if (forward)
          made[{true, op.pass.chunk, op.micro_batch}] = {end[r], r};
        if (backward && kind != PassKind::Weight)
          made[{false, back_chunk, back}] = {end[r], r};
        ++next[r];
        moved = true;
      }
  }
  for (std::size_t r = 0; r < ranks; ++r) {
    if (next[r] < program.ranks[r].size())
      throw std::logic_error("the program waits for itself");
    result.end = std::max(result.end, end[r]);
  }
  return result;
}

} // namespace sim::execution::tests
