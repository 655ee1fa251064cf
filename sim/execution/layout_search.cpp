// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_search.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/execution/layout_estimate.hpp"
#include "sim/plan/memory_plan.hpp"
#include "sim/topology/fabric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

namespace sim::execution {
namespace {

using plan::ParallelismSpec;
using plan::Schedule;
using plan::StepSetting;

constexpr std::array micro_batches_tried{1, 2, 4, 8};
constexpr std::array virtual_stages_tried{2, 3, 4, 6, 8, 12};
constexpr int most_pipeline = 64, most_context = 16, most_expert = 256;
constexpr double least_context_share = 2048; // tokens of a sequence on one context rank

constexpr int most_variants = 3; // of one set of degrees
// The estimate orders layouts to a few percent (README.md): what it takes for this much slower
// than the fastest one is not worth a play.
constexpr double worth_playing = 1.15;
// Long programs are played for three layouts only, unless more stay within this number of passes.
constexpr std::size_t least_candidates = 3;
constexpr double most_passes = 1 << 16;

struct Candidate {
  ParallelismSpec layout;
  Seconds estimate{};
};

std::vector<int> powers_of_two(int limit) {
  std::vector<int> result;
  for (int n = 1; n <= limit; n *= 2)
    result.push_back(n);
  return result;
}

auto degrees_of(const ParallelismSpec& p) {
  return std::tuple(p.tensor, p.pipeline, p.context, p.expert);
}
using Degrees = decltype(degrees_of({}));

// Layouts that hold the same weights, and differ in the activations of a micro-batch.
auto weights_of(const ParallelismSpec& p) {
  return std::tuple(p.tensor, p.pipeline, p.expert, p.virtual_stages, p.schedule);
}
struct SameWeights {
  ParallelismSpec least; // most context ranks, then fewest sequences: needs least memory
  std::optional<bool> least_fits;
  std::map<int, int> too_many; // fewest sequences per micro-batch that do not fit, by context
};

class Search {
public:
  explicit Search(const StepSetting& setting)
      : setting_(setting), fabric_(topology::build(*setting.pool)),
        planner_(*fabric_, *setting.pool), estimate_(setting, planner_) {}

  std::vector<ParallelismSpec> run(std::size_t limit) {
    enumerate();
    std::stable_sort(found_.begin(), found_.end(), [](const Candidate& a, const Candidate& b) {
      return a.estimate < b.estimate;
    });
    std::vector<ParallelismSpec> result;
    std::map<Degrees, int> variants;
    Seconds fastest{};
    double passes = 0;
    for (const auto& [layout, estimate] : found_) {
      if (result.size() == limit || (!result.empty() && estimate > worth_playing * fastest))
        break;
      int& known = variants[degrees_of(layout)];
      const double more = passes_of(layout);
      if (known == most_variants ||
          (result.size() >= least_candidates && passes + more > most_passes) || !fits(layout))
        continue;
      if (result.empty())
        fastest = estimate;
      ++known;
      passes += more;
      result.push_back(layout);
    }
    if (result.empty())
      throw InfeasibleError("parallelism",
                            miss_ ? fmt::format("no layout fits; the closest: {}", miss_->message())
                                  : "no legal layout for this number of GPUs and batch",
                            miss_ ? "more GPUs, or a stack that keeps less"
                                  : "another number of GPUs or sequences");
    return result;
  }

private:
  void enumerate() {
    const int gpus = setting_.gpus();
    const workload::ModelSpec& model = *setting_.model;
    const int contexts = static_cast<int>(
        std::min(double(most_context), setting_.sequence_length / least_context_share));
    const int experts = model.experts ? std::min(most_expert, model.experts->routed) : 1;
    for (const int tensor : powers_of_two(setting_.pool->node->accelerators))
      for (int pipeline = 1; pipeline <= std::min(most_pipeline, model.layers); ++pipeline)
        for (const int context : powers_of_two(std::max(1, contexts)))
          for (const int expert : powers_of_two(experts))
            for (const int micro_batch : micro_batches_tried) {
              ParallelismSpec layout;
              layout.tensor = tensor;
              layout.pipeline = pipeline;
              layout.context = context;
              layout.expert = expert;
              layout.micro_batch = micro_batch;
              layout.zero_stage = setting_.stack->sharding.zero_stage;
              if (divides(layout, gpus))
                with_schedules(layout);
            }
  }

  // The common reasons for which plan::resolve() refuses, without its message.
  [[nodiscard]] bool divides(const ParallelismSpec& layout, int gpus) const {
    const int fixed = layout.tensor * layout.pipeline * layout.context;
    if (gpus % fixed != 0)
      return false;
    const int data = gpus / fixed;
    return data * layout.context % layout.expert == 0 &&
           setting_.batch % (std::int64_t{data} * layout.micro_batch) == 0;
  }

