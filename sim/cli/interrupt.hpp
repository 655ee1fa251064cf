// SPDX-License-Identifier: Apache-2.0
// Ctrl-C. While a study is listening it finishes the runs in flight and keeps them; otherwise, or
// at the second time, the process ends at once. Exit code 5 either way.
#pragma once

namespace sim::cli {

// SIGINT and SIGTERM as above; SIGPIPE becomes a write error.
void listen_for_interrupts();

// While one lives, an interrupt only raises the flag.
class InterruptGuard {
public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  [[nodiscard]] static bool interrupted();
};

} // namespace sim::cli
