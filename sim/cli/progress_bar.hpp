// SPDX-License-Identifier: Apache-2.0
// How far a study is, on standard error, and only on a terminal.
#pragma once

#include "sim/study/parallel.hpp"

#include <cstddef>
#include <string>

namespace sim::cli {

class ProgressBar {
public:
  explicit ProgressBar(std::string title);
  ~ProgressBar(); // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(std::size_t done, std::size_t total);

private:
  std::string title_, shown_;
  bool terminal_;
};

// Options of a study that shows `bar` and listens for interrupts: needs an InterruptGuard beside
// it.
study::ParallelOptions study_options(int jobs, ProgressBar& bar);

} // namespace sim::cli