  void with_schedules(const ParallelismSpec& given) {
    StepSetting trial = setting_;
    try {
      trial.layout = plan::resolve(given, trial);
      consider(trial.layout);
    } catch (const InfeasibleError& error) {
      if (!error.path().starts_with("parallelism"))
        throw; // no layout helps
      return;  // some dimension of the model does not divide
    }
    const int pipeline = given.pipeline;
    const std::int64_t micro_batches = trial.micro_batches();
    if (pipeline == 1)
      return;
    for (const int virtual_stages : virtual_stages_tried)
      if (micro_batches % pipeline == 0 &&
          pipeline * virtual_stages <= setting_.model->layers + 2) {
        trial.layout.virtual_stages = virtual_stages;
        consider(trial.layout);
      }
    trial.layout.virtual_stages = 1;
    if (setting_.stack->overlap.expert_pairs && setting_.stack->offload_layers == 0 &&
        given.expert > 1)
      with_pairs(trial.layout, micro_batches);
  }

  // Forward and backward passes of two micro-batches beside one another.
  void with_pairs(ParallelismSpec layout, std::int64_t micro_batches) {
    const int pipeline = layout.pipeline;
    layout.schedule = Schedule::DualPipe;
    if (pipeline % 2 == 0 && micro_batches % 2 == 0 && micro_batches >= std::int64_t{2} * pipeline)
      consider(layout);
    layout.schedule = Schedule::CombinedOneForwardOneBackward;
    if (layout.zero_stage >= 2)
      return;
    consider(layout);
    for (const int virtual_stages : virtual_stages_tried)
      if (micro_batches % pipeline == 0 &&
          pipeline * virtual_stages <= setting_.model->layers + 2) {
        layout.virtual_stages = virtual_stages;
        consider(layout);
      }
  }

  void consider(const ParallelismSpec& layout) {
    found_.push_back({layout, estimate_.step(layout)});
    const auto [known, added] = weights_.try_emplace(weights_of(layout));
    ParallelismSpec& least = known->second.least;
    if (added || std::tuple(-layout.context, layout.micro_batch) <
                     std::tuple(-least.context, least.micro_batch))
      least = layout;
  }

  [[nodiscard]] double passes_of(const ParallelismSpec& layout) const {
    StepSetting trial = setting_;
    trial.layout = layout;
    const double directions = setting_.mode == plan::StepMode::Training ? 2 : 1;
    return directions * static_cast<double>(trial.micro_batches()) * layout.pipeline *
           layout.virtual_stages;
  }

  // Asked in the order of estimates, so that most layouts are never asked about.
  bool fits(const ParallelismSpec& layout) {
    SameWeights& same = weights_.at(weights_of(layout));
    if (!same.least_fits)
      same.least_fits = fits_alone(same.least);
    if (!*same.least_fits)
      return false;
    const auto unfit = same.too_many.find(layout.context);
    if (unfit != same.too_many.end() && layout.micro_batch >= unfit->second)
      return false;
    if (fits_alone(layout))
      return true;
    same.too_many[layout.context] = layout.micro_batch;
    return false;
  }

  bool fits_alone(const ParallelismSpec& layout) {
    StepSetting trial = setting_;
    trial.layout = layout;
    plan::MemoryPlan memory;
    try {
      require_within(limit::passes, passes_of(layout), "passes in a step", "stages",
                     "a smaller batch or more GPUs");
      memory = plan::memory_plan(trial);
    } catch (const InfeasibleError& error) {
      if (!miss_)
        miss_ = error;
      return false;
    }
    if (memory.fits())
      return true;
    if (least_ > Bytes{} && memory.fits_host() && memory.total() >= least_)
      return false;
    least_ = least_ > Bytes{} ? std::min(least_, memory.total()) : memory.total();
    try {
      plan::require_fit(memory, trial);
    } catch (const InfeasibleError& error) {
      miss_ = error;
    }
    return false;
  }

  StepSetting setting_;
  std::unique_ptr<topology::Fabric> fabric_;
  network::CollectivePlanner planner_;
  LayoutEstimate estimate_;
  std::vector<Candidate> found_;
  std::map<decltype(weights_of({})), SameWeights> weights_;
  std::optional<InfeasibleError> miss_; // the closest layout that does not fit
  Bytes least_{};
};

} // namespace

std::vector<ParallelismSpec> candidate_layouts(const StepSetting& setting, std::size_t limit) {
  return Search(setting).run(limit);
}

} // namespace sim::execution
