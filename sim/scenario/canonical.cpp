// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/canonical.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"
#include "sim/scenario/members.hpp"
#include "sim/scenario/node.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace sim::scenario {
namespace {

// What stands behind "key:": a word on the same line, a block of lines below it, or nothing, and
// then no key either.
struct Text {
  enum class Form { Nothing, Inline, Block } form = Form::Nothing;
  std::string text; // a block ends in a newline
};
Text on_line(std::string text) { return {Text::Form::Inline, std::move(text)}; }

class Writer {
public:
  explicit Writer(const std::map<std::string, std::string>& laws) : laws_(laws) {}

  template <class T> Text write(T& value, const std::string& path, int indent) {
    if (const auto law = laws_.find(path); law != laws_.end())
      return on_line(law->second);
    return form(value, path, indent);
  }

private:
  template <class T> friend struct MemberWriter;

  Text form(double& v, const std::string&, int) { return on_line(number_text(v)); }
  Text form(std::int64_t& v, const std::string&, int) { return on_line(std::to_string(v)); }
  Text form(int& v, const std::string&, int) { return on_line(std::to_string(v)); }
  Text form(bool& v, const std::string&, int) { return on_line(v ? "true" : "false"); }
  Text form(std::string& v, const std::string&, int) { return on_line(quoted_text(v)); }
  Text form(Date& v, const std::string&, int) { return v.known() ? on_line(to_text(v)) : Text{}; }
  template <Dimension D> Text form(Quantity<D>& v, const std::string&, int) {
    return on_line(to_text(v));
  }
  template <NamedEnum Enum> Text form(Enum& v, const std::string&, int) {
    return on_line(std::string(name_of(v)));
  }

  template <class T> Text form(std::optional<T>& v, const std::string& path, int indent) {
    return v ? write(*v, path, indent) : Text{};
  }
  template <class T> Text form(Auto<T>& v, const std::string& path, int indent) {
    return v.given ? write(*v.given, path, indent) : on_line("auto");
  }
  template <class T> Text form(std::vector<T>& v, const std::string& path, int indent);
  template <class Key, class T> Text form(std::map<Key, T>& v, const std::string& path, int indent);
  template <class T> Text form(Named<T>& v, const std::string& path, int indent);
  template <Structure T> Text form(T& v, const std::string& path, int indent);
  Text form(hardware::ClusterSpec& v, const std::string& path, int indent);

  static Text block(std::string lines) {
    return lines.empty() ? on_line("{}") : Text{Text::Form::Block, std::move(lines)};
  }
  static std::string line(int indent, const std::string& key, const Text& text) {
    if (text.form == Text::Form::Nothing)
      return "";
    const std::string start = std::string(static_cast<std::size_t>(indent), ' ') + key + ":";
    return text.form == Text::Form::Inline ? start + " " + text.text + "\n"
                                           : start + "\n" + text.text;
  }

  const std::map<std::string, std::string>& laws_;
};

// Writes the members of one struct.
template <class Owner> struct MemberWriter {
  Writer& writer;
  const std::string& path;
  int indent;
  std::string lines;

  template <class T> void operator()(const char* key, T& member, const Rule& rule, const char*) {
    Text text = writer.write(member, join_path(path, key), indent + 2);
    if constexpr (Structure<T>)
      if (!rule.required && has_required_key<T>()) {
        T unwritten{};
        if (text.text == writer.form(unwritten, "", indent + 2).text)
          text = {};
      }
    lines += Writer::line(indent, key, text);
  }
};

template <class T> Text Writer::form(std::vector<T>& v, const std::string& path, int indent) {
  std::string items, lines;
  for (std::size_t i = 0; i < v.size(); ++i) {
    std::string key = std::to_string(i);
    if constexpr (requires {
                    { v[i].name } -> std::convertible_to<std::string>;
                  })
      key = v[i].name;
    Text text = write(v[i], join_path(path, key), indent + 2);
    const std::string start = std::string(static_cast<std::size_t>(indent), ' ') + "- ";
    if (text.form == Text::Form::Inline) {
      items += (items.empty() ? "" : ", ") + text.text;
      lines += start + text.text + "\n";
    } else if (text.form == Text::Form::Block) {
      lines += start + text.text.substr(start.size());
    }
  }
  const bool all_inline = !Structure<T>;
  return all_inline ? on_line("[" + items + "]") : lines.empty() ? on_line("[]") : block(lines);
}

template <class Key, class T>
Text Writer::form(std::map<Key, T>& v, const std::string& path, int indent) {
  std::string lines;
  for (auto& [key, member] : v) {
    std::string name;
    if constexpr (NamedEnum<Key>)
      name = name_of(key);
    else
      name = key;
    lines += line(indent, NamedEnum<Key> ? name : quoted_text(name),
                  write(member, join_path(path, name), indent + 2));
  }
  return block(lines);
}

template <class T> Text Writer::form(Named<T>& v, const std::string& path, int indent) {
  Text spec = form(v.spec, path, indent);
  const std::string name = v.name.empty() ? "" : line(indent, "name", on_line(quoted_text(v.name)));
  return block(name + (spec.form == Text::Form::Block ? spec.text : ""));
}

template <Structure T> Text Writer::form(T& v, const std::string& path, int indent) {
  MemberWriter<T> members{*this, path, indent, {}};
  fields(members, v);
  return block(members.lines);
}

// One of the two forms, as the reader wants it.
Text Writer::form(hardware::ClusterSpec& v, const std::string& path, int indent) {
  if (v.pools.empty())
    return form(v.main, path, indent);
  return block(line(indent, "pools", write(v.pools, join_path(path, "pools"), indent + 2)));
}

} // namespace

std::string canonical_text(const Scenario& scenario,
                           const std::map<std::string, std::string>& laws) {
  Scenario copy = scenario; // the tables take members that can be changed
  return Writer(laws).write(copy, "", 0).text;
}

} // namespace sim::scenario
