// SPDX-License-Identifier: Apache-2.0
#include "sim/report/text_table.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sim::report {

namespace {

constexpr std::size_t gap = 2, indent_of_tables = 2;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// At most `width` characters; '~' marks a cut.
std::string cut(const std::string& text, std::size_t width) {
  if (display_width(text) <= width)
    return text;
  std::string kept;
  std::size_t count = 0;
  for (const char c : text) {
    if (begins_character(c) && ++count >= width)
      break;
    kept += c;
  }
  return kept + "~";
}

} // namespace

TextTable::TextTable(std::vector<std::string> heads, std::size_t left_columns)
    : left_columns_(left_columns) {
  rows_.push_back(std::move(heads));
}

void TextTable::add(std::vector<std::string> cells) {
  SIM_ASSERT(cells.size() == rows_.front().size());
  rows_.push_back(std::move(cells));
}

void TextTable::rule() { rows_.emplace_back(); }

std::string TextTable::text() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  const auto total = [&] {
    return std::accumulate(widths.begin(), widths.end(),
                           indent_of_tables + gap * (widths.size() - 1));
  };
  if (const std::size_t wide = total(); wide > page_width && left_columns_ > 0) {
    const auto left_end = widths.begin() + static_cast<std::ptrdiff_t>(left_columns_);
    auto widest = std::max_element(widths.begin(), left_end);
    constexpr std::size_t least = 8;
    *widest = std::max(least, *widest - std::min(*widest, wide - page_width));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent_of_tables, ' ');
    if (row.empty())
      line += std::string(total() - indent_of_tables, '-');
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = i < left_columns_ ? cut(row[i], widths[i]) : row[i];
      const std::string blanks(widths[i] - display_width(cell), ' ');
      line += (i == 0 ? "" : std::string(gap, ' ')) +
              (i < left_columns_ ? cell + blanks : blanks + cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string wrapped(const std::string& text, std::size_t indent) {
  std::string out, line;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find(' ', begin);
    if (end == begin && !line.empty()) { // a run of blanks is kept only at the start
      ++begin;
      continue;
    }
    if (end == begin)
      end = std::min(text.find_first_not_of(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const bool leading = word.find_first_not_of(' ') == std::string::npos;
    if (!line.empty() && line.back() != ' ' &&
        display_width(line) + 1 + display_width(word) > page_width) {
      out += line + "\n";
      line = std::string(indent, ' ');
    }
    line += (line.empty() || line.back() == ' ' ? "" : " ") + word;
    begin = end == std::string::npos ? text.size() : end + (leading ? 0 : 1);
  }
  return out + line + "\n";
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string out;
  for (const std::string& part : parts)
    out += (out.empty() ? "" : separator) + part;
  return out;
}

std::string with_commas(double value, int decimals) {
  std::string digits = fmt::format("{:.{}f}", std::fabs(value), decimals);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  for (std::size_t at = point; at > 3; at -= 3)
    digits.insert(at - 3, ",");
  const bool zero = digits.find_first_not_of("0.,") == std::string::npos;
  return (value < 0 && !zero ? "-" : "") + digits;
}

std::string engineering(double value) {
  if (std::fabs(value) < 1e6)
    return with_commas(value, std::floor(value) == value ? 0 : 1);
  int exponent = 0;
  while (std::fabs(value) >= 999.95) {
    value /= 1000;
    exponent += 3;
  }
  return fmt::format("{:.4g}e{}", value, exponent);
}

std::string dollars(double value) {
  const std::string amount = with_commas(std::fabs(value), std::fabs(value) < 1000 ? 2 : 0);
  return (value < 0 ? "-$" : "$") + amount;
}

std::string significant(double value) {
  const double size = std::fabs(value);
  if (size >= 1e9)
    return engineering(value);
  if (size == 0)
    return "0";
  if (size < 0.001)
    return fmt::format("{:.3g}", value);
  int decimals = 0;
  for (double limit = 1000; decimals < 6 && size < limit; limit /= 10)
    ++decimals;
  std::string text = with_commas(value, decimals);
  if (decimals > 0 && std::floor(value) == value)
    text = with_commas(value, 0);
  return text;
}

std::string percent(double value, int decimals) { return with_commas(value, decimals) + " %"; }

} // namespace sim::report
