// SPDX-License-Identifier: Apache-2.0
// `trainfare rules` and the export_controls block of a run, as people use them.
#include "tests/cli/program.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using nlohmann::json;
using sim::tests::contains;
using sim::tests::Ran;
using sim::tests::read_text;
using sim::tests::TemporaryFolder;
using sim::tests::trainfare;
using sim::tests::write_text;

namespace {

json rules(const std::string& arguments) {
  const Ran ran = trainfare("rules " + arguments + " --json");
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  return json::parse(ran.out);
}

} // namespace

TEST_CASE("rules of one chip: status, rule, arithmetic, source, and that it is no advice") {
  const Ran ran = trainfare("rules h20-96 --date 2025-05-01 --destination CN");
  REQUIRE(ran.exit_code == 0);
  for (const char* part :
       {"licence (licence-case-by-case)", "us-2025-04-letters", "DRAM 4000 >= 1400 GB/s", "2368",
        "8-K", "(legal text read", "Not legal advice."}) {
    INFO(part);
    CHECK(contains(ran.out, part));
  }
  CHECK(ran.out.find("Not legal advice.") == ran.out.rfind("Not legal advice.")); // once
}

TEST_CASE("rules of all chips, as a table and as JSON") {
  const Ran table = trainfare("rules --all --date 2024-06-01 --destination CN");
  REQUIRE(table.exit_code == 0);
  CHECK(contains(table.out, "mi308x"));
  const json all = rules("--all --date 2024-06-01 --destination CN");
  CHECK(all["chips"].size() == 53);
  CHECK(all["notice"] == "Not legal advice.");
  int free = 0;
  for (const json& chip : all["chips"]) {
    CHECK(chip.contains("law"));
    CHECK(chip.contains("in_practice"));
    CHECK(chip.contains("buyer_side"));
    free += chip["status"] == "no-licence-found" ? 1 : 0;
    if (chip["chip"] == "h20-96") {
      CHECK(chip["short"] == "free");
      CHECK(chip["purchasable"] == "yes");
      CHECK(chip["figures"]["tpp"] == 2368.0);
    }
    if (chip["chip"] == "mi355x") { // launched later, die area unknown, TPP decides
      CHECK(chip["purchasable"] == "not-launched");
      CHECK(chip["figures"]["die_area_mm2"].is_null());
      CHECK(chip["status"] == "presumption-of-denial");
    }
  }
  CHECK(free > 5);
}

TEST_CASE("questions of a rule: headquarters, stock in place, network, what-ifs, far days") {
  CHECK(rules("h100-sxm --date 2024-06-01 --destination SG")["chips"][0]["short"] == "free");
  CHECK(rules("h100-sxm --date 2024-06-01 --destination SG --buyer-hq CN")["chips"][0]["short"] ==
        "denied");
  const json stock = rules("h800-sxm --date 2024-06-01 --destination CN --acquired 2023-06-01");
  CHECK(stock["chips"][0]["status"] == "presumption-of-denial");
  CHECK(stock["chips"][0]["stock_in_place"]["status_then"] == "no-licence-found");
  CHECK(rules("h100-sxm --date 2024-06-01 --destination CN --access cloud")["chips"][0]["status"] ==
        "not-modelled");
  const json far = rules("h20-96 --date 2027-01-01 --destination CN");
  CHECK(far["chips"][0]["status"] == "unknown");
  CHECK(far["chips"][0]["surcharge"].is_null());
  const std::string far_text = trainfare("rules h20-96 --date 2027-01-01 --destination CN").out;
  CHECK(contains(far_text, "  surcharge             unknown\n"));
  CHECK_FALSE(contains(far_text, "15.0 %"));
  CHECK_FALSE(contains(far_text, "in force"));
  CHECK(contains(trainfare("rules h20-96 --date 2026-05-31 --destination CN").out,
                 "  surcharge             15.0 % of the price\n"));
  CHECK(
      rules("h20-96 --date 2027-01-01 --destination CN --assume-unchanged")["chips"][0]["short"] ==
      "licence");
  const json cap =
      rules("h100-sxm h20-96 --date 2025-06-01 --destination IN --assume us-2025-ai-diffusion");
  CHECK(cap["chips"][0]["caps"][0]["chips"] == 49901.0);
  CHECK(cap["chips"][1]["caps"][0]["counts_this_chip"] == false);
}

TEST_CASE("wrong questions: exit code, and what would be right") {
  const std::pair<const char*, const char*> wrong[] = {
      {"rules", "--date is missing"},
      {"rules h20-96 --date 2025-05-01", "--destination is missing"},
      {"rules --date 2025-05-01 --destination CN", "name a chip, or --all"},
      {"rules h20-96 --all --date 2025-05-01 --destination CN", "exclude each other"},
      {"rules h20-95 --date 2025-05-01 --destination CN", "did you mean 'h20-96'?"},
      {"rules h20-96 --date 2025-5-1 --destination CN", "write it as 2024-10-01"},
      {"rules h20-96 --date 2025-05-01 --destination China", "two letters of ISO 3166"},
      {"rules h20-96 --date 2025-05-01 --destination CN --access rent", "purchase, cloud"}};
  for (const auto& [arguments, remedy] : wrong) {
    INFO(arguments);
    const Ran ran = trainfare(arguments);
    INFO(ran.err);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out.empty());
    CHECK(contains(ran.err, remedy));
  }
  CHECK(trainfare("rules h20-96 --date 2025-05-01 --destination CN --assume nothing").exit_code ==
        3);
}

TEST_CASE("a run that says where its chips go to has a block of export controls") {
  const TemporaryFolder folder;
  write_text(folder / "a.yaml", "extends: " SOURCE_DIR "/scenarios/minimal.yaml\n"
                                "cluster: {acquired: 2023-06-01, node: hgx-h800}\n"
                                "price: {rental: null, market: US, date: 2024-06-01, level: low,\n"
                                "  owned: {accelerator_price: 33000 USD}, energy: cn}\n"
                                "export_controls: {destination: CN, date: 2024-06-01}\n");
  const Ran ran = trainfare("run '" + folder / "a.yaml" + "' --json");
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  const json result = json::parse(ran.out);
  REQUIRE(result["export_controls"].size() == 1);
  const json& pool = result["export_controls"][0];
  CHECK(pool["chip"] == "h800-sxm");
  CHECK(pool["status"] == "presumption-of-denial");
  CHECK(pool["stock_in_place"]["status_then"] == "no-licence-found");
  const json& totals = result["totals"];
  const double hours = totals["gpu_hours"];
  CHECK(totals["rental_usd"].get<double>() == Approx(2.0 * hours)); // the market's low price
  CHECK(totals["cost_usd"] == totals["rental_usd"]);
  CHECK(totals["acquisition_usd"].get<double>() ==
        Approx(pool["chips"].get<double>() * 33000 / 0.81));
  CHECK(result["cost"]["cash_outlay"] == totals["acquisition_usd"]);
  CHECK(totals["amortised_usd"].get<double>() > totals["energy_cost_usd"].get<double>());
  const Ran text = trainfare("run '" + folder / "a.yaml" + "'");
  CHECK(contains(text.out, "Export controls"));
  CHECK(contains(text.out, "keeping and using them is no export"));
}
