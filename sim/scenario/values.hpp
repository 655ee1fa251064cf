// SPDX-License-Identifier: Apache-2.0
// Values that are not written out. Both become ordinary scalars before the reader checks them:
//   {fitted: id}                                    a constant of the catalogue's list fitted.yaml
//   {uncertain: {uniform: [a, b]}}                  drawn once per replication; without one, the
//   median (a + b) / 2 {uncertain: {normal: [mean, deviation]}}        median: mean {uncertain:
//   {lognormal: {median: m, sigma: s}}} m exp(s z), z standard normal; median: m {uncertain:
//   {choice: [x, y, z]}}                equally likely; median: the middle of the sorted numbers
//   (of two, the
//                                                   lower), or the first when they are words
// A draw comes from RandomStream(seed, "inputs/<key path>", replication), so an uncertain number
// keeps its draws when others are added.
#pragma once

#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/node.hpp"
#include "sim/scenario/provenance.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

// Published rows that a constant was fitted on: those of a family whose label begins so.
struct FittedRows {
  std::string family, label;
};
template <class V> void fields(V& v, FittedRows& s) {
  v("family", s.family, required(), "Table of published runs.");
  v("label", s.label, anything, "Beginning of the rows' labels; absent: all rows.");
}

// A row of fitted.yaml.
struct FittedConstant {
  std::string id;
  std::string value; // with its unit
  std::string meaning;
  std::vector<std::string> range; // lowest and highest plausible value
  std::string fitted_on;
  std::vector<FittedRows> rows; // where they are published rows of ours: tools/calibrate
  std::string measurement;      // what it was read off beside them; required without rows
  std::string source;
};
template <class V> void fields(V& v, FittedConstant& s) {
  v("id", s.id, required(), "Name, as in {fitted: id}.");
  v("value", s.value, required(), "Value, with its unit.");
  v("meaning", s.meaning, required(), "What it stands for physically.");
  v("range", s.range, required(), "Lowest and highest plausible value.");
  v("fitted_on", s.fitted_on, required(), "The rows it was fitted on; they are no evidence.");
  v("rows", s.rows, anything,
    "These rows where scenarios/published has them, those of the role fitted: for "
    "tools/calibrate.");
  v("measurement", s.measurement, anything,
    "What it was read off that is no row of scenarios/published: a trace, a list of kernels; "
    "required without rows.");
  v("source", s.source, required(), "Where those rows were published.");
}

class Values {
public:
  Values(const Catalogue& catalogue, ProvenanceBook& book, Findings& findings, std::uint64_t seed,
         std::optional<std::uint64_t> replication,
         std::map<std::string, std::uint64_t> replication_of = {})
      : catalogue_(catalogue), book_(book), findings_(findings), seed_(seed),
        replication_(replication), replication_of_(std::move(replication_of)) {}

  // Replaces every such value below `node`, which stands at `path` of `origin` ("" or
  // "accelerators/h20-96: ").
  void resolve(Node& node, const std::string& path, const std::string& origin);

  // Names of the uncertain numbers, each once: origin and path.
  [[nodiscard]] const std::vector<std::string>& uncertain() const { return uncertain_; }
  // Identifiers and values of the constants that were asked for.
  [[nodiscard]] const std::map<std::string, std::string>& constants_in_use() const {
    return in_use_;
  }
  // All constants, with findings for a list that is not in order; reads the list once.
  const std::vector<FittedConstant>& constants();

private:
  void take_constant(Node& node, const Node& id, const std::string& path,
                     const std::string& origin);
  void draw(Node& node, const Node& laws, const std::string& path, const std::string& origin);

  const Catalogue& catalogue_;
  ProvenanceBook& book_;
  Findings& findings_;
  std::uint64_t seed_;
  std::optional<std::uint64_t> replication_;
  std::map<std::string, std::uint64_t> replication_of_;
  std::vector<std::string> uncertain_;
  std::optional<std::vector<FittedConstant>> constants_;
  std::map<std::string, std::string> in_use_;
};

} // namespace sim::scenario
