// SPDX-License-Identifier: Apache-2.0
// A small scenario to vary, and the diagnostics that a variation gets.
#pragma once

#include "sim/base/output_file.hpp"
#include "sim/scenario/load.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace sim::scenario {

// Lines of a scenario that loads; line numbers count from 1.
inline std::vector<std::string> lines() {
  return {"name: Test",                                                 // 1
          "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft}", // 2
          "model: deepseek-v3",                                         // 3
          "stack: deepseek-v3",                                         // 4
          "stages:",                                                    // 5
          "  - name: pre-training",                                     // 6
          "    kind: pretraining",                                      // 7
          "    tokens: 1e12",                                           // 8
          "    sequence_length: 4096",                                  // 9
          "    batch: 1024",                                            // 10
          "price: {rental: 2 USD/GPU-hour}"};                           // 11
}

inline std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    text += part + "\n";
  return text;
}

// The scenario with some lines replaced (by number) or, beyond the last, added.
inline std::string with(const std::vector<std::pair<std::size_t, std::string>>& changes) {
  std::vector<std::string> text = lines();
  for (const auto& [number, line] : changes) {
    if (number > text.size())
      text.resize(number);
    text[number - 1] = line;
  }
  return joined(text);
}

inline std::vector<Diagnostic> errors_of(const std::string& text, const LoadOptions& options = {}) {
  try {
    load_text(text, "t.yaml", options);
  } catch (const ScenarioError& error) {
    return error.diagnostics();
  }
  return {};
}

// "line:column message; remedy" of each diagnostic, with the file where it is not t.yaml.
inline std::vector<std::string> messages(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> found;
  for (const Diagnostic& d : diagnostics)
    found.push_back((d.location.file == "t.yaml" ? "" : d.location.file + ":") +
                    std::to_string(d.location.line) + ":" + std::to_string(d.location.column) +
                    " " + d.message + "; " + d.remedy);
  return found;
}

// The one message that a text gets.
inline std::string message_of(const std::string& text, const LoadOptions& options = {}) {
  const std::vector<std::string> found = messages(errors_of(text, options));
  std::string all;
  for (const std::string& message : found)
    all += (all.empty() ? "" : "\n") + message;
  return all;
}

// A directory of its own, gone at the end.
class Folder {
public:
  Folder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("trainfare-scenario-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  // Writes a file, and its folders; gives its path.
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    write_file(file.string(), text);
    return file.string();
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }

private:
  std::filesystem::path path_;
};

} // namespace sim::scenario
