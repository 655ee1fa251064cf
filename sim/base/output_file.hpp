// SPDX-License-Identifier: Apache-2.0
// Writing results so that a reader sees the old file or the whole new one, never a part.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sim {
inline namespace base {

// A file could not be read or written; the message names the path and the system's reason.
class FileError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Writes to a temporary neighbour, then renames it over `path`. Throws FileError; leaves no
// temporary behind.
void write_file(const std::string& path, std::string_view contents);

// Reads a whole file. Throws FileError (a directory and an unreadable file are told apart in the
// message).
std::string read_file(const std::string& path);

} // namespace base
} // namespace sim
