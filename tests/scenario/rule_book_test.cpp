// SPDX-License-Identifier: Apache-2.0
// The catalogue's rules and chips held against an independent table of chips and rules, and against
// what is known of dates.
#include "sim/scenario/rule_book.hpp"

#include "sim/base/time.hpp"
#include "sim/economics/export_judgement.hpp"
#include "tests/scenario/texts.hpp"

#include <algorithm>
#include <cmath>

namespace sim::scenario {
namespace {

using economics::ExportFigures;
using economics::Judgement;
using economics::LawStatus;
using economics::Verdict;

constexpr double giga = 1e9, square_millimetre = 1e-6;

ExportFigures figures(const std::string& chip) {
  return economics::export_figures(load_chip(chip, "").spec, chip);
}

const economics::RuleBook& book() {
  static const economics::RuleBook rules = load_rule_book("", {});
  return rules;
}

Date day(const std::string& text) { return *parse_date(text); }

Judgement asked(const std::string& chip, const std::string& date,
                const std::string& destination = "CN", const std::string& buyer = "") {
  economics::ExportQuestion question;
  question.date = day(date);
  question.destination = destination;
  question.buyer_headquarters = buyer;
  return economics::judge(book(), figures(chip), question);
}

LawStatus law(const std::string& chip, const std::string& date,
              const std::string& destination = "CN") {
  return asked(chip, date, destination).law;
}

// Of each chip: binding data type, TPP, die area (0: unknown), density, I/O, DRAM and their sum in
// GB/s; whether the rules of 2022-10, 3A090.a and .b of 2023-11, the letters of 2025-04, the rule
// of 2026-01 and the windows of the tariff cover it: Y, -, u (a die area is needed), n (not asked).
// From a survey that computed it apart from this program.
struct Row {
  const char* chip;
  const char* type;
  double tpp, die, density, io, dram, sum;
  const char* verdicts;
};
constexpr Row table[] = {
    {"v100-sxm2-32", "fp16", 2000, 815, 2.45, 332, 898, 1230, "----n-"},
    {"a100-sxm-40", "bf16", 4992, 826, 6.04, 664, 1555, 2219, "YY-YY-"},
    {"a100-sxm-80", "bf16", 4992, 826, 6.04, 664, 2039, 2703, "YY-YY-"},
    {"a100-pcie-40", "bf16", 4992, 826, 6.04, 664, 1555, 2219, "YY-YY-"},
    {"a100-pcie-80", "bf16", 4992, 826, 6.04, 664, 1935, 2599, "YY-YY-"},
    {"a800-sxm", "bf16", 4992, 826, 6.04, 464, 2039, 2503, "-Y-YY-"},
    {"a800-pcie-80", "bf16", 4992, 826, 6.04, 464, 1935, 2399, "-Y-YY-"},
    {"h100-sxm", "fp8", 15831, 814, 19.45, 1028, 3350, 4378, "YY-YY-"},
    {"h100-pcie", "fp8", 12104, 814, 14.87, 728, 2039, 2767, "YY-YY-"},
    {"h800-sxm", "fp8", 15831, 814, 19.45, 528, 3350, 3878, "-Y-YY-"},
    {"h800-pcie", "fp8", 12104, 814, 14.87, 528, 2039, 2567, "-Y-YY-"},
    {"h20-96", "bf16", 2368, 814, 2.91, 1028, 4000, 5028, "---Yn-"},
    {"h20-141", "bf16", 2368, 814, 2.91, 1028, 4800, 5828, "---Yn-"},
    {"h200-sxm", "bf16", 15832, 814, 19.45, 1028, 4800, 5828, "YY-YYY"},
    {"l20", "bf16", 1912, 609, 3.14, 64, 864, 928, "----n-"},
    {"l2", "bf16", 1544, 294.5, 5.24, 64, 300, 364, "----n-"},
    {"l40s", "fp8", 5864, 609, 9.63, 64, 864, 928, "-Y--Y-"},
    {"gh200-96", "bf16", 15832, 814, 19.45, 1028, 4000, 5028, "YY-YY-"},
    {"b100", "bf16", 28000, 1600, 17.50, 1928, 8000, 9928, "YY-Y--"},
    {"b200-sxm", "bf16", 36000, 1600, 22.50, 1928, 8000, 9928, "YY-Y--"},
    {"gb200", "bf16", 40000, 1600, 25.00, 2056, 8000, 10056, "YY-Y--"},
    {"b300-sxm", "fp4", 52500, 1600, 32.81, 2056, 8000, 10056, "YY-Y--"},
    {"gb300", "fp4", 61120, 1600, 38.20, 2056, 8000, 10056, "YY-Y--"},
    {"b30a", "fp4", 26240, 800, 32.80, 1156, 4000, 5156, "YY-Y--"},
    {"rtx-4090", "fp16", 5285, 609, 8.68, 64, 1008, 1072, "-Y--Y-"},
    {"rtx-4090d", "int4", 4708, 609, 7.73, 64, 1008, 1072, "----n-"},
    {"rtx-5090", "fp16", 6704, 750, 8.94, 128, 1792, 1920, "-Y-YY-"},
    {"rtx-5090d", "fp16", 4752, 750, 6.34, 128, 1792, 1920, "---Yn-"},
    {"rtx-5090d-v2", "fp16", 4752, 750, 6.34, 128, 1344, 1472, "----n-"},
    {"rtx-pro-6000d", "bf16", 2368, 750, 3.16, 128, 1398, 1526, "----n-"},
    {"mi250x", "bf16", 6128, 1448, 4.23, 864, 3277, 4141, "YY-YY-"},
    {"mi300x", "fp8", 20919, 2400, 8.72, 1024, 5300, 6324, "YY-YY-"},
    {"mi308x", "bf16", 3014, 1940, 1.55, 1024, 5300, 6324, "---Yn-"},
    {"mi325x", "fp8", 20919, 2400, 8.72, 1024, 6000, 7024, "YY-YYY"},
    {"mi355x", "fp8", 40264, 0, 0, 1203, 8000, 9203, "YY-Y--"},
    {"gaudi2", "fp8", 6920, 826, 8.38, 664, 2450, 3114, "YY-YY-"},
    {"gaudi3", "bf16", 29360, 0, 0, 1328, 3700, 5028, "YY-Y--"},
    {"tpu-v4", "bf16", 4400, 600, 7.33, 632, 1200, 1832, "-Y-YY-"},
    {"tpu-v5e", "bf16", 3152, 325, 9.70, 432, 819, 1251, "-Y--Y-"},
    {"tpu-v5p", "bf16", 7344, 0, 0, 1264, 2765, 4029, "YY-YY-"},
    {"tpu-v6e", "bf16", 14688, 0, 0, 864, 1640, 2504, "YY-YY-"},
    {"tpu-v7", "bf16", 36912, 0, 0, 1328, 7370, 8698, "YY-Y--"},
    {"trn2", "bf16", 10672, 0, 0, 1408, 2900, 4308, "YY-YY-"},
    {"ascend-910b1", "fp16", 6400, 665.6, 9.62, 520, 1600, 2120, "-Y-YY-"},
    {"ascend-910b4", "fp16", 4480, 665.6, 6.73, 520, 800, 1320, "-Y--Y-"},
    {"ascend-910c", "fp16", 12032, 1331, 9.04, 912, 3200, 4112, "YY-YY-"},
    {"ascend-950pr", "fp16", 6800, 0, 0, 2128, 1400, 3528, "YY-YY-"},
    {"mlu370-x8", "int8", 2048, 0, 0, 264, 614.4, 878.4, "-uu-n-"},
    {"mlu590", "fp16", 5024, 0, 0, 498, 2400, 2898, "-Y-YY-"},
    {"br100", "bf16", 16384, 1074, 15.26, 640, 1640, 2280, "YY-YY-"},
    {"br104", "bf16", 8192, 537, 15.26, 320, 820, 1140, "-Y--Y-"},
    {"mtt-s4000", "bf16", 1600, 0, 0, 368, 768, 1136, "-uu-n-"},
    {"hygon-k100-ai", "int8", 3136, 0, 0, 312, 896, 1208, "-uu-n-"},
};

char sign(Verdict v) { return v == Verdict::Yes ? 'Y' : v == Verdict::No ? '-' : 'u'; }

std::string verdicts(const ExportFigures& chip) {
  std::string text;
  const auto covers = [&](const char* rule) {
    return economics::holds(book().rules.at(rule).predicate, chip);
  };
  for (const char* rule :
       {"us-2022-10-3a090", "us-2023-11-3a090a", "us-2023-11-3a090b", "us-2025-04-letters"})
    text += sign(covers(rule));
  text += covers("us-2023-11-3a090a") == Verdict::Yes ? sign(covers("us-2026-01-review")) : 'n';
  return text + sign(covers("us-2026-01-tariff"));
}

TEST_CASE("every chip against every rule") {
  const Catalogue catalogue;
  CHECK(catalogue.names("accelerators").size() == std::size(table));
  for (const Row& row : table) {
    INFO(row.chip);
    const ExportFigures chip = figures(row.chip);
    CHECK(std::any_of(chip.binding.begin(), chip.binding.end(),
                      [&](economics::DataType type) { return name_of(type) == row.type; }));
    CHECK(std::round(chip.tpp) == row.tpp);
    if (row.die > 0) {
      CHECK(chip.die_area->base() / square_millimetre == Approx(row.die));
      CHECK(std::abs(*chip.performance_density - row.density) < 0.0051);
    } else {
      CHECK_FALSE(chip.die_area);
      CHECK_FALSE(chip.performance_density);
    }
    CHECK(chip.io_bandwidth.base() / giga == Approx(row.io));
    CHECK(chip.dram_bandwidth.base() / giga == Approx(row.dram));
    CHECK((chip.io_bandwidth + chip.dram_bandwidth).base() / giga == Approx(row.sum));
    CHECK(verdicts(chip) == row.verdicts);
  }
}

TEST_CASE("what is known of dates") {
  constexpr auto free = LawStatus::NoLicenceFound, licence = LawStatus::LicenceCaseByCase,
                 denied = LawStatus::PresumptionOfDenial;
  for (const char* chip : {"h800-sxm", "a800-sxm", "h800-pcie", "a800-pcie-80"}) {
    INFO(chip);
    CHECK(law(chip, "2023-06-01") == free);
    CHECK(law(chip, "2023-12-01") == denied);
    CHECK(law(chip, "2026-02-01") == denied); // not sold in the US
  }
  CHECK(law("h20-96", "2024-06-01") == free);
  CHECK(law("h20-96", "2025-05-01") == licence);
  CHECK(law("rtx-4090", "2023-11-16") == free);
  CHECK(law("rtx-4090", "2023-11-17") == LawStatus::ExceptionNotify); // NAC
  CHECK(law("rtx-4090", "2026-03-01") == LawStatus::ExceptionNotify); // still
  CHECK(law("rtx-5090", "2026-03-01") == licence);                    // 1792 GB/s
  CHECK(law("h200-sxm", "2025-12-01") == denied);
  CHECK(law("h200-sxm", "2026-02-01") == licence);
  for (const char* chip : {"a100-sxm-80", "h100-sxm"}) {
    CHECK(law(chip, "2022-08-25") == free);
    CHECK(law(chip, "2022-08-26") == denied);
    CHECK(law(chip, "2022-10-10") == denied); // between letters and rule
    CHECK(law(chip, "2022-11-15") == denied);
  }
  CHECK(law("b200-sxm", "2026-02-01") == denied);
  CHECK(law("gb200", "2025-01-01") == denied);
}

// First and last day on which buying for China needed nothing; empty: there is none, or it lasts.
struct Window {
  const char *chip, *first, *last;
};

TEST_CASE("windows in which China could buy without a licence") {
  const Window windows[] = {{"v100-sxm2-32", "2018-03-27", ""},
                            {"a100-sxm-40", "2020-05-14", "2022-08-25"},
                            {"a100-sxm-80", "2020-11-16", "2022-08-25"},
                            {"a800-sxm", "2022-11-08", "2023-10-22"},
                            {"h800-sxm", "2023-03-21", "2023-10-22"},
                            {"l40s", "2023-08-08", "2023-10-22"},
                            {"rtx-4090", "2022-10-12", "2023-11-16"},
                            {"rtx-4090d", "2023-12-28", ""},
                            {"h20-96", "2024-02-01", "2025-04-08"},
                            {"h20-141", "2025-03-01", "2025-04-08"},
                            {"l20", "2024-01-01", ""},
                            {"l2", "2024-01-01", ""},
                            {"rtx-5090d", "2025-01-30", "2025-04-08"},
                            {"rtx-5090d-v2", "2025-08-12", ""},
                            {"rtx-pro-6000d", "2025-07-15", ""},
                            {"mi308x", "2024-01-01", "2025-04-08"}};
  for (const Window& window : windows) {
    INFO(window.chip);
    CHECK(law(window.chip, window.first) == LawStatus::NoLicenceFound);
    if (*window.last == '\0') {
      CHECK(law(window.chip, "2026-05-31") == LawStatus::NoLicenceFound);
      continue;
    }
    CHECK(law(window.chip, window.last) == LawStatus::NoLicenceFound);
    const Date next = add(day(window.last), {86'400'000'000'000});
    CHECK(law(window.chip, to_text(next)) > LawStatus::NoLicenceFound);
  }
  for (const char* never : {"h100-sxm", "h200-sxm", "b200-sxm", "mi325x"})
    for (const char* date : {"2023-01-01", "2024-06-01", "2025-06-01", "2026-03-01"})
      if (!(figures(never).launched > day(date))) {
        INFO(never << " " << date);
        CHECK(law(never, date) > LawStatus::NoLicenceFound);
      }
}

TEST_CASE("law and practice stand apart; nothing is known beyond the newest rule") {
  const Judgement h20 = asked("h20-96", "2025-09-01");
  CHECK(h20.law == LawStatus::LicenceCaseByCase);
  CHECK(h20.rule == "us-2025-04-letters");
  REQUIRE(h20.in_practice.size() == 1);
  CHECK(h20.in_practice[0].id == "us-2025-08-revenue-share");
  REQUIRE(h20.surcharge);
  CHECK(*h20.surcharge == Approx(0.15));
  REQUIRE(h20.buyer_side.size() == 1);
  const Judgement h200 = asked("h200-sxm", "2026-03-01");
  REQUIRE(h200.surcharge);
  CHECK(*h200.surcharge == Approx(0.25));
  CHECK(h200.rule == "us-2026-01-review");
  CHECK(h200.buyer_side.size() == 2);
  const Judgement h100 =
      asked("h100-sxm", "2026-03-01"); // eligible, outside of the tariff's windows
  CHECK(h100.law == LawStatus::LicenceCaseByCase);
  CHECK(h100.surcharge == 0);
  CHECK(law("h20-96", "2026-05-31") == LawStatus::LicenceCaseByCase);
  CHECK(law("h20-96", "2026-06-01") == LawStatus::Unknown);
  // So is what would be due beside the price.
  CHECK(asked("h20-96", "2026-05-31").surcharge.has_value());
  CHECK_FALSE(asked("h20-96", "2026-06-01").surcharge.has_value());
  CHECK(asked("h20-96", "2026-06-01").after_newest_rule);
  CHECK(law("l20", "2027-01-01") == LawStatus::Unknown);
  // Before the book begins nothing is found, and that it begins later is told.
  CHECK(law("a100-sxm-80", "2022-08-25") == LawStatus::NoLicenceFound);
  CHECK(
      asked("a100-sxm-80", "2022-08-25").why.find("the oldest rule of the book is of 2022-08-26") ==
      0);
  CHECK(asked("a100-sxm-80", "2022-08-26").why.empty());
}

TEST_CASE("outside of China: places, and headquarters anywhere") {
  CHECK(law("h100-sxm", "2024-06-01", "AE") == LawStatus::LicenceCaseByCase); // D:4
  CHECK(law("h100-sxm", "2024-06-01", "DE") == LawStatus::NoLicenceFound);
  CHECK(law("h100-sxm", "2024-06-01", "SG") == LawStatus::NoLicenceFound);
  CHECK(law("h100-sxm", "2024-06-01", "IL") == LawStatus::NoLicenceFound); // D:4 and A:6
  CHECK(asked("h100-sxm", "2024-06-01", "SG", "CN").law == LawStatus::PresumptionOfDenial);
  CHECK(asked("h20-96", "2025-06-01", "SG", "CN").law == LawStatus::LicenceCaseByCase);
  CHECK(law("h20-96", "2025-06-01", "SG") == LawStatus::NoLicenceFound);
  CHECK(law("a100-sxm-80", "2022-09-15", "RU") == LawStatus::PresumptionOfDenial);
  // Case by case since 2026-01-15 only where goods go to China itself.
  CHECK(asked("h200-sxm", "2026-03-01", "SG", "CN").law == LawStatus::PresumptionOfDenial);
}

TEST_CASE("the AI Diffusion caps, had they come into force") {
  const economics::RuleBook assumed = load_rule_book("", {"us-2025-ai-diffusion"});
  economics::ExportQuestion question;
  question.date = day("2025-06-01");
  question.destination = "IN";
  const auto judged = [&](const std::string& chip) {
    return economics::judge(assumed, figures(chip), question);
  };
  const Judgement h100 = judged("h100-sxm");
  REQUIRE(h100.caps.size() == 4);
  CHECK(h100.caps[0].cap_tpp == 790e6);
  CHECK(h100.caps[0].chips == 49901);
  CHECK(h100.caps[2].chips == 1699);
  CHECK(judged("b200-sxm").caps[0].chips == 21944);
  CHECK(judged("b200-sxm").caps[2].chips == 747);
  for (const economics::CapFinding& cap : judged("h20-96").caps)
    CHECK_FALSE(cap.counts);
  CHECK(judged("h20-96").law == LawStatus::NoLicenceFound);
  CHECK(h100.law == LawStatus::LicenceCaseByCase);
  question.destination = "DE";
  CHECK(judged("h100-sxm").law == LawStatus::NoLicenceFound);
  CHECK(judged("h100-sxm").caps.empty());
  question.destination = "CN";
  CHECK(judged("h100-sxm").caps.empty());
  // As it was, it never held.
  CHECK(law("h100-sxm", "2025-06-01", "IN") == LawStatus::NoLicenceFound);
  CHECK_THROWS_AS(load_rule_book("", {"us-2025-ai-difusion"}), ScenarioError);
}

TEST_CASE("each rule says where it stands, and only weak entries rest on assumptions") {
  for (const auto& [id, rule] : book().rules) {
    INFO(id);
    CHECK(rule.from >= Date{2022, 8, 26});
    CHECK(rule.from <= Date{2026, 5, 31});
    CHECK(rule.source.size() > 10);
    CHECK(rule.summary.size() > 10);
    for (const std::string& replaced : rule.replaces)
      CHECK(book().rules.contains(replaced));
  }
  CHECK(economics::newest_rule(book()) == Date{2026, 5, 31});
  CHECK(load_chip("h800-sxm", "").uncertain.empty());
  CHECK_FALSE(load_chip("mi308x", "").uncertain.empty());
  CHECK_FALSE(load_chip("mi308x", "").weak.empty());
  // Its bounds matter: 1843 mm2 would make it 3A090.b.
  bool caught = false;
  for (std::uint64_t draw = 0; draw < 32; ++draw) {
    const ExportFigures chip =
        economics::export_figures(load_chip("mi308x", "", draw).spec, "mi308x");
    caught |=
        economics::holds(book().rules.at("us-2023-11-3a090b").predicate, chip) == Verdict::Yes;
  }
  CHECK(caught);
}

TEST_CASE("a new rule, chip, price: a file each") {
  const Folder overlay;
  const std::string folder = overlay.path();
  overlay.write(
      "export-rules/what-if.yaml",
      "spec:\n  title: what if\n  from: 2024-01-01\n  destinations: {countries: [CN]}\n"
      "  predicate: {any_of: [{dram_bandwidth: {at_least: 3000 GB/s}}]}\n"
      "  effect: presumption-of-denial\n  summary: memory from 2024 on\n  source: invented\n"
      "provenance: [{of: [predicate], kind: assumed, source: invented}]\n");
  overlay.write("accelerators/next-96.yaml",
                "spec:\n  title: Next\n  peak: {bf16: 140 TFLOP/s}\n  memory: 96 GB\n"
                "  memory_bandwidth: 2900 GB/s\n  scale_up_bandwidth: 450 GB/s\n"
                "  host_bandwidth: 64 GB/s\n"
                "  product: {class: datacenter, maker: US, sold_in_us: false, die_area: 814 mm2}\n"
                "provenance: [{of: [peak, memory, memory_bandwidth, scale_up_bandwidth,\n"
                "  host_bandwidth, product], kind: assumed, source: invented}]\n");
  overlay.write("prices/h800-sxm.yaml",
                "spec: {rentals: [{market: XX, from: 2020-01-01, typical: 7 USD/GPU-hour}]}\n"
                "provenance: [{of: [rentals], kind: assumed, source: invented}]\n");
  const economics::RuleBook rules = load_rule_book(folder, {});
  economics::ExportQuestion question;
  question.destination = "CN";
  question.date = day("2024-06-01");
  const auto judged = [&](const char* chip) {
    return economics::judge(rules, economics::export_figures(load_chip(chip, folder).spec, chip),
                            question);
  };
  CHECK(judged("h20-96").rule == "what-if");
  CHECK(judged("h20-96").law == LawStatus::PresumptionOfDenial);
  CHECK(judged("next-96").law == LawStatus::NoLicenceFound);
  LoadOptions options;
  options.catalog_directory = folder;
  const Loaded loaded =
      load_text(with({{11, "price: {market: XX, date: 2024-01-01}"}}), "t.yaml", options);
  const auto& list = loaded.scenario.price_lists.at("h800-sxm");
  CHECK(*list.rentals.at(0).typical / dollar_per_gpu_hour == Approx(7));
}

TEST_CASE("rules of a scenario: its own, and the catalogue's changed") {
  const auto controls = [](const std::string& rules) {
    return load_text(with({{12, "export_controls: {destination: CN, date: 2025-06-01, rules: [" +
                                    rules + "]}"}}),
                     "t.yaml")
        .scenario.rule_book;
  };
  const economics::RuleBook own =
      controls("{name: what-if, title: t, from: 2025-01-01, summary: s, source: s,"
               " destinations: {countries: [CN]}, predicate: {all_of: [{tpp: {at_least: 100}}]}}");
  CHECK(own.rules.contains("what-if"));
  CHECK(own.rules.size() == book().rules.size() + 1);
  const economics::RuleBook changed =
      controls("{extends: us-2025-ai-diffusion, assume_in_force: true}, "
               "{extends: us-2025-04-letters, predicate: {any_of: [{dram_bandwidth: {at_least: "
               "4500 GB/s}}]}}");
  CHECK(changed.rules.size() == book().rules.size());
  CHECK(changed.rules.at("us-2025-ai-diffusion").assume_in_force);
  economics::ExportQuestion question;
  question.destination = "CN";
  question.date = day("2025-06-01");
  CHECK(economics::judge(changed, figures("h20-96"), question).law == LawStatus::NoLicenceFound);
  CHECK(economics::judge(changed, figures("h20-141"), question).law ==
        LawStatus::LicenceCaseByCase);
}

TEST_CASE("slips in prices and export controls have a place and a remedy") {
  const std::vector<std::pair<std::string, std::string>> slips = {
      {"price: {}", "11:8 price: nothing says what a GPU costs"},
      {"price: {rental: 2 USD/GPU-hour, market: US}", "price.market: the rent is said twice"},
      {"price: {market: US}", "price.date: dated prices need a day"},
      {"price: {market: US, date: 2024-13-01}", "is not a day"},
      {"price: {owned: {accelerator_price: 30000 USD}}", "price.energy: whoever owns the machines"},
      {"price: {owned: {}, energy: us}", "price.owned.accelerator_price: nothing says"},
      {"price: {rental: 2 USD/GPU-hour}\nexport_controls: {destination: China, date: 2024-01-01}",
       "12:32 export_controls.destination: 'China' is no country code"},
      {"price: {rental: 2 USD/GPU-hour}\nexport_controls: {destination: CN}",
       "export_controls.date: rules hold from a day on"},
      {"price: {rental: 2 USD/GPU-hour}\nexport_controls: {date: 2024-01-01}",
       "the key 'export_controls.destination' is missing"},
      {"price: {rental: 2 USD/GPU-hour}\nexport_controls: {destination: CN, date: 2024-01-01,"
       " rules: [{title: t, from: 2024-01-01, summary: s, source: s}]}",
       "export_controls.rules.0: a rule without name"}};
  for (const auto& [line, message] : slips) {
    INFO(line);
    const std::string found = message_of(with({{11, line}}));
    INFO(found);
    CHECK(found.find(message) != std::string::npos);
  }
}

TEST_CASE("slips in a scenario's own rules are told with what would be right") {
  const auto told = [](const std::string& rule) {
    return message_of(with(
        {{12, "export_controls: {destination: CN, date: 2025-06-01, rules: [" + rule + "]}"}}));
  };
  const std::string rule = "{name: x, title: t, from: 2025-01-01, summary: s, source: s",
                    in_china = ", destinations: {countries: [CN]}";
  CHECK(told(rule + in_china + ", replaces: [us-2025-04-letters]}").empty());
  CHECK(told(rule + ", destinations: {everywhere: true}}").empty());
  CHECK(told("{extends: us-2025-04-letters, from: 2025-01-01}").empty());
  const std::vector<std::pair<std::string, std::string>> slips = {
      {"{name: x, title: t}",
       "the key 'export_controls.rules.x.from' is missing; write from: ... (First day in force)"},
      {rule + "}",
       "12:62 export_controls.rules.0: it is about no place, so it covers nothing; write "
       "destinations: {countries: [CN]}, or {everywhere: true}"},
      {rule + ", destinations: {countries: [China]}}",
       "export_controls.rules.0.destinations.countries.0: 'China' is no country code; write two "
       "letters of ISO 3166, such as CN"},
      {rule + ", destinations: {everywhere: true, except_countries: [usa]}}",
       "export_controls.rules.0.destinations.except_countries.0: 'usa' is no country code"},
      {rule + in_china + ", effect_at: [{places: {countries: [Macau]}, effect: unknown}]}",
       "export_controls.rules.0.effect_at.0.places.countries.0: 'Macau' is no country code"},
      {rule + in_china + ", replaces: [us-2025-04-leters]}",
       "export_controls.rules.0.replaces.0: there is no export rule 'us-2025-04-leters'; did you "
       "mean 'us-2025-04-letters'?"},
      {rule + in_china + ", predicate: {any_of: [{chips: [h20]}]}}",
       "export_controls.rules.0.predicate.any_of.0.chips: the catalogue has no accelerator 'h20'; "
       "did you mean 'h20-96'?"}};
  for (const auto& [text, message] : slips) {
    INFO(text);
    CHECK_THAT(told(text), Catch::Contains(message));
  }
}

TEST_CASE("a chip without kernels loads, and simulating it is an error that names what is absent") {
  const auto message = [](const std::string& chip) {
    return message_of(with({{2, "cluster: {node: {extends: hgx-h800, accelerator: " + chip +
                                    "}, nodes: 8, fabric: deepseek-mpft}"}}));
  };
  const std::string mi300x = message("mi300x");
  CHECK(
      mi300x.find("accelerator.kernels.gemm: no precision is given: nobody measured kernels of the "
                  "accelerator 'mi300x'") != std::string::npos);
  CHECK(mi300x.find("accelerator: {extends: mi300x, kernels: unmeasured}") != std::string::npos);
  CHECK(message("gaudi2").find("streaming_multiprocessors: it is not known") != std::string::npos);
  CHECK(message("rtx-4090").find("scale_up_bandwidth") != std::string::npos);
}

TEST_CASE("bounds of kernels that nobody measured are asked for, drawn and told") {
  for (const std::string& chip : Catalogue().names("accelerators"))
    CHECK(load_chip(chip, "").spec.kernels.name != "unmeasured");
  const auto loaded = [](std::uint64_t replication) {
    LoadOptions options;
    options.replication = replication;
    return load_text(with({{2, "cluster: {node: {extends: mi300x-8, accelerator: {extends: mi300x, "
                               "kernels: unmeasured}}, nodes: 8, fabric: deepseek-mpft}"}}),
                     "t.yaml", options);
  };
  const auto share = [&](std::uint64_t replication) {
    const Loaded drawn = loaded(replication);
    return drawn.scenario.cluster.main.node->accelerator->kernels->gemm
        .at(hardware::Precision::Bf16)
        .peak_fraction;
  };
  double least = 1, most = 0;
  for (std::uint64_t r = 1; r <= 64; ++r) {
    least = std::min(least, share(r));
    most = std::max(most, share(r));
  }
  CHECK(least < 0.45);
  CHECK(most > 0.79);
  const Loaded one = loaded(0);
  CHECK(std::any_of(one.weak_inputs.begin(), one.weak_inputs.end(), [](const WeakInput& input) {
    return input.path == "kernels/unmeasured: gemm.bf16.peak_fraction";
  }));
}

} // namespace
} // namespace sim::scenario
