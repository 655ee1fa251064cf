// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

using namespace sim;

namespace {

template <class Q> bool reads_as(const std::string& text, Q expected) {
  const QuantityText read = parse_quantity(text);
  INFO(text << ": " << read.problem);
  CHECK(read.problem.empty());
  return read.parsed && read.parsed->dimension == Q::dimension &&
         std::fabs(read.parsed->value / expected.base() - 1) < 1e-15;
}

} // namespace

TEST_CASE("quantities read in every unit of the grammar") {
  CHECK(reads_as("400 GB/s", 400e9 * (byte / second)));
  CHECK(reads_as("400Gb/s", 50e9 * (byte / second)));
  CHECK(reads_as("80 GiB", 80.0 * 1024 * 1024 * 1024 * byte));
  CHECK(reads_as("80\t GB", 80e9 * byte));
  CHECK(reads_as("1 KiB", 1024 * byte));
  CHECK(reads_as("1 MiB", 1048576 * byte));
  CHECK(reads_as("1 TiB", 1099511627776.0 * byte));
  CHECK(reads_as("1 PiB", 1125899906842624.0 * byte));
  CHECK(reads_as("8 kb", 1000 * byte));
  CHECK(reads_as("8 Mb", 1e6 * byte));
  CHECK(reads_as("8 Tb", 1e12 * byte));
  CHECK(reads_as("15 min", 900 * second));
  CHECK(reads_as("1.5 h", 5400 * second));
  CHECK(reads_as("2 day", 172800 * second));
  CHECK(reads_as("5 ns", 5e-9 * second));
  CHECK(reads_as("5 us", 5e-6 * second));
  CHECK(reads_as("5 ms", 5e-3 * second));
  CHECK(reads_as("2 USD/GPU-hour", 2.0 / 3600 * (dollar / gpu_second)));
  CHECK(reads_as("700 W", 700 * watt));
  CHECK(reads_as("10.2 kW", 10200 * watt));
  CHECK(reads_as("989.5 TFLOP/s", 989.5e12 * (flop / second)));
  CHECK(reads_as("3.8e25 FLOP", 3.8e25 * flop));
  CHECK(reads_as("2664e3 GPU-hour", 2664e3 * 3600 * gpu_second));
  CHECK(reads_as("1.97e-5 failures/GPU-hour", 1.97e-5 / 3600 / gpu_second));
  CHECK(reads_as("0.07 USD/kWh", 0.07 / 3.6e6 * (dollar / joule)));
  CHECK(reads_as("400 g/kWh", 0.4 / 3.6e6 * (kilogram / joule)));
  CHECK(reads_as("814 mm2", 814e-6 * SquareMetres::from_base(1)));
  CHECK(reads_as("3 t", 3000 * kilogram));
  CHECK(reads_as("+1E2 J", 100 * joule));
  CHECK(reads_as("-5 s", -5 * second));
}

TEST_CASE("a quantity equals the same product written in code") {
  CHECK(parse_quantity("5 us").parsed->value == (5 * microsecond).base());
  CHECK(parse_quantity("2 USD/GPU-hour").parsed->value == (2 * dollar_per_gpu_hour).base());
  CHECK(parse_quantity("3.35 TB/s").parsed->value == (3.35 * terabyte / second).base());
}

TEST_CASE("what is not a quantity is refused with a reason") {
  const auto problem = [](const char* text) {
    const QuantityText read = parse_quantity(text);
    CHECK_FALSE(read.parsed);
    return read.problem;
  };
  CHECK(problem("400") == "the unit is missing");
  CHECK(problem("400 ") == "the unit is missing");
  CHECK(problem("1e400 B") == "the number is out of range");
  CHECK(problem("1e-400 B") == "the number is out of range");
  CHECK(problem("1e300 PB") == "the number is out of range");
  CHECK(problem("1e-320 ns") == "the number is out of range");
  CHECK(problem("5 GBps") == "unknown unit 'GBps'; did you mean 'GB/s'?");
  CHECK(problem("5 TFLOPS") == "unknown unit 'TFLOPS'; did you mean 'TFLOP/s'?");
  CHECK(problem("5 gb/S") == "unknown unit 'gb/S'; did you mean 'GB/s'?");
  CHECK(problem("5 parsec") == "unknown unit 'parsec'");
  CHECK(problem("5 GPU-hours") == "unknown unit 'GPU-hours'; did you mean 'GPU-hour'?");
  for (const char* text : {"", " ", "GB", "GB/s 4", "010 B", ".5 s", "5. s", "inf s", "nan s", "-",
                           "--5 s", "five s", " 5 s", "٣ s"})
    CHECK(problem(text).find("does not begin with a number") != std::string::npos);
  for (const char* text : {"5 GB/", "0x10 B", "5 /s", "5 GB/s/s", "5 GB*s", "1_000 B", "5 s ",
                           "5 GB /s", "5,000 B", "1e3.5 B", "5 //"})
    CHECK(problem(text).find("unknown unit") != std::string::npos);
}

