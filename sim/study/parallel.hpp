// SPDX-License-Identifier: Apache-2.0
// Many independent runs on several threads. Results come back in the order of their index, so that
// the number of threads changes nothing but the time.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace sim::study {

struct ParallelOptions {
  int jobs = 0; // threads; 0: as many as the machine has
  // Asked before each task; true: no further task starts.
  std::function<bool()> stop;
  // Told how many tasks have ended; never by two threads at once.
  std::function<void(std::size_t done, std::size_t total)> progress;
};

// Calls task(index) for each index below `count`, each once, unless stopped. When tasks throw, the
// exception of the lowest index is thrown again after the running ones have ended; tasks behind it
// may be left out. Returns whether all tasks ran.
bool parallel_for(std::size_t count, const std::function<void(std::size_t)>& task,
                  const ParallelOptions& options = {});

// task(index) by index. Requires: no `stop`.
template <class T>
std::vector<T> parallel_map(std::size_t count, const std::function<T(std::size_t)>& task,
                            const ParallelOptions& options = {}) {
  std::vector<T> results(count);
  parallel_for(
      count, [&](std::size_t i) { results[i] = task(i); }, options);
  return results;
}

} // namespace sim::study
