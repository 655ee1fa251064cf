// SPDX-License-Identifier: Apache-2.0
// Where numbers come from. A list of records stands beside the numbers ({of: [paths], kind:,
// source:}); a value belongs to the record with the longest path that covers it. Nodes carry the
// index of their record through merging, so that the reader can tell at the end which records the
// result rests on.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/node.hpp"

#include <map>
#include <string>
#include <vector>

namespace sim::scenario {

// measured, datasheet, reported, derived, fitted, assumed
const std::vector<std::string>& provenance_kinds();

// Fitted and assumed inputs are weak: nobody measured them.
bool is_weak(const std::string& kind);

class ProvenanceBook {
public:
  struct Record {
    std::string path; // "accelerators/h20-96: peak", "parallelism"
    std::string kind, source;
  };

  // Reads the list and marks what its paths cover below `root`. `origin` goes before the paths:
  // "accelerators/h20-96: ". Findings: bad records, unknown kinds, paths that lead nowhere or stand
  // twice, and, where `source_required`, records without a source.
  void mark(Node& root, const Node& list, const std::string& origin, bool source_required,
            Findings& findings);
  int add(Record record);
  // Remembers that the result rests on this leaf. Uses of the same place count once. `number`: the
  // key path of a number; empty: no number.
  void use(const Node& leaf, const std::string& number = "");
  // Every number that is used from now on is kept.
  void keep_inputs() { keeps_inputs_ = true; }
  // One row for each weak record in use, in order of first use; `value` shows its values as
  // written.
  [[nodiscard]] std::vector<WeakInput> weak_inputs() const;
  [[nodiscard]] const std::vector<Input>& inputs() const { return inputs_; }

private:
  struct Use {
    int record;
    Location location;
    std::string value;
  };
  std::vector<Record> records_;
  std::vector<Use> uses_;
  bool keeps_inputs_ = false;
  std::vector<Input> inputs_;
};

// Takes the paths that lead nowhere out of the list under `provenance`: after merging, parts of a
// base file may be gone.
void drop_stale_provenance(Node& root);

} // namespace sim::scenario
