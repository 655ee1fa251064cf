// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/worker.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sim::rollout {
namespace {

using execution::Category;

constexpr double tail_share = 0.1; // of the most slots ever busy
constexpr double watermark = 0.01; // of the cache stays free when a sequence is let in
constexpr int halvings = 60;       // of an interval, to find an arrival in it
constexpr std::int64_t never_limited = std::numeric_limits<std::int64_t>::max();

// Positions are on the token clock, which counts the tokens of a sequence that always ran.
struct Running {
  double end = 0, start = 0; // it would have started there, had it never paused
  double count = 0;
  Seconds arrival{};
  std::int64_t order = 0; // of admission
  std::int32_t group = -1;
};
struct Waiting {
  Request request;
  double done = 0; // tokens generated before it gave way
};

class Worker {
public:
  Worker(const DecodeModel& model, int gpus, const WorkerOptions& options,
         std::vector<Request> requests);
  WorkerResult run();

private:
  void admit();
  void admit_bulk();
  void start(const Waiting& waiting, double count);
  void place(Running& added);
  void leave(const Running& gone);
  void read_prompts(const Waiting& waiting, double count);
  void advance();
  void spend(double span, const DecodeStep& step);
  void preempt();
  [[nodiscard]] DecodeStep step_over(double span) const;
  [[nodiscard]] Load load(double context) const;
  [[nodiscard]] double most_that_fit(double length) const;
  [[nodiscard]] double admissible(const Waiting& waiting) const;
  [[nodiscard]] bool all_fit() const;
  [[nodiscard]] bool anything_waits() const;
  [[nodiscard]] Waiting next_waiting() const;

