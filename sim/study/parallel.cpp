// SPDX-License-Identifier: Apache-2.0
#include "sim/study/parallel.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace sim::study {

namespace {

// What the tasks share, all of it under one lock.
class Progress {
public:
  Progress(std::size_t count, const ParallelOptions& options) : count_(count), options_(options) {}

  // The next task to run, in order of index; empty when none is left to start. Since all below it
  // have started, the lowest failure is found.
  std::optional<std::size_t> next() {
    const std::lock_guard lock(mutex_);
    if (next_ == count_ || error_ || (options_.stop && options_.stop()))
      return std::nullopt;
    return next_++;
  }
  void ended() {
    const std::lock_guard lock(mutex_);
    ++done_;
    if (options_.progress)
      options_.progress(done_, count_);
  }
  void failed(std::size_t index, std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (index < failed_) {
      failed_ = index;
      error_ = std::move(error);
    }
  }
  // Whether all tasks ran; throws what the lowest failed one threw.
  bool result() {
    const std::lock_guard lock(mutex_);
    if (error_)
      std::rethrow_exception(error_);
    return done_ == count_;
  }

private:
  std::mutex mutex_;
  std::size_t count_;
  const ParallelOptions& options_;
  std::size_t done_ = 0;
  std::size_t failed_ = static_cast<std::size_t>(-1);
  std::exception_ptr error_;
  std::size_t next_ = 0;
};

} // namespace

bool parallel_for(std::size_t count, const std::function<void(std::size_t)>& task,
                  const ParallelOptions& options) {
  Progress progress(count, options);
  // Tasks are whole runs, milliseconds and more: one index at a time under a lock costs nothing.
  const auto work = [&] {
    while (const std::optional<std::size_t> index = progress.next()) {
      try {
        task(*index);
        progress.ended();
      } catch (...) {
        progress.failed(*index, std::current_exception());
      }
    }
  };
  const std::size_t jobs = options.jobs > 0
                               ? static_cast<std::size_t>(options.jobs)
                               : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  std::vector<std::jthread> others;
  try {
    while (others.size() + 1 < std::min(jobs, count))
      others.emplace_back(work);
  } catch (const std::system_error&) {
    // The machine gives no more threads: those there are do the work.
  }
  work();
  others.clear();
  return progress.result();
}

} // namespace sim::study
