// SPDX-License-Identifier: Apache-2.0
// A counting pool with a first-come first-served queue: repair crews, spare nodes, KV-cache slots.
// Who asks for more than is free waits, and nobody overtakes: a small request behind a large one
// waits with it.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sim::engine {

template <class Payload> class Pool {
public:
  explicit Pool(std::int64_t capacity) : capacity_(capacity), free_(capacity) {
    SIM_ASSERT(capacity >= 0);
  }

  // True when granted at once; otherwise `who` waits, and a later release() or add() grants it.
  bool acquire(std::int64_t amount, Payload who) {
    SIM_ASSERT(amount > 0);
    if (waiting() == 0 && amount <= free_) {
      free_ -= amount;
      return true;
    }
    if (head_ > 0 && queue_.size() == queue_.capacity()) { // reuse what was served before growing
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    queue_.push_back({amount, std::move(who)});
    return false;
  }

  // Gives back, then calls granted(Payload&&) for each that no longer waits, in order of asking.
  // `granted` must not call this pool.
  template <class Granted> void release(std::int64_t amount, Granted&& granted) {
    SIM_ASSERT(amount > 0 && amount <= capacity_ - free_);
    free_ += amount;
    serve(granted);
  }

  // Changes the capacity: delivered spares, or (negative) parts that are lost. What is lost while
  // in use makes free() negative until enough is given back.
  template <class Granted> void add(std::int64_t amount, Granted&& granted) {
    SIM_ASSERT(capacity_ + amount >= 0);
    capacity_ += amount;
    free_ += amount;
    serve(granted);
  }

  [[nodiscard]] std::int64_t capacity() const { return capacity_; }
  [[nodiscard]] std::int64_t free() const { return free_; }
  [[nodiscard]] std::size_t waiting() const { return queue_.size() - head_; }

private:
  struct Request {
    std::int64_t amount;
    Payload who;
  };

  template <class Granted> void serve(Granted& granted) {
    while (waiting() > 0 && queue_[head_].amount <= free_) {
      free_ -= queue_[head_].amount;
      granted(std::move(queue_[head_].who));
      ++head_;
    }
    if (waiting() == 0) {
      queue_.clear();
      head_ = 0;
    }
  }

  std::int64_t capacity_, free_;
  std::vector<Request> queue_;
  std::size_t head_ = 0; // the first that still waits
};

} // namespace sim::engine
