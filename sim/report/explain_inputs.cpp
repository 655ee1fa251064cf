// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain.hpp"

#include <algorithm>
#include <set>

namespace sim::report {
namespace {

using training::StageKind;
using training::StageResult;

bool below(const std::string& path, const std::string& root) {
  return path == root || path.starts_with(root + ".");
}

// The key behind `root` in a path: of "a.kernels.gemm.fp8.half_k" and ".kernels.gemm.", "fp8".
std::string key_after(const std::string& path, const std::string& root) {
  const std::size_t place = path.find(root);
  if (place == std::string::npos)
    return "";
  const std::size_t begin = place + root.size();
  return path.substr(begin, path.find('.', begin) - begin);
}

// Which of a chip's numbers stages call for.
class Kernels {
public:
  Kernels(const Result& result, const std::string& only) {
    for (const StageResult& stage : result.run.stages)
      if (only.empty() || stage.name == only)
        add(result, stage);
  }

  [[nodiscard]] bool read(const std::string& path) const {
    if (everything_)
      return true;
    const std::string gemm = key_after(path, ".kernels.gemm."),
                      peak = key_after(path, ".accelerator.peak."),
                      attention = key_after(path, ".kernels.attention.implementations.");
    if (path.find(".kernels.attention.decode_") != std::string::npos)
      return false;
    return (gemm.empty() || precisions_.contains(gemm)) &&
           (peak.empty() || precisions_.contains(peak)) &&
           (attention.empty() || attention_.contains(attention));
  }

private:
  void add(const Result& result, const StageResult& stage) {
    const hardware::AcceleratorSpec& chip =
        pool_named(result.scenario.cluster, stage.pool).node->accelerator.spec;
    // What generates chooses its kernels itself.
    if (!stage.inventory || stage.generated_tokens > 0 || stage.kind == StageKind::Inference) {
      everything_ = true;
      return;
    }
    // MFU is held against it.
    precisions_.insert(std::string(name_of(hardware::wide_precision(chip))));
    for (const execution::KernelUse& use : stage.inventory->kernels)
      for (const execution::KernelShape& shape : use.shapes)
        if (shape.factors.peak > FlopsPerSecond{})
          precisions_.insert(std::string(name_of(shape.factors.precision)));
    const std::string& named = result.scenario.stack->attention;
    attention_.insert(named.empty() ? chip.kernels->attention.standard : named);
  }

  bool everything_ = false;
  std::set<std::string> precisions_, attention_;
};

} // namespace

std::vector<scenario::Input> inputs_of(const Explanation& explanation, const Result& result,
                                       const std::vector<scenario::Input>& inputs) {
  const std::string& column = explanation.column;
  const auto holds = [&](const char* part) { return column.find(part) != std::string::npos; };
  const bool of_step =
      explanation.path.starts_with("stages.") &&
      (holds("step_") || holds("communication.") || holds("memory_") || holds("mfu") ||
       holds("hfu") || holds("clock_fraction") || holds("tflops") || holds("layout."));
  const bool of_money = holds("usd"), of_energy = holds("energy") || holds("co2");
  const bool of_product = holds("h100_equivalents");
  const std::string stage =
      of_step ? explanation.path.substr(7, explanation.path.size() - 8 - column.size()) : "";
  const Kernels kernels(result, stage);
  // Clocks hang on a chip's power where it is limited.
  const bool limited = std::any_of(inputs.begin(), inputs.end(), [](const scenario::Input& input) {
    return input.path.ends_with(".power_limit");
  });
  std::vector<scenario::Input> kept;
  for (const scenario::Input& input : inputs) {
    const bool run = below(input.path, "reliability") || below(input.path, "checkpoint");
    const bool price = below(input.path, "price") || input.path.ends_with("_price") ||
                       input.path.ends_with("cost");
    const bool clock = limited && input.path.find(".accelerator.") != std::string::npos;
    const bool power =
        below(input.path, "price.energy") || (input.path.ends_with("power") && !clock);
    const bool other = below(input.path, "published") || below(input.path, "assert");
    // Of a product, what the time of a step hangs on is how it is joined to its host.
    const std::string product = key_after(input.path, ".accelerator.product.");
    const bool sold = (!product.empty() && product != "pcie_bandwidth") ||
                      !key_after(input.path, ".accelerator.integer_peak.").empty();
    const bool elsewhere =
        !stage.empty() && below(input.path, "stages") && !below(input.path, "stages." + stage);
    if (other || elsewhere || (of_step && run) || (price && !power && !of_money) ||
        (power && !of_energy && !of_money) || (!of_product && (sold || !kernels.read(input.path))))
      continue;
    kept.push_back(input);
  }
  return kept;
}

} // namespace sim::report
