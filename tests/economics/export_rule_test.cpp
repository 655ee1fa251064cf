// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/export_judgement.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::economics;

namespace {

constexpr SquareMetres mm2 = SquareMetres::from_base(1e-6);
constexpr BytesPerSecond gbs = gigabyte / second;
constexpr FlopsPerSecond tflops = teraflop / second;

hardware::AcceleratorSpec chip_of(double bf16, double die) {
  hardware::AcceleratorSpec chip;
  chip.peak[hardware::Precision::Bf16] = bf16 * tflops;
  chip.memory_bandwidth = 1000 * gbs;
  chip.scale_up_bandwidth = 200 * gbs;
  chip.host_bandwidth = 32 * gbs;
  chip.product.emplace();
  chip.product->product_class = hardware::ProductClass::Datacenter;
  if (die > 0)
    chip.product->die_area = die * mm2;
  return chip;
}

ExportFigures figures(double bf16, double die) { return export_figures(chip_of(bf16, die), "x"); }

ConditionSpec tpp_at_least(double tpp) {
  ConditionSpec condition;
  condition.tpp.emplace().at_least = tpp;
  return condition;
}

ConditionSpec density_at_least(double tpp, double density) {
  ConditionSpec condition = tpp_at_least(tpp);
  condition.performance_density.emplace().at_least = density;
  return condition;
}

ExportRuleSpec rule(Date from, std::vector<ConditionSpec> any_of, LawStatus effect) {
  ExportRuleSpec made;
  made.from = from;
  made.destinations.countries = {"CN"};
  made.predicate.any_of = std::move(any_of);
  made.effect = effect;
  return made;
}

ExportQuestion question(Date date, const std::string& destination = "CN") {
  ExportQuestion asked;
  asked.destination = destination;
  asked.date = date;
  return asked;
}

const Date before{2022, 1, 1}, start{2023, 1, 1}, after{2023, 6, 1}, end{2024, 1, 1};

} // namespace

TEST_CASE("three-valued logic: what cannot be known decides nothing that is decided otherwise") {
  const Verdict all[] = {Verdict::No, Verdict::Yes, Verdict::Unknown};
  for (const Verdict a : all) {
    CHECK(both(a, Verdict::No) == Verdict::No);
    CHECK(both(a, Verdict::Yes) == a);
    CHECK(either(a, Verdict::Yes) == Verdict::Yes);
    CHECK(either(a, Verdict::No) == a);
    CHECK(opposite(opposite(a)) == a);
    for (const Verdict b : all) {
      CHECK(both(a, b) == both(b, a));
      CHECK(opposite(both(a, b)) == either(opposite(a), opposite(b)));
    }
  }
  CHECK(both(Verdict::Unknown, Verdict::Unknown) == Verdict::Unknown);
}

TEST_CASE("TPP is operations times bits, the largest over data types; both directions of all links "
          "are I/O") {
  hardware::AcceleratorSpec chip = chip_of(300, 600);
  chip.peak[hardware::Precision::Fp8] = 600 * tflops; // 600 TOPS at 8 bits = 300 TFLOPS at 16: 4800
  ExportFigures f = export_figures(chip, "x");
  CHECK(f.tpp == Approx(4800).epsilon(1e-12));
  CHECK(f.binding == std::vector{DataType::Bf16, DataType::Fp8});
  CHECK(*f.performance_density == Approx(8));
  CHECK(f.io_bandwidth / gbs == Approx(2 * (200 + 32)));
  chip.integer_peak[hardware::IntegerPrecision::Int4] = 1300 * tflops;
  f = export_figures(chip, "x");
  CHECK(f.tpp == Approx(5200));
  CHECK(f.binding == std::vector{DataType::Int4});
  chip.product->pcie_bandwidth = 64 * gbs; // the host's link is another
  CHECK(export_figures(chip, "x").io_bandwidth / gbs == Approx(2 * (200 + 64)));
}

TEST_CASE("a density without a die area is unknown, unless TPP alone decides") {
  const ExportFigures unknown = figures(150, 0); // TPP 2400
  PredicateSpec predicate;
  predicate.any_of = {tpp_at_least(4800), density_at_least(1600, 5.92)};
  CHECK(holds(predicate, unknown) == Verdict::Unknown);
  CHECK(holds(predicate, figures(300, 0)) == Verdict::Yes);
  CHECK(holds(predicate, figures(99, 0)) == Verdict::No);
  CHECK(holds(predicate, figures(150, 400)) == Verdict::Yes); // 6.0
  CHECK(holds(predicate, figures(150, 406)) == Verdict::No);  // 5.91
  CHECK(arithmetic(predicate, unknown).find("performance density unknown") != std::string::npos);
}