TEST_CASE("numbers read as JSON writes them") {
  CHECK(parse_number("0") == 0.0);
  CHECK(parse_number("-0") == 0.0);
  CHECK(parse_number("+1.5e3") == 1500.0);
  CHECK(parse_number("14.8e12") == 14.8e12);
  CHECK(parse_number("0.1") == 0.1);
  CHECK(parse_number("1.7976931348623157e308") == std::numeric_limits<double>::max());
  for (const char* text :
       {"",    "+",  "-",  "010", "00",  "1_000", "1e400", "-1e400", "1e-400", "0x10", "1e",
        "1e+", ".5", "1.", "inf", "nan", "1 ",    " 1",    "1,5",    "1f",     "1.5.2"})
    CHECK_FALSE(parse_number(text));
}

TEST_CASE("quantities print in the unit that people use") {
  CHECK(to_text(400 * gigabyte / second) == "400 GB/s");
  CHECK(to_text(3.35 * terabyte / second) == "3.35 TB/s");
  CHECK(to_text(80 * gibibyte) == "80 GiB");
  CHECK(to_text(80 * gigabyte) == "80 GB");
  CHECK(to_text(5 * microsecond) == "5 us");
  CHECK(to_text(100 * second) == "100 s");
  CHECK(to_text(15 * minute) == "15 min");
  CHECK(to_text(day) == "1 day");
  CHECK(to_text(Seconds{}) == "0 s");
  CHECK(to_text(-2 * hour) == "-2 h");
  CHECK(to_text(2 * dollar_per_gpu_hour) == "2 USD/GPU-hour");
  CHECK(to_text(989.5 * teraflop / second) == "989.5 TFLOP/s");
  CHECK(to_text(700 * watt) == "700 W");
  CHECK(to_text(1.97e-5 / gpu_hour) == "1.97e-05 failures/GPU-hour");
  CHECK(to_text(2664e3 * gpu_hour) == "2664000 GPU-hour");
  CHECK(to_text(0.07 * dollar / kilowatt_hour) == "0.07 USD/kWh");
  CHECK(to_text(12.5 * flop / byte) == "12.5 FLOP/B");
  CHECK(to_text(1234.5, Dimension{}) == "1234.5");
  CHECK(example_unit(BytesPerSecond::dimension) == "GB/s");
  CHECK(example_unit(Dimension{.mass = 1, .area = -1}) ==
        "kg/m2"); // no customary unit: any that fits
}

TEST_CASE("what is printed reads back as the identical number") {
  const Dimension dimensions[] = {Seconds::dimension,
                                  Bytes::dimension,
                                  BytesPerSecond::dimension,
                                  Flops::dimension,
                                  FlopsPerSecond::dimension,
                                  FlopsPerByte::dimension,
                                  Joules::dimension,
                                  Watts::dimension,
                                  Dollars::dimension,
                                  GpuSeconds::dimension,
                                  DollarsPerGpuSecond::dimension,
                                  PerGpuSecond::dimension,
                                  PerSecond::dimension,
                                  DollarsPerJoule::dimension,
                                  KilogramsPerJoule::dimension,
                                  Kilograms::dimension,
                                  SquareMetres::dimension,
                                  Dimension{.time = -1, .mass = 1}};
  RandomStream draws(1, "round trip");
  for (int i = 0; i < 20000; ++i) {
    const Dimension dimension = dimensions[draws.below(std::size(dimensions))];
    const double value = (draws.uniform() - 0.5) * portable_exp(draws.normal() * 25);
    const std::string text = to_text(value, dimension);
    const QuantityText read = parse_quantity(text);
    INFO(text);
    REQUIRE(read.parsed);
    REQUIRE(read.parsed->value == value);
    REQUIRE(read.parsed->dimension == dimension);
  }
}

TEST_CASE("the text of a number reads back as the identical number") {
  RandomStream draws(1, "number");
  for (int i = 0; i < 20000; ++i) {
    const double value = (draws.uniform() - 0.5) * portable_exp(draws.normal() * 100);
    REQUIRE(parse_number(number_text(value)) == value);
  }
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(-0.0) == "0");
}
