// SPDX-License-Identifier: Apache-2.0
// What export rules say of chips, as tables for people and as JSON: law, practice and the buyer's
// side in separate places, each with rule, arithmetic and source.
#pragma once

#include "sim/economics/export_judgement.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::report {

struct RulesRow {
  std::string chip, title;
  economics::Judgement judgement;
  std::optional<economics::LawStatus> law_when_acquired; // of stock in place
  std::vector<std::string> uncertain; // key paths of the chip's numbers that are given as laws
  std::vector<std::string> assumed;   // "path: provenance"
  std::map<economics::LawStatus, int> draws; // of the uncertain numbers, by what the law then says
};

struct RulesAnswer {
  economics::ExportQuestion question;
  Date newest;                  // rule of the book
  std::optional<Date> acquired; // of stock in place
  std::vector<RulesRow> rows;
};

// One chip in full, several as one line each.
std::string write_rules_table(const RulesAnswer& answer);
std::string write_rules_json(const RulesAnswer& answer);

// Of a scenario's pools: a section of its report; empty without export_controls.
std::string export_controls_text(const std::vector<economics::PoolControl>& controls);
nlohmann::ordered_json export_controls_json(const std::vector<economics::PoolControl>& controls);

} // namespace sim::report
