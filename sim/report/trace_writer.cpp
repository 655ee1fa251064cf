// SPDX-License-Identifier: Apache-2.0
#include "sim/report/trace_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/execution/trace.hpp"
#include "sim/topology/fabric.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace sim::report {

namespace {

using execution::StepTrace;

constexpr int intervals = 400; // of a step, that links are averaged over

// Rows of a process, in this order.
enum Row : int { Passes, Kernels, FirstDimension };

std::string_view name_of_pass(plan::PassKind kind) {
  switch (kind) {
  case plan::PassKind::Forward:
    return "forward";
  case plan::PassKind::Backward:
    return "backward";
  case plan::PassKind::BackwardInput:
    return "input gradient";
  case plan::PassKind::Weight:
    return "weight gradient";
  case plan::PassKind::Pair:
    return "forward and backward";
  }
  return "";
}

std::string_view name_of_role(plan::KernelRole role) {
  switch (role) {
  case plan::KernelRole::Forward:
    return "forward";
  case plan::KernelRole::Recompute:
    return "recomputation";
  case plan::KernelRole::InputGradient:
    return "input gradient";
  case plan::KernelRole::WeightGradient:
    return "weight gradient";
  }
  return "";
}

constexpr std::array<std::string_view, plan::communication_dimensions> dimension_names{
    "tensor", "expert", "context", "pipeline", "data", "host"};
constexpr std::array<std::string_view, topology::link_kinds> link_names{
    "scale-up link", "PCIe link",  "NIC",         "leaf uplink",
    "spine uplink",  "local link", "global link", "wide-area link"};

class Writer {
public:
  explicit Writer(std::string& out) : out_(out) {}

  void step(const training::StageResult& stage) {
    const StepTrace& trace = *stage.trace;
    Seconds end{};
    for (const StepTrace::Span& span : trace.spans)
      end = std::max(end, span.end);
    processes(stage, trace);
    for (const StepTrace::Span& span : trace.spans)
      if (span.end > span.begin)
        event(span);
    links(trace, end);
    first_process_ += static_cast<int>(trace.tracks.size()) + 1;
    offset_ += end;
  }

private:
  static double microseconds(Seconds time) { return time / second * 1e6; }

  void line(const std::string& text) {
    out_ += first_ ? "\n" : ",\n";
    out_ += text;
    first_ = false;
  }

  void metadata(const char* what, int process, int row, const std::string& name) {
    line(fmt::format(R"({{"name":"{}","ph":"M","pid":{},"tid":{},"args":{{"name":{}}}}})", what,
                     process, row, nlohmann::json(name).dump()));
  }

  void processes(const training::StageResult& stage, const StepTrace& trace) {
    for (std::size_t i = 0; i < trace.tracks.size(); ++i) {
      const StepTrace::Track& track = trace.tracks[i];
      const int process = first_process_ + static_cast<int>(i);
      metadata(
          "process_name", process, 0,
          fmt::format("{}: pipeline stage {}, {} GPU{}{}", stage.name, track.stage, track.gpus,
                      track.gpus == 1 ? "" : "s",
                      track.speed == 1 ? "" : fmt::format(" at {} of their speed", track.speed)));
      metadata("thread_name", process, Passes, "passes");
      metadata("thread_name", process, Kernels, "kernels");
      for (std::size_t d = 0; d < dimension_names.size(); ++d)
        metadata("thread_name", process, FirstDimension + static_cast<int>(d),
                 std::string(dimension_names[d]) + " communication");
    }
    metadata("process_name", first_process_ + static_cast<int>(trace.tracks.size()), 0,
             stage.name + ": links");
  }

  static std::pair<int, std::string_view> row_of(const StepTrace::Span& span) {
    switch (span.what) {
    case StepTrace::What::Pass:
      return {Passes, name_of_pass(span.pass)};
    case StepTrace::What::Kernel:
      return {Kernels, span.kernel.empty() ? name_of_pass(span.pass) : span.kernel};
    case StepTrace::What::Collective:
      return {FirstDimension + static_cast<int>(span.dimension),
              dimension_names[static_cast<std::size_t>(span.dimension)]};
    case StepTrace::What::Norm:
      return {Passes, "gradient norm"};
    case StepTrace::What::Optimizer:
      return {Passes, "optimizer"};
    case StepTrace::What::HostUpdate:
      return {Passes, "optimizer on the host"};
    case StepTrace::What::Synchronisation:
      return {Passes, "synchronisation"};
    case StepTrace::What::SlowestRank:
      return {Passes, "waiting for the slowest rank"};
    }
    return {Passes, ""};
  }

  void event(const StepTrace::Span& span) {
    const auto [row, name] = row_of(span);
    std::string text = fmt::format(R"({{"name":"{}","ph":"X","pid":{},"tid":{},"ts":{},"dur":{})",
                                   name, first_process_ + static_cast<int>(span.track), row,
                                   number_text(microseconds(offset_ + span.begin)),
                                   number_text(microseconds(span.end - span.begin)));
    if (span.what == StepTrace::What::Pass)
      text +=
          fmt::format(R"(,"args":{{"micro_batch":{},"chunk":{}}})", span.micro_batch, span.chunk);
    if (span.what == StepTrace::What::Kernel)
      text += fmt::format(R"(,"args":{{"role":"{}"}})", name_of_role(span.role));
    line(text + "}");
  }

