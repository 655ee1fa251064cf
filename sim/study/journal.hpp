// SPDX-License-Identifier: Apache-2.0
// What a sweep has finished, kept beside its output so that a killed sweep goes on. One line a row:
//
//   KEY CHECKSUM ROW
//
// with the key a hash of everything that the row depends on and the checksum over both. A line that
// was torn by a kill does not fit its checksum and is dropped, with what follows it, when the
// journal is opened again.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace sim::study {

class Journal {
public:
  // Empty path: nothing is kept. Throws FileError: unreadable, unwritable, or not a journal of
  // ours.
  explicit Journal(std::string path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  [[nodiscard]] std::optional<std::string> find(const std::string& key) const;
  // Requires: neither holds a line feed, the key no blank. On disk, kill or no kill, when it
  // returns. Throws FileError.
  void append(const std::string& key, const std::string& row);

private:
  void read(const std::string& text);

  std::string path_;
  int descriptor_ = -1;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> rows_;
};

} // namespace sim::study
