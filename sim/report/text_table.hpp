// SPDX-License-Identifier: Apache-2.0
// Text for people: aligned columns and wrapped lines within page_width, numbers as people write
// them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sim::report {

inline constexpr std::size_t page_width = 100;

// Columns two blanks apart: the first to the left, the others to the right. A table that would be
// too wide cuts its widest left-aligned column.
class TextTable {
public:
  explicit TextTable(std::vector<std::string> heads, std::size_t left_columns = 1);
  void add(std::vector<std::string> cells); // as many as heads
  void rule();                              // a line of dashes
  // Every line indented by two blanks and ended by a line feed.
  [[nodiscard]] std::string text() const;

private:
  std::vector<std::vector<std::string>> rows_; // an empty row is a rule
  std::size_t left_columns_;
};

// Characters as a terminal counts them (UTF-8 sequences are one each).
std::size_t display_width(const std::string& text);

// Breaks at blanks; lines after the first are indented by `indent`. Ends with a line feed.
std::string wrapped(const std::string& text, std::size_t indent);

std::string joined(const std::vector<std::string>& parts, const std::string& separator);

std::string with_commas(double value, int decimals = 0); // 2,664,000
std::string engineering(double value);                   // 14.8e12, 671e9, 512
std::string dollars(double value);                       // $5,576,000; $12.34
std::string significant(double value);                   // about four digits: 19.93, 0.1235, 1,300
std::string percent(double value, int decimals = 1);     // of a number in percent: 38.9 %

} // namespace sim::report
