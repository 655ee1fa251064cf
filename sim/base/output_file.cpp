// SPDX-License-Identifier: Apache-2.0
#include "sim/base/output_file.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace sim {
inline namespace base {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
  throw FileError("cannot " + what + " '" + path + "': " + std::generic_category().message(error));
}

// An open file descriptor, closed at the latest with its scope.
class Descriptor {
public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }
  int close() {
    return ::close(std::exchange(number_, -1));
  } // some systems report a full disk only here

private:
  int number_;
};

// The errno of what went wrong, or 0.
int write_all(int descriptor, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t written = ::write(descriptor, contents.data(), contents.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return written == 0 ? EIO : errno;
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// The process and a count make the name unique among all that write the same path at once.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

// A rename would replace a terminal or a pipe by a file; these are written in place.
void write_in_place(const std::string& path, std::string_view contents) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0)
    fail("write", path, errno);
  if (const int error = write_all(file.get(), contents); error != 0)
    fail("write", path, error);
}

} // namespace

void write_file(const std::string& path, std::string_view contents) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      fail("write", path, EISDIR);
    if (!S_ISREG(status.st_mode))
      return write_in_place(path, contents);
  }
  const std::string temporary = temporary_name(path);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0)
    fail("write", path, errno);
  int error = write_all(file.get(), contents);
  if (error == 0 && ::fsync(file.get()) != 0)
    error = errno;
  if (file.close() != 0 && error == 0)
    error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0)
    error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    fail("write", path, error);
  }
}

std::string read_file(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    fail("read", path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0)
    fail("read", path, errno);
  if (S_ISDIR(status.st_mode))
    fail("read", path, EISDIR);
  std::string contents;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      fail("read", path, errno);
    if (count == 0)
      return contents;
    contents.append(buffer, static_cast<std::size_t>(count));
  }
}

} // namespace base
} // namespace sim
