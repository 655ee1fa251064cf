// SPDX-License-Identifier: Apache-2.0
#include "sim/study/parallel.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace sim;

TEST_CASE("each task runs once, results stand by index, on any number of threads", "[threads]") {
  for (const int jobs : {0, 1, 2, 7}) {
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
      study::ParallelOptions options;
      options.jobs = jobs;
      std::size_t reported = 0;
      options.progress = [&](std::size_t done, std::size_t total) {
        CHECK(done == reported + 1);
        CHECK(total == count);
        reported = done;
      };
      std::atomic<int> runs{0};
      const std::vector<std::size_t> squares = study::parallel_map<std::size_t>(
          count,
          [&](std::size_t i) {
            ++runs;
            return i * i;
          },
          options);
      REQUIRE(squares.size() == count);
      CHECK(runs == static_cast<int>(count));
      CHECK(reported == count);
      for (std::size_t i = 0; i < count; ++i)
        CHECK(squares[i] == i * i);
    }
  }
}

TEST_CASE("as many threads as asked for, more than the machine has", "[threads]") {
  study::ParallelOptions options;
  options.jobs = 3;
  // Each task waits for the others: with fewer threads this would not end.
  std::atomic<int> here{0};
  CHECK(study::parallel_for(
      3,
      [&](std::size_t) {
        ++here;
        while (here < 3)
          std::this_thread::yield();
      },
      options));
}

TEST_CASE("of several failures the lowest is thrown, whatever the threads did", "[threads]") {
  for (const int jobs : {1, 2, 7})
    for (int round = 0; round < 50; ++round) {
      study::ParallelOptions options;
      options.jobs = jobs;
      try {
        study::parallel_for(
            100,
            [](std::size_t i) {
              if (i % 10 == 3)
                throw std::runtime_error("task " + std::to_string(i));
            },
            options);
        FAIL("no failure");
      } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()) == "task 3");
      }
    }
}

TEST_CASE("a stop lets running tasks end and starts no other", "[threads]") {
  for (const int jobs : {1, 2, 7}) {
    std::atomic<int> started{0}, ended{0};
    study::ParallelOptions options;
    options.jobs = jobs;
    options.stop = [&] { return started >= 10; };
    CHECK_FALSE(study::parallel_for(
        1000,
        [&](std::size_t) {
          ++started;
          ++ended;
        },
        options));
    CHECK(started == ended);
    CHECK(started >= 10);
    CHECK(started < 10 + jobs);
  }
}