TEST_CASE("thresholds are inclusive or not as they say, and data types can be singled out") {
  ConditionSpec condition;
  condition.tpp.emplace().above = 4800;
  CHECK(holds(condition, figures(300, 1)) == Verdict::No);
  condition.tpp = Threshold<double>{};
  condition.tpp->at_most = 4800;
  CHECK(holds(condition, figures(300, 1)) == Verdict::Yes);
  condition.tpp->below = 4800;
  CHECK(holds(condition, figures(300, 1)) == Verdict::No);
  hardware::AcceleratorSpec chip = chip_of(300, 1);
  chip.peak[hardware::Precision::Fp4] = 10000 * tflops;
  ConditionSpec half = tpp_at_least(4801);
  CHECK(holds(half, export_figures(chip, "x")) == Verdict::Yes);
  half.dtypes = {DataType::Bf16, DataType::Fp8};
  CHECK(holds(half, export_figures(chip, "x")) == Verdict::No);
}

TEST_CASE("property: a faster chip never meets a threshold rule less") {
  RandomStream random(3, "tests/export");
  for (int i = 0; i < 300; ++i) {
    PredicateSpec predicate;
    predicate.any_of = {tpp_at_least(10000 * random.uniform()),
                        density_at_least(5000 * random.uniform(), 10 * random.uniform())};
    const double slow = 1000 * random.uniform(), fast = slow * (1 + random.uniform());
    const double die = 100 + 900 * random.uniform();
    CHECK((holds(predicate, figures(slow, die)) != Verdict::Yes ||
           holds(predicate, figures(fast, die)) == Verdict::Yes));
  }
}

TEST_CASE("a rule holds from its day until its end, for its places, and the strictest decides") {
  RuleBook book;
  book.rules["mild"] = rule(start, {tpp_at_least(2000)}, LawStatus::LicenceCaseByCase);
  book.rules["strict"] = rule(start, {tpp_at_least(4000)}, LawStatus::PresumptionOfDenial);
  book.rules["strict"].until = end;
  book.rules["newest"] = rule(end, {tpp_at_least(1e9)}, LawStatus::PresumptionOfDenial);
  const ExportFigures chip = figures(300, 600);
  CHECK(judge(book, chip, question(before)).law == LawStatus::NoLicenceFound);
  CHECK(judge(book, chip, question(start)).law == LawStatus::PresumptionOfDenial);
  CHECK(judge(book, chip, question(start)).rule == "strict");
  CHECK(judge(book, chip, question(end)).law == LawStatus::LicenceCaseByCase);
  CHECK(judge(book, chip, question(after, "SG")).law == LawStatus::NoLicenceFound);
  // Headquarters count wherever goods go to, where a rule says so.
  book.rules["mild"].buyer_headquarters.countries = {"CN"};
  ExportQuestion abroad = question(after, "SG");
  abroad.buyer_headquarters = "CN";
  CHECK(judge(book, chip, abroad).law == LawStatus::LicenceCaseByCase);
}

TEST_CASE("beyond the newest rule nothing is known, unless that is assumed") {
  RuleBook book;
  book.rules["only"] = rule(start, {tpp_at_least(2000)}, LawStatus::LicenceCaseByCase);
  const ExportFigures chip = figures(300, 600);
  ExportQuestion later = question(after);
  CHECK(judge(book, chip, later).law == LawStatus::Unknown);
  CHECK(judge(book, chip, later).why.find("2023-01-01") != std::string::npos);
  later.assume_unchanged = true;
  CHECK(judge(book, chip, later).law == LawStatus::LicenceCaseByCase);
  // A rule that never was in force makes nothing known.
  book.rules["draft"] = rule(end, {}, LawStatus::PresumptionOfDenial);
  book.rules["draft"].until = end;
  CHECK(newest_rule(book) == start);
  book.rules["draft"].assume_in_force = true;
  CHECK(judge(book, chip, question(end)).law == LawStatus::PresumptionOfDenial);
}

TEST_CASE("a licence exception and a rule that replaces another soften only what they cover") {
  RuleBook book;
  book.rules["a"] = rule(start, {tpp_at_least(4000)}, LawStatus::PresumptionOfDenial);
  ExportRuleSpec softer = rule(start, {}, LawStatus::LicenceCaseByCase);
  ConditionSpec below;
  below.tpp.emplace().below = 6000;
  softer.predicate.all_of = {below};
  softer.replaces = {"a"};
  softer.conditions.sold_in_us = true;
  book.rules["b"] = softer;
  const ExportQuestion asked = question(start);
  hardware::AcceleratorSpec chip = chip_of(300, 600);
  const auto law = [&] { return judge(book, export_figures(chip, "x"), asked).law; };
  CHECK(law() == LawStatus::Unknown); // nobody says whether it is sold in the US
  chip.product->sold_in_us = false;
  CHECK(law() == LawStatus::PresumptionOfDenial);
  chip.product->sold_in_us = true;
  CHECK(law() == LawStatus::LicenceCaseByCase);
  chip.peak[hardware::Precision::Bf16] = 400 * tflops; // TPP 6400: not covered by the softer rule
  CHECK(law() == LawStatus::PresumptionOfDenial);
  chip.peak[hardware::Precision::Bf16] =
      200 * tflops; // TPP 3200: "a" does not cover it, so "b" neither
  CHECK(law() == LawStatus::NoLicenceFound);
  chip.peak[hardware::Precision::Bf16] = 400 * tflops;
  book.rules["a"].exceptions.push_back({"NAC", {}, LawStatus::ExceptionNotify});
  const Judgement notified = judge(book, export_figures(chip, "x"), asked);
  CHECK(notified.law == LawStatus::ExceptionNotify);
  CHECK(notified.purchasable == Purchasable::WithNotice);
}