  // Of each kind of link, the fullest trunk in each interval, in percent of its capacity.
  void links(const StepTrace& trace, Seconds end) {
    if (end <= Seconds{})
      return;
    const Seconds width = end / intervals;
    std::map<std::uint32_t, std::vector<double>> moved; // bytes, by trunk and interval
    for (const StepTrace::Traffic& traffic : trace.traffic)
      spread(traffic, width, moved[traffic.trunk]);
    std::array<std::vector<double>, topology::link_kinds> fullest;
    for (const auto& [trunk, bytes] : moved) {
      const StepTrace::TrunkCapacity& capacity = trace.trunks[trunk];
      std::vector<double>& of_kind = fullest[static_cast<std::size_t>(capacity.kind)];
      of_kind.resize(intervals);
      for (int i = 0; i < intervals; ++i)
        of_kind[static_cast<std::size_t>(i)] =
            std::max(of_kind[static_cast<std::size_t>(i)],
                     100 * (bytes[static_cast<std::size_t>(i)] * byte / width / capacity.capacity));
    }
    const int process = first_process_ + static_cast<int>(trace.tracks.size());
    for (std::size_t kind = 0; kind < fullest.size(); ++kind)
      for (std::size_t i = 0; i < fullest[kind].size(); ++i)
        line(fmt::format(
            R"({{"name":"fullest {}","ph":"C","pid":{},"ts":{},"args":{{"percent":{}}}}})",
            link_names[kind], process, number_text(microseconds(offset_ + double(i) * width)),
            number_text(fullest[kind][i])));
  }

  static void spread(const StepTrace::Traffic& traffic, Seconds width, std::vector<double>& moved) {
    moved.resize(intervals);
    const double begin = traffic.begin / width, end = traffic.end / width;
    const auto first = std::min(intervals - 1, static_cast<int>(begin));
    const auto last = std::min(intervals - 1, static_cast<int>(end));
    for (int i = first; i <= last; ++i) {
      const double share =
          end > begin ? (std::min(end, i + 1.0) - std::max(begin, double(i))) / (end - begin)
                      : 1.0 / (last - first + 1);
      moved[static_cast<std::size_t>(i)] += std::max(0.0, share) * (traffic.bytes / byte);
    }
  }

  std::string& out_;
  bool first_ = true;
  int first_process_ = 1;
  Seconds offset_{};
};

} // namespace

namespace {

std::string_view name_of_phase(reliability::Phase phase) {
  switch (phase) {
  case reliability::Phase::Working:
    return "work";
  case reliability::Phase::Saving:
    return "checkpoint";
  case reliability::Phase::Detecting:
    return "detection";
  case reliability::Phase::Waiting:
    return "waiting for nodes";
  case reliability::Phase::Restarting:
    return "restart";
  case reliability::Phase::Maintaining:
    return "maintenance";
  }
  return "";
}

std::string span_text(const training::StageResult& stage, const reliability::JobSpan& span,
                      RunTime offset, int row) {
  std::string arguments;
  if (span.checkpoints > 0)
    arguments = fmt::format(R"("checkpoints":{})", span.checkpoints);
  if (span.cause)
    arguments = fmt::format(R"("cause":{})",
                            nlohmann::json(stage.failures.causes[*span.cause].name).dump());
  constexpr double microsecond = 1e3; // in nanoseconds
  return fmt::format(R"({{"name":"{}","ph":"X","pid":1,"tid":{},"ts":{},"dur":{},"args":{{{}}}}})",
                     name_of_phase(span.phase), row,
                     number_text(double((offset + span.begin).nanoseconds) / microsecond),
                     number_text(double((span.end - span.begin).nanoseconds) / microsecond),
                     arguments);
}

} // namespace

std::string write_timeline(const Result& result) {
  std::string out = R"({"displayTimeUnit":"ms","traceEvents":[)"
                    "\n"
                    R"({"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"run"}})";
  RunTime offset{};
  int row = 0;
  for (const training::StageResult& stage : result.run.stages) {
    out += ",\n" +
           fmt::format(R"({{"name":"thread_name","ph":"M","pid":1,"tid":{},"args":{{"name":{}}}}})",
                       ++row, nlohmann::json(stage.name).dump());
    for (const reliability::JobSpan& span : stage.timeline)
      out += ",\n" + span_text(stage, span, offset, row);
    offset += stage.wall;
  }
  return out + "\n]}\n";
}

std::string write_trace(const Result& result) {
  std::string out = R"({"displayTimeUnit":"ms","traceEvents":[)";
  Writer writer(out);
  for (const training::StageResult& stage : result.run.stages)
    if (stage.trace)
      writer.step(stage);
  return out + "\n]}\n";
}

} // namespace sim::report
