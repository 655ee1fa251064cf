// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/interrupt.hpp"

#include "sim/cli/command.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace sim::cli {

namespace {

// Lock-free atomics are all that a signal handler may share with threads.
std::atomic<bool> guarded{false}, raised{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int) {
  if (!guarded || raised.exchange(true))
    ::_exit(Interrupted);
}

} // namespace

void listen_for_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);
}

InterruptGuard::InterruptGuard() { guarded = true; }
InterruptGuard::~InterruptGuard() { guarded = false; }
bool InterruptGuard::interrupted() { return raised; }

} // namespace sim::cli
