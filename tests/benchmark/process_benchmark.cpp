// SPDX-License-Identifier: Apache-2.0
// Times whole processes: wall clock and peak memory of `trainfare run` on shipped scenarios,
// minimum and median of some runs. Argument: path of the program; working directory: the source
// tree.
#include <fmt/format.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <vector>

namespace {

struct Sample {
  double milliseconds = 0;
  double mebibytes = 0;
  int status = 0;
};

Sample time_once(const std::string& program, const std::vector<std::string>& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  Sample sample;
  rusage usage{};
  wait4(child, &sample.status, 0, &usage);
  const auto end = std::chrono::steady_clock::now();
  sample.milliseconds = std::chrono::duration<double, std::milli>(end - start).count();
  sample.mebibytes = static_cast<double>(usage.ru_maxrss) / 1024;
  return sample;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: trainfare_process_benchmark PROGRAM\n", stderr);
    return 2;
  }
  const std::vector<std::vector<std::string>> commands{
      {"--version"},
      {"run", "scenarios/minimal.yaml"},
      {"run", "scenarios/deepseek-v3.yaml"},
      {"run", "scenarios/deepseek-r1.yaml", "--input-draws", "0"},
      {"run", "scenarios/deepseek-r1.yaml"},
      {"run", "scenarios/llama-3.1-405b.yaml"},
      {"sweep", "scenarios/studies/r1-export-chips.yaml", "--out", "/tmp/trainfare-benchmark.csv",
       "--jobs", "2"}};
  fmt::print("{:<52} {:>9} {:>10} {:>10}\n", "command", "min ms", "median ms", "peak MiB");
  for (const auto& command : commands) {
    std::vector<Sample> samples;
    for (int run = 0; run < 11; ++run) {
      std::remove("/tmp/trainfare-benchmark.csv");
      std::remove("/tmp/trainfare-benchmark.csv.journal");
      samples.push_back(time_once(argv[1], command));
      if (samples.back().status != 0) {
        fmt::print(stderr, "{} ended with status {}\n", command.front(), samples.back().status);
        return 1;
      }
    }
    std::sort(samples.begin(), samples.end(),
              [](const Sample& a, const Sample& b) { return a.milliseconds < b.milliseconds; });
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, command.size()); ++i)
      text += command[i] + " ";
    fmt::print("{:<52} {:>9.1f} {:>10.1f} {:>10.1f}\n", text, samples.front().milliseconds,
               samples[samples.size() / 2].milliseconds, samples.front().mebibytes);
  }
}
