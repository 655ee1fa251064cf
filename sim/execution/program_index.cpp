// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/program_index.hpp"

#include <set>
#include <utility>

namespace sim::execution {

using plan::PassKind;
using plan::ScheduledPass;

ProgramIndex::ProgramIndex(const plan::PipelineProgram& program)
    : program_(program), micro_batches_(static_cast<std::size_t>(program.micro_batches)),
      owner_(static_cast<std::size_t>(program.chunks) * micro_batches_, -1),
      last_weights_(program.ranks.size()), last_parameters_(program.ranks.size()) {
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    std::vector<char> used(static_cast<std::size_t>(program.chunks));
    const auto& passes = program.ranks[rank];
    for (std::size_t i = 0; i < passes.size(); ++i) {
      const ScheduledPass& p = passes[i];
      const auto chunk = static_cast<std::size_t>(p.pass.chunk);
      if (has_forward(p.pass.kind))
        owner_[chunk * micro_batches_ + static_cast<std::size_t>(p.micro_batch)] =
            static_cast<int>(rank);
      if (p.pass.kind != PassKind::Forward && p.pass.kind != PassKind::BackwardInput)
        last_weights_[rank] = static_cast<std::uint32_t>(i);
      if (used[chunk] == 0)
        last_parameters_[rank] = static_cast<std::uint32_t>(i);
      used[chunk] = 1;
    }
  }
}

const std::vector<plan::PassKey>& ProgramIndex::passes() {
  if (!passes_.empty())
    return passes_;
  const auto chunks = static_cast<std::size_t>(program_.chunks);
  std::vector<char> seen(plan::pass_kinds * chunks); // lone passes, by kind and chunk
  std::set<plan::PassKey> pairs;
  for (const auto& rank : program_.ranks)
    for (const ScheduledPass& p : rank) {
      const std::size_t place =
          static_cast<std::size_t>(p.pass.kind) * chunks + static_cast<std::size_t>(p.pass.chunk);
      const bool added = p.pass.kind == PassKind::Pair ? pairs.insert(p.pass).second
                                                       : std::exchange(seen[place], 1) == 0;
      if (added)
        passes_.push_back(p.pass);
    }
  return passes_;
}

PathProgram::PathProgram(const plan::PipelineProgram& program)
    : steps(program.ranks.size()), kinds(program.ranks.size()) {
  const auto chunks = static_cast<std::size_t>(program.chunks);
  // Chunks of one rank are in different turns, in all placements there are.
  std::vector<char> seen(chunks);
  for (const ScheduledPass& op : program.ranks.front())
    turns += std::exchange(seen[static_cast<std::size_t>(op.pass.chunk)], 1) == 0 ? 1 : 0;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk)
    turn.push_back(static_cast<std::uint32_t>(chunk * turns / chunks));
  there = static_cast<std::uint32_t>(2 * chunks * static_cast<std::size_t>(program.micro_batches));
  unread = there + 1;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank)
    list_steps(program, rank);
}

void PathProgram::list_steps(const plan::PipelineProgram& program, std::size_t rank) {
  const std::vector<ScheduledPass>& passes = program.ranks[rank];
  const auto row = static_cast<std::uint32_t>(program.micro_batches), backward = there / 2;
  const auto forward = [row](int chunk, int micro_batch) {
    return static_cast<std::uint32_t>(chunk) * row + static_cast<std::uint32_t>(micro_batch);
  };
  const int last = program.chunks - 1;
  steps[rank] = std::make_unique_for_overwrite<Step[]>(passes.size());
  kinds[rank].resize(plan::pass_kinds * turns);
  Step* const listed = steps[rank].get();
  Kind* const known = kinds[rank].data();
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const ScheduledPass& op = passes[i];
    const bool pair = op.pass.kind == PassKind::Pair;
    const std::size_t place = kind_at(op.pass);
    std::uint32_t reads = there, made = unread, reads_back = there, made_back = unread;
    if (has_forward(op.pass.kind)) {
      made = forward(op.pass.chunk, op.micro_batch);
      if (op.pass.chunk > 0)
        reads = made - row; // of the chunk before
    }
    if (has_backward(op.pass.kind)) {
      const int chunk = pair ? op.pass.backward_chunk : op.pass.chunk;
      const std::uint32_t ahead = forward(chunk, pair ? op.backward_micro_batch : op.micro_batch);
      made_back = ahead + backward;
      reads_back = chunk == last ? ahead : made_back + row;
    }
    listed[i] = {{reads, reads_back}, {made, made_back}, static_cast<std::uint32_t>(place)};
    Kind& kind = known[place];
    if (!kind.listed)
      kind = {op.pass, true};
    if (kind.pass.chunk != op.pass.chunk || kind.pass.backward_chunk != op.pass.backward_chunk)
      ambiguous = true;
  }
}

} // namespace sim::execution
