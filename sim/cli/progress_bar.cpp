// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/progress_bar.hpp"

#include "sim/cli/interrupt.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cstdio>

namespace sim::cli {

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)), terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (!shown_.empty())
    std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(std::size_t done, std::size_t total) {
  if (!terminal_ || total == 0)
    return;
  constexpr std::size_t cells = 40;
  const std::size_t filled = cells * done / total;
  const std::string line = fmt::format("\r{} [{}{}] {}/{}", title_, std::string(filled, '#'),
                                       std::string(cells - filled, '-'), done, total);
  if (line == shown_)
    return;
  shown_ = line;
  std::fputs(line.c_str(), stderr);
}

study::ParallelOptions study_options(int jobs, ProgressBar& bar) {
  study::ParallelOptions options;
  options.jobs = jobs;
  options.stop = InterruptGuard::interrupted;
  options.progress = [&bar](std::size_t done, std::size_t total) { bar.show(done, total); };
  return options;
}

} // namespace sim::cli