TEST_CASE("practice and the buyer's side never change what the law says") {
  RuleBook book;
  book.rules["law"] = rule(start, {tpp_at_least(1e9)}, LawStatus::PresumptionOfDenial);
  for (const Track track : {Track::InPractice, Track::BuyerSide}) {
    ExportRuleSpec beside = rule(start, {}, LawStatus::PresumptionOfDenial);
    beside.track = track;
    beside.surcharge = 0.15;
    book.rules[std::string(name_of(track))] = beside;
  }
  const Judgement judgement = judge(book, figures(300, 600), question(start));
  CHECK(judgement.law == LawStatus::NoLicenceFound);
  CHECK(judgement.in_practice.size() == 1);
  CHECK(judgement.buyer_side.size() == 1);
  REQUIRE(judgement.surcharge);
  CHECK(*judgement.surcharge == Approx(0.15)); // practice only
}

TEST_CASE("surcharges of rules that cover a chip add up; one that may cover it makes it unknown") {
  RuleBook book;
  book.rules["duty"] = rule(start, {tpp_at_least(100)}, LawStatus::NoLicenceFound);
  book.rules["duty"].surcharge = 0.25;
  book.rules["share"] = book.rules["duty"];
  book.rules["share"].track = Track::InPractice;
  book.rules["share"].surcharge = 0.15;
  const auto surcharge = [&](const ExportQuestion& asked) {
    return judge(book, figures(300, 600), asked).surcharge;
  };
  CHECK(surcharge(question(start)) == std::optional(0.25 + 0.15));
  CHECK_FALSE(surcharge(question(after)).has_value()); // beyond the newest rule
  ExportQuestion unchanged = question(after);
  unchanged.assume_unchanged = true;
  CHECK(surcharge(unchanged) == std::optional(0.25 + 0.15));
  book.rules["duty"].conditions.sold_in_us = true; // not known of the chip
  CHECK_FALSE(surcharge(question(start)).has_value());
}

TEST_CASE("caps count whole chips of what the rule controls, and nothing else") {
  RuleBook book;
  book.rules["cap"] = rule(start, {tpp_at_least(4800)}, LawStatus::LicenceCaseByCase);
  book.rules["cap"].caps = {{"allocation", 790e6, "three years"}};
  const Judgement controlled = judge(book, figures(1000, 600), question(start));
  REQUIRE(controlled.caps.size() == 1);
  CHECK(controlled.caps[0].counts);
  CHECK(controlled.caps[0].chips == std::floor(790e6 / 16000));
  CHECK_FALSE(judge(book, figures(100, 600), question(start)).caps[0].counts);
  PoolControl pool;
  pool.chips = 100;
  pool.judgement = controlled;
  CHECK(counted_tpp(pool) == Approx(100 * 16000));
}

TEST_CASE("not launched, not sold, made where it goes to, used over a network") {
  RuleBook book;
  book.rules["law"] = rule(start, {tpp_at_least(1e9)}, LawStatus::PresumptionOfDenial);
  hardware::AcceleratorSpec chip = chip_of(300, 600);
  chip.launched = after;
  const auto judged = [&](const ExportQuestion& asked) {
    return judge(book, export_figures(chip, "x"), asked);
  };
  CHECK(judged(question(start)).purchasable == Purchasable::NotLaunched);
  chip.product->sold = false;
  CHECK(judged(question(start)).purchasable == Purchasable::NotSold);
  chip.product->maker = "CN";
  CHECK(judged(question(start)).law == LawStatus::NotModelled);
  chip.product->maker = "US";
  ExportQuestion cloud = question(start);
  cloud.access = Access::Cloud;
  CHECK(judged(cloud).law == LawStatus::NotModelled);
  book.rules["network"] = rule(start, {tpp_at_least(100)}, LawStatus::LicenceCaseByCase);
  book.rules["network"].access = {Access::Cloud};
  CHECK(judged(cloud).law == LawStatus::LicenceCaseByCase);
  CHECK(judged(question(start)).law == LawStatus::NoLicenceFound);
}

TEST_CASE("a group that is left out stays out unless its country is named") {
  PlacesSpec places;
  Named<CountryGroupSpec> embargo{"d5", {"D:5", {"CN", "CY"}}}, allies{"a6", {"A:6", {"CY", "SG"}}};
  places.groups = {embargo};
  places.except_groups = {allies};
  CHECK(includes(places, "CN"));
  CHECK_FALSE(includes(places, "CY"));
  places.countries = {"CY", "MO"};
  CHECK(includes(places, "CY"));
  CHECK(includes(places, "MO"));
  CHECK_FALSE(includes(places, "DE"));
  places.everywhere = true;
  CHECK(includes(places, "DE"));
}
