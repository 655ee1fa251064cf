// SPDX-License-Identifier: Apache-2.0
#include "sim/study/journal.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/hash.hpp"
#include "sim/base/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sim::study {

namespace {

const std::string header = "trainfare sweep journal 1\n";

std::string checksum(const std::string& key, const std::string& row) {
  return std::to_string(fnv1a(row, fnv1a(key)));
}

std::string line_of(const std::string& key, const std::string& row) {
  return key + " " + checksum(key, row) + " " + row + "\n";
}

} // namespace

Journal::Journal(std::string path) : path_(std::move(path)) {
  if (path_.empty())
    return;
  std::string text;
  if (std::filesystem::exists(path_))
    text = read_file(path_);
  const std::string begin = text.substr(0, header.size());
  if (begin != header.substr(0, begin.size()))
    throw FileError(path_ + ": is not a sweep journal; choose another --out, or remove it");
  read(text);
  std::string whole = header;
  for (const auto& [key, row] : rows_)
    whole += line_of(key, row);
  if (whole.size() != text.size()) // new, or its end is torn
    write_file(path_, whole);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0)
    throw FileError(path_ + ": " + std::strerror(errno));
}

Journal::~Journal() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

// Keeps the rows before the first line that is not whole.
void Journal::read(const std::string& text) {
  std::size_t begin = header.size();
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos)
      return;
    const std::string line = text.substr(begin, end - begin);
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string::npos ? first : line.find(' ', first + 1);
    if (second == std::string::npos)
      return;
    const std::string key = line.substr(0, first), row = line.substr(second + 1);
    if (line.substr(first + 1, second - first - 1) != checksum(key, row))
      return;
    rows_.emplace(key, row);
    begin = end + 1;
  }
}

std::optional<std::string> Journal::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(key);
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

void Journal::append(const std::string& key, const std::string& row) {
  SIM_ASSERT(row.find('\n') == std::string::npos);
  SIM_ASSERT(key.find_first_of(" \n") == std::string::npos);
  const std::lock_guard lock(mutex_);
  if (!rows_.emplace(key, row).second || descriptor_ < 0)
    return;
  const std::string line = line_of(key, row);
  std::size_t written = 0;
  while (written < line.size()) {
    const ::ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      throw FileError(path_ + ": " + std::strerror(errno));
    written += static_cast<std::size_t>(count);
  }
}

} // namespace sim::study