  const DecodeModel& model_;
  const WorkerOptions& options_;
  double gpus_, capacity_;
  std::vector<Request> requests_;
  std::vector<Waiting> given_way_; // last in, first out: the oldest of them is on top
  std::size_t next_ = 0;
  std::vector<Running> running_; // by end, the next one last
  std::vector<std::int32_t> group_load_, groups_with_load_;
  std::int32_t next_group_ = 0;
  std::size_t fullest_ = 0;
  double clock_ = 0, count_ = 0, starts_ = 0; // starts_: sum over sequences
  bool ample_ = false;
  Seconds unread_{}; // prompts whose reading hides in steps, so far as it can
  std::int64_t admitted_ = 0, events_ = 0;
  WorkerResult result_;
};

Worker::Worker(const DecodeModel& model, int gpus, const WorkerOptions& options,
               std::vector<Request> requests)
    : model_(model), options_(options), gpus_(gpus), capacity_(model.cache_tokens() * gpus),
      requests_(std::move(requests)) {
  ample_ = options_.most_sequences == 0 && all_fit();
  if (!options_.spread_evenly) {
    group_load_.assign(static_cast<std::size_t>(gpus / model.tensor()), 0);
    groups_with_load_.assign(requests_.size() + 1, 0);
    groups_with_load_[0] = static_cast<std::int32_t>(group_load_.size());
  }
}

// Whether everything can run at once: the cache is fullest as some sequence ends.
bool Worker::all_fit() const {
  std::vector<Request> by_length = requests_;
  std::sort(by_length.begin(), by_length.end(),
            [](const Request& a, const Request& b) { return a.length > b.length; });
  double longer = 0;
  for (const Request& request : by_length) {
    longer += request.count;
    if (request.arrival > Seconds{} || longer * (options_.kept_prompt + request.length) > capacity_)
      return false;
  }
  return true;
}

// How many sequences of a length can start now such that the cache never overflows as all of them
// grow.
double Worker::most_that_fit(double length) const {
  const double prompt = options_.kept_prompt, end = clock_ + length;
  double most = capacity_ / (prompt + length);
  double count = 0, offset = 0; // of those that end no earlier: cache at c is offset + count c
  bool own_end_checked = false;
  for (const Running& other : running_) {
    if (!own_end_checked && other.end < end) {
      most = std::min(most, (capacity_ - offset - count * end) / (prompt + length));
      own_end_checked = true;
    }
    count += other.count;
    offset += other.count * (prompt - other.start);
    if (other.end <= end)
      most =
          std::min(most, (capacity_ - offset - count * other.end) / (prompt + other.end - clock_));
  }
  if (!own_end_checked)
    most = std::min(most, (capacity_ - offset - count * end) / (prompt + length));
  return std::floor(most);
}

double Worker::admissible(const Waiting& waiting) const {
  double most = static_cast<double>(never_limited);
  if (options_.most_sequences > 0)
    most = options_.most_sequences * (gpus_ / model_.tensor()) - count_;
  if (ample_)
    return most;
  if (!options_.preemption)
    return std::min(most, most_that_fit(waiting.request.length - waiting.done));
  const double used = count_ * (options_.kept_prompt + clock_) - starts_;
  const double reserve = running_.empty() ? 0 : watermark * capacity_;
  return std::min(
      most, std::floor((capacity_ - reserve - used) / (options_.kept_prompt + waiting.done + 1)));
}

bool Worker::anything_waits() const { return !given_way_.empty() || next_ < requests_.size(); }

Waiting Worker::next_waiting() const {
  return given_way_.empty() ? Waiting{requests_[next_], 0} : given_way_.back();
}

void Worker::place(Running& added) {
  starts_ += added.count * added.start;
  count_ += added.count;
  if (options_.spread_evenly)
    return;
  // In turn while they start, then to the group that has the fewest.
  std::size_t group = static_cast<std::size_t>(next_group_);
  if (clock_ > 0)
    group = static_cast<std::size_t>(std::min_element(group_load_.begin(), group_load_.end()) -
                                     group_load_.begin());
  next_group_ = static_cast<std::int32_t>((group + 1) % group_load_.size());
  added.group = static_cast<std::int32_t>(group);
  --groups_with_load_[static_cast<std::size_t>(group_load_[group]++)];
  const auto now = static_cast<std::size_t>(group_load_[group]);
  ++groups_with_load_[now];
  fullest_ = std::max(fullest_, now);
}

void Worker::leave(const Running& gone) {
  starts_ -= gone.count * gone.start;
  count_ -= gone.count;
  if (options_.spread_evenly)
    return;
  std::int32_t& load = group_load_[static_cast<std::size_t>(gone.group)];
  --groups_with_load_[static_cast<std::size_t>(load--)];
  ++groups_with_load_[static_cast<std::size_t>(load)];
  while (fullest_ > 0 && groups_with_load_[fullest_] == 0)
    --fullest_;
}

void Worker::read_prompts(const Waiting& waiting, double count) {
  const bool again = waiting.done > 0;
  const double tokens =
      again ? options_.prompt + waiting.done : waiting.request.reads_prompt * options_.prompt;
  if (again) {
    result_.preemptions += count;
    result_.recomputed_tokens += count * tokens;
  }
  const PrefillTime time = model_.prefill_parts(tokens);
  const double share = count / gpus_;
  const Seconds hidden = options_.chunked_prefill ? time.multiplies : Seconds{};
  unread_ += share * hidden;
  const Seconds now = share * (time.total() - hidden);
  result_.end += now;
  result_.breakdown[Category::Generation] += now;
}

void Worker::start(const Waiting& waiting, double count) {
  Running added{clock_ + waiting.request.length - waiting.done,
                clock_ - waiting.done,
                count,
                waiting.request.arrival,
                admitted_++,
                -1};
  place(added);
  read_prompts(waiting, count);
  running_.insert(
      std::upper_bound(running_.begin(), running_.end(), added,
                       [](const Running& a, const Running& b) { return a.end > b.end; }),
      added);
}

// Everything at once.
void Worker::admit_bulk() {
  if (next_ == requests_.size())
    return;
  running_.reserve(requests_.size());
  for (; next_ < requests_.size(); ++next_) {
    const Waiting waiting{requests_[next_], 0};
    Running added{waiting.request.length, 0, waiting.request.count, {}, admitted_++, -1};
    place(added);
    read_prompts(waiting, added.count);
    running_.push_back(added);
  }
  std::sort(running_.begin(), running_.end(), [](const Running& a, const Running& b) {
    return a.end != b.end ? a.end > b.end : a.order < b.order;
  });
}

void Worker::admit() {
  if (ample_) {
    admit_bulk();
  } else {
    while (anything_waits()) {
      const Waiting waiting = next_waiting();
      if (waiting.request.arrival > result_.end)
        break;
      const double count = std::min(waiting.request.count, admissible(waiting));
      const double least = std::min(waiting.request.count, options_.portion);
      if (count < 1 || (count < least && !running_.empty()))
        break;
      start(waiting, count);
      if (!given_way_.empty() && count < waiting.request.count)
        given_way_.back().request.count -= count;
      else if (!given_way_.empty())
        given_way_.pop_back();
      else if (count < waiting.request.count)
        requests_[next_].count -= count;
      else
        ++next_;
    }
  }
  result_.most_running = std::max(result_.most_running, count_);
}

Load Worker::load(double context) const {
  const double mean = count_ / gpus_;
  return {mean, options_.spread_evenly ? mean : double(fullest_) / model_.tensor(), context};
}

DecodeStep Worker::step_over(double span) const {
  // The whole prompt is attended to, shared or not.
  return model_.step(load(options_.prompt + clock_ + span / 2 - starts_ / count_));
}

void Worker::spend(double span, const DecodeStep& step) {
  const double steps = span / model_.tokens_per_sequence();
  Seconds reading{};
  if (unread_ > Seconds{}) {
    const Seconds slack = model_.slack(load(0));
    reading = std::max(Seconds{}, unread_ - steps * slack);
    unread_ = {};
  }
  result_.end += steps * step.duration + reading;
  if (count_ < tail_share * result_.most_running) {
    result_.breakdown[Category::RolloutTail] += steps * step.duration + reading;
  } else {
    result_.breakdown[Category::ExposedTensor] += steps * step.sums;
    result_.breakdown[Category::ExposedExpert] += steps * (step.all_to_all - step.sums);
    result_.breakdown[Category::Launch] += steps * step.host;
    result_.breakdown[Category::Generation] +=
        steps * (step.weights_or_gemm + step.attention + step.kernels) + reading;
  }
  clock_ += span;
}

// The youngest gives way, of several that stand for one as many as make room for a token of the
// rest. They come back before all that wait.
void Worker::preempt() {
  const auto youngest =
      std::max_element(running_.begin(), running_.end(),
                       [](const Running& a, const Running& b) { return a.order < b.order; });
  Running gone = *youngest;
  if (running_.size() == 1) {
    const double each = options_.kept_prompt + clock_ - gone.start + 1;
    const double kept = std::clamp(std::floor(capacity_ / each), 1.0, gone.count - 1);
    gone.count -= kept;
    leave(gone);
    youngest->count = kept;
  } else {
    running_.erase(youngest);
    leave(gone);
  }
  given_way_.push_back({{gone.end - gone.start, gone.count, 1, gone.arrival}, clock_ - gone.start});
}

// To the next end, arrival or full cache. Nothing starts or ends on the way and the context grows
// evenly: its middle value is the mean.
void Worker::advance() {
  const double end = running_.back().end;
  double span = end - clock_;
  bool full = false;
  if (options_.preemption && !ample_) {
    const double used = count_ * (options_.kept_prompt + clock_) - starts_;
    const double room = std::max(0.0, (capacity_ - used) / count_);
    full = room < span && count_ > 1;
    span = full ? room : span;
  }
  const bool arrives =
      given_way_.empty() && next_ < requests_.size() && requests_[next_].arrival > result_.end;
  if (arrives) {
    const Seconds until = requests_[next_].arrival - result_.end;
    const auto time = [this](double tokens) {
      return tokens / model_.tokens_per_sequence() * step_over(tokens).duration;
    };
    if (time(span) > until) {
      double low = 0, high = span;
      for (int i = 0; i < halvings; ++i) {
        const double middle = (low + high) / 2;
        (time(middle) > until ? high : low) = middle;
      }
      spend(low, step_over(low));
      result_.end = std::max(result_.end, requests_[next_].arrival);
      return;
    }
  }
  spend(span, step_over(span));
  if (full) {
    preempt();
    return;
  }
  clock_ = end;
  while (!running_.empty() && running_.back().end <= end) {
    result_.sequence_time += running_.back().count * (result_.end - running_.back().arrival);
    result_.ended += running_.back().count;
    leave(running_.back());
    running_.pop_back();
  }
}

WorkerResult Worker::run() {
  while (anything_waits() || !running_.empty()) {
    if (++events_ > limit::admissions)
      fail_limit(limit::admissions, "events of responses, one after another in the KV cache",
                 "stages", "fewer outputs_per_rollout, or more room for the KV cache");
    admit();
    if (running_.empty()) {
      const Seconds idle = next_waiting().request.arrival - result_.end;
      SIM_ASSERT(idle > Seconds{});
      result_.end += idle;
      result_.breakdown[Category::RolloutTail] += idle;
      continue;
    }
    advance();
  }
  return result_;
}

} // namespace

WorkerResult run_worker(const DecodeModel& model, int gpus, const WorkerOptions& options,
                        std::vector<Request> requests) {
  return Worker(model, gpus, options, std::move(requests)).run();
}

} // namespace sim::rollout
