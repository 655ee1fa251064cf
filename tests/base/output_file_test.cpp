// SPDX-License-Identifier: Apache-2.0
#include "sim/base/output_file.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <unistd.h>

using namespace sim;
namespace fs = std::filesystem;

namespace {

class Folder {
public:
  Folder() : path_(fs::temp_directory_path() / ("trainfare-test-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] long entries() const {
    return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
  }

private:
  fs::path path_;
};

} // namespace

TEST_CASE("a written file reads back and leaves nothing beside it") {
  const Folder folder;
  const std::string long_text(1'000'000, 'x');
  for (const std::string& text :
       {std::string("one\n"), std::string(), std::string("a\0b", 3), long_text}) {
    write_file(folder.file("out"), text); // also over an older file
    CHECK(read_file(folder.file("out")) == text);
    CHECK(folder.entries() == 1);
  }
}

TEST_CASE("a failed write names path and reason, and keeps what was there") {
  const Folder folder;
  CHECK_THROWS_WITH(write_file(folder.file("no/such/out"), "x"),
                    Catch::Contains("no/such/out") && Catch::Contains("No such file or directory"));
  fs::create_directory(folder.file("folder"));
  CHECK_THROWS_WITH(write_file(folder.file("folder"), "x"), Catch::Contains("Is a directory"));
  CHECK_THROWS_AS(write_file("", "x"), FileError);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a full disk is an error, and a device stays a device") {
  if (fs::exists("/dev/full"))
    CHECK_THROWS_WITH(write_file("/dev/full", "x"), Catch::Contains("No space left on device"));
  write_file("/dev/null", "x");
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("what cannot be read is told apart") {
  const Folder folder;
  CHECK_THROWS_WITH(read_file(folder.file("absent")), Catch::Contains("No such file or directory"));
  CHECK_THROWS_WITH(read_file(folder.file("")), Catch::Contains("Is a directory"));
}
