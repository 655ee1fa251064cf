// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/reader.hpp"

#include <algorithm>

namespace sim::scenario {

void Reader::value(const Node& node, double& out, const Rule& rule, const std::string& path) {
  note(node, true, path);
  out = read_number(node, rule, path, findings_).value_or(out);
}

void Reader::value(const Node& node, std::int64_t& out, const Rule& rule, const std::string& path) {
  note(node, true, path);
  constexpr std::int64_t limit = 1'000'000'000'000'000; // sums and small multiples cannot overflow
  out = read_integer(node, rule, -limit, limit, path, findings_).value_or(out);
}

void Reader::value(const Node& node, int& out, const Rule& rule, const std::string& path) {
  note(node, true, path);
  constexpr int limit = (1 << 30) - 1; // sums of two cannot overflow
  out = static_cast<int>(read_integer(node, rule, -limit, limit, path, findings_).value_or(out));
}

void Reader::value(const Node& node, bool& out, const Rule&, const std::string& path) {
  note(node, false, path);
  out = read_bool(node, path, findings_).value_or(out);
}

void Reader::value(const Node& node, std::string& out, const Rule&, const std::string& path) {
  note(node, false, path);
  if (auto text = read_text(node, path, findings_))
    out = std::move(*text);
}

void Reader::value(const Node& node, Date& out, const Rule&, const std::string& path) {
  note(node, false, path);
  out = read_date(node, path, findings_).value_or(out);
}

void Reader::value(const Node& node, hardware::ClusterSpec& out, const Rule&,
                   const std::string& path) {
  if (!expect_kind(node, Node::Kind::Map, path, "write {node: ..., nodes: ..., fabric: ...}"))
    return;
  read_members(node, out, path, {});
  const bool pools = node.find("pools") != nullptr;
  if (pools && out.pools.empty() && node.find("pools")->is_map())
    findings_.add(node.find("pools")->location, path + ".pools: there is no pool",
                  "write {name: {node: ...}}");
  for (const std::string_view key : {"node", "nodes", "fabric", "acquired", "deliveries",
                                     "slow_gpus", "weak_links", "weak_switches"}) {
    const auto member = std::find_if(node.members.begin(), node.members.end(),
                                     [&](const Member& m) { return m.key == key; });
    if (pools && member != node.members.end())
      findings_.add(member->key_location, path + "." + std::string(key) + " stands beside pools",
                    "write it inside a pool");
    const bool needed = key == "node" || key == "nodes" || key == "fabric";
    if (!pools && member == node.members.end() && needed)
      missing(node, path, std::string(key), "needed unless there are pools");
  }
  if (const Node* nodes = node.find("nodes"); nodes != nullptr && nodes->is_scalar() &&
                                              out.main.nodes == 0 && !findings_.at(nodes->location))
    findings_.add(nodes->location, path + ".nodes: " + describe(*nodes) + " is out of range",
                  "must be at least 1");
}

void Reader::note(const Node& leaf, bool number, const std::string& path) {
  if (number && leaf.record == Node::missing_record)
    findings_.add(leaf.location, "no provenance covers the number " + describe(leaf),
                  "add its key path to a record of 'provenance'");
  if (book_ != nullptr)
    book_->use(leaf, number ? path : "");
}

void Reader::missing(const Node& map, const std::string& path, const std::string& key,
                     const std::string& help) {
  const std::string meaning = help.substr(0, help.size() - (help.ends_with('.') ? 1 : 0));
  findings_.add(map.location, "the key '" + join_path(path, key) + "' is missing",
                "write " + key + ": ..." + (meaning.empty() ? "" : " (" + meaning + ")"));
}

void Reader::check_keys(const Node& map, const std::string& path,
                        const std::vector<std::string>& known) {
  for (const Member& member : map.members) {
    if (findings_.full())
      return;
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      findings_.add(member.key_location,
                    "unknown key '" + member.key + "'" + (path.empty() ? "" : " in " + path),
                    suggestion(member.key, known));
  }
}

bool Reader::expect_kind(const Node& node, Node::Kind kind, const std::string& path,
                         const std::string& remedy) {
  if (node.kind == kind)
    return true;
  findings_.add(node.location, (path.empty() ? "" : path + ": ") + "found " + describe(node),
                remedy);
  return false;
}

bool Reader::check_name(const Member& member, const std::string& path) {
  if (!member.key.empty() && member.key.find_first_of(". =\n\t") == std::string::npos)
    return true;
  findings_.add(member.key_location, path + ": '" + member.key + "' cannot be a name",
                "use letters, digits, '-' and '_'");
  return false;
}

const Node* Reader::entry(std::string_view kind, const Node& name, const std::string& path) {
  if (kind == "reliability" && name.text == "none") { // nothing fails, whatever the catalogue holds
    static const Node nothing = [] {
      Node map;
      map.kind = Node::Kind::Map;
      Member& title = map.members.emplace_back();
      title.key = "title";
      title.value.kind = Node::Kind::Scalar;
      title.value.text = "none";
      return map;
    }();
    return &nothing;
  }
  if (entries_ != nullptr && !kind.empty())
    return entries_->find(kind, name, path);
  findings_.add(name.location, path + ": found " + describe(name), "write a map: {key: value}");
  return nullptr;
}

} // namespace sim::scenario
