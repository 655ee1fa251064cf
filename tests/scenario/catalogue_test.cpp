// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/catalogue.hpp"

#include "sim/scenario/embedded_catalog.hpp"
#include "sim/scenario/reader.hpp"
#include "tests/scenario/texts.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

namespace sim::scenario {
namespace {

// Reads one entry of a kind, its provenance and what it names.
template <class T> void read_entry(const std::string& name) {
  Findings findings;
  ProvenanceBook book;
  const Catalogue catalogue;
  Values values(catalogue, book, findings, 1, std::nullopt);
  Entries entries(catalogue, book, values, findings);
  Reader reader(findings, &entries, &book);
  Node asked;
  asked.kind = Node::Kind::Scalar;
  asked.text = name;
  Named<T> entry;
  reader.read(asked, entry, anything, "entry");
  CHECK_NOTHROW(findings.raise());
  CHECK(entry.name == name);
}

TEST_CASE("every entry reads well, and every number of it has a provenance") {
  const std::map<std::string, std::function<void(const std::string&)>> readers = {
      {"accelerators", read_entry<hardware::AcceleratorSpec>},
      {"country-groups", read_entry<economics::CountryGroupSpec>},
      {"export-rules", read_entry<economics::ExportRuleSpec>},
      {"prices", read_entry<economics::PriceListSpec>},
      {"collectives", read_entry<hardware::CollectiveLibrarySpec>},
      {"fabrics", read_entry<hardware::FabricSpec>},
      {"kernels", read_entry<hardware::KernelSpec>},
      {"models", read_entry<workload::ModelSpec>},
      {"nodes", read_entry<hardware::NodeSpec>},
      {"regions", read_entry<economics::EnergySpec>},
      {"reliability", read_entry<reliability::ReliabilitySpec>},
      {"stacks", read_entry<plan::StackSpec>}};
  const Catalogue catalogue;
  std::size_t count = 0;
  for (const std::string& kind : catalogue.kinds()) {
    INFO(kind);
    REQUIRE(readers.contains(kind));
    for (const std::string& name : catalogue.names(kind)) {
      INFO(name);
      readers.at(kind)(name);
      ++count;
    }
  }
  // And the lists of fitted constants, of evidence, of the leave-one-family-out error.
  CHECK(count + 3 == embedded_catalog().size());
}

TEST_CASE("the index is sorted, as the search needs it") {
  const auto entries = embedded_catalog();
  CHECK(std::is_sorted(
      entries.begin(), entries.end(),
      [](const EmbeddedEntry& a, const EmbeddedEntry& b) { return a.name < b.name; }));
}

TEST_CASE("a directory overlays the entries") {
  const Folder folder;
  folder.write("models/tiny.yaml",
               "spec: {title: Tiny, layers: 2, hidden: 64, inner: 256, vocabulary: 100,\n"
               "       attention: {heads: 4, head_dim: 16}}\n"
               "provenance: [{of: [layers, hidden, inner, vocabulary, attention], kind: assumed, "
               "source: me}]\n");
  const std::string node =
      folder.write("nodes/hgx-h800.yaml", "spec: {accelerator: h800-sxm, accelerators: 4}\n");
  LoadOptions options;
  options.catalog_directory = folder.path();
  CHECK(message_of(with({{3, "model: tiny"}}), options) ==
        node +
            ":1:7 the key 'cluster.node.nics' is missing; write nics: ... (NICs per node for "
            "training "
            "traffic)\n" +
            node + ":1:7 the key 'cluster.node.nic' is missing; write nic: ... (The NIC)\n" + node +
            ":1:7 the key 'cluster.node.power' is missing; write power: ... (Whole node at full "
            "load)\n" +
            node +
            ":1:7 the key 'cluster.node.idle_power' is missing; write idle_power: ... (Whole node "
            "without "
            "work)\n" +
            node +
            ":1:45 no provenance covers the number '4'; add its key path to a record of "
            "'provenance'");
  std::filesystem::remove(node);
  const Loaded loaded = load_text(with({{3, "model: tiny"}}), "t.yaml", options);
  CHECK(loaded.scenario.model->layers == 2);
  const auto row =
      std::find_if(loaded.weak_inputs.begin(), loaded.weak_inputs.end(),
                   [](const WeakInput& input) { return input.path == "models/tiny: attention"; });
  REQUIRE(row != loaded.weak_inputs.end());
  CHECK(row->value == "4, 16");
  CHECK(row->provenance == "assumed");
  CHECK(loaded.catalog_sha256 != load_text(joined(lines()), "t.yaml").catalog_sha256);
  const auto names = Catalogue(folder.path()).names("models");
  CHECK(std::find(names.begin(), names.end(), "tiny") != names.end());
  options.catalog_directory = folder.path("absent");
  CHECK_THAT(message_of(joined(lines()), options), Catch::Contains("is not a directory"));
}

TEST_CASE("what is wrong with an entry is found when it is used") {
  const Folder folder;
  LoadOptions options;
  options.catalog_directory = folder.path();
  const std::string spec = "spec: {title: Tiny, layers: 2, hidden: 64, inner: 256, vocabulary: "
                           "100, attention: {heads: 4, head_dim: 16}}\n";
  const auto message = [&](const std::string& text) {
    folder.write("models/tiny.yaml", text);
    return message_of(with({{3, "model: tiny"}}), options);
  };
  const std::string all = "layers, hidden, inner, vocabulary, ";
  CHECK(message(spec + "provenance: [{of: [" + all + "attention], kind: assumed, source: me}]\n")
            .empty());
  CHECK_THAT(message(spec + "provenance: [{of: [" + all +
                     "attention.heads], kind: assumed, source: me}]\n"),
             Catch::EndsWith("1:105 no provenance covers the number '16'; add its key path to a "
                             "record of 'provenance'"));
  CHECK_THAT(message(spec + "provenance: [{of: [" + all +
                     "attention, head_dim], kind: assumed, source: me}]\n"),
             Catch::Contains("2:66 provenance of 'head_dim': there is no such key here"));
  CHECK_THAT(message(spec + "provenance: [{of: [" + all +
                     "attention, hidden], kind: assumed, source: me}]\n"),
             Catch::Contains("2:66 provenance of 'hidden' stands twice"));
  CHECK_THAT(message(spec + "provenance: [{of: [" + all + "attention], kind: assumed}]\n"),
             Catch::Contains("2:14 a provenance record without source"));
  CHECK_THAT(message("layers: 2\n"), Catch::Contains("1:1 a catalogue entry needs the key 'spec'"));
  CHECK_THAT(message(spec + "sepc: 2\n"),
             Catch::Contains("2:1 unknown key 'sepc' in a catalogue entry"));
  CHECK_THAT(message(""), Catch::Contains("1:1 the file is empty"));
}

TEST_CASE("an entry that extends another has what it does not say itself from there") {
  const Folder folder;
  LoadOptions options;
  options.catalog_directory = folder.path();
  folder.write("accelerators/h800-cut.yaml",
               "extends: h800-sxm\n"
               "spec: {title: cut, scale_up_bandwidth: 100 GB/s, product: {die_area: null}}\n"
               "provenance: [{of: [scale_up_bandwidth], kind: assumed, source: a cut}]\n");
  folder.write("accelerators/h800-cut-again.yaml",
               "extends: h800-cut\nspec: {memory: 40 GB}\n"
               "provenance: [{of: [memory], kind: assumed, source: another}]\n");
  const auto chip = [&](const std::string& name) {
    options.sets = {"cluster.node={extends: hgx-h800, accelerator: " + name + "}"};
    return load_text(joined(lines()), "t.yaml", options)
        .scenario.cluster.main.node.spec.accelerator.spec;
  };
  const hardware::AcceleratorSpec whole = chip("h800-sxm"), cut = chip("h800-cut"),
                                  again = chip("h800-cut-again");
  CHECK(cut.scale_up_bandwidth == 100 * gigabyte / second);
  CHECK(cut.title == "cut");
  CHECK(cut.peak == whole.peak);
  CHECK(cut.memory == whole.memory);
  REQUIRE((whole.product && cut.product));
  CHECK(whole.product->die_area.has_value());
  CHECK_FALSE(cut.product->die_area.has_value());
  CHECK(cut.product->maker == whole.product->maker);
  CHECK(again.memory == 40 * gigabyte);
  CHECK(again.scale_up_bandwidth == cut.scale_up_bandwidth);

  options.sets = {"cluster.node={extends: hgx-h800, accelerator: loop}"};
  const auto message = [&](const std::string& text) {
    folder.write("accelerators/loop.yaml", text);
    return message_of(joined(lines()), options);
  };
  CHECK_THAT(message("extends: loop\nspec: {memory: null}\n"),
             Catch::Contains("1:10 extends: 'loop' leads back to itself"));
  CHECK_THAT(
      message("extends: h900\nspec: {memory: null}\n"),
      Catch::Contains("1:10 extends: the catalogue has no entry 'h900' among its accelerators"));
  CHECK_THAT(message("extends: [h800-sxm]\nspec: {memory: null}\n"),
             Catch::Contains("1:10 extends: found a list"));
}

TEST_CASE("the longest path decides the provenance of a number") {
  const Folder folder;
  LoadOptions options;
  options.catalog_directory = folder.path();
  folder.write(
      "models/tiny.yaml",
      "spec: {title: Tiny, layers: 2, hidden: 64, inner: 256, vocabulary: 100, attention: {heads: "
      "4, head_dim: 16}}\n"
      "provenance:\n"
      "  - {of: [attention.heads], kind: fitted, source: a}\n"
      "  - {of: [layers, hidden, inner, vocabulary, attention], kind: reported, source: b}\n");
  const Loaded loaded = load_text(with({{3, "model: tiny"}}), "t.yaml", options);
  std::vector<std::string> weak;
  for (const WeakInput& input : loaded.weak_inputs)
    if (input.path.starts_with("models/"))
      weak.push_back(input.path + "=" + input.value);
  CHECK(weak == std::vector<std::string>{"models/tiny: attention.heads=4"});
}

TEST_CASE("any text can be embedded") {
  const Folder folder;
  std::string text = "# \\n ; ; [[ ]] ${x} @y@ $ENV{HOME} \"q\" 'r' )\" R\"( \xc3\xa9\\\n\n;\n";
  for (int i = 0; i < 2000; ++i)
    text += "key-" + std::to_string(i) + ": \xe4\xb8\xad \\\\ ;\n";
  folder.write("root/kind-a/b.yaml", text);
  folder.write("root/kind/a-b.yaml", "a: 1"); // no newline at the end
  folder.write("root/kind/a.yaml", "");
  folder.write("main.cpp", "#include \"sim/scenario/embedded_catalog.hpp\"\n"
                           "#include <cstdio>\n"
                           "int main() {\n"
                           "  for (const auto& e : sim::scenario::embedded_catalog())\n"
                           "    std::printf(\"%.*s\\n%.*s\", int(e.name.size()), e.name.data(), "
                           "int(e.text.size()), e.text.data());\n"
                           "}\n");
  const std::string run = "cd " + folder.path() +
                          " && cmake -DOUTPUT=e.cpp -DROOT=" + folder.path("root") + " -P " +
                          SOURCE_DIR + "/tools/embed-catalog.cmake && c++ -std=c++20 -I" +
                          SOURCE_DIR + " e.cpp main.cpp -o e && ./e > out";
  REQUIRE(std::system(run.c_str()) == 0);
  CHECK(read_file(folder.path("out")) == "kind-a/b\n" + text + "kind/a\nkind/a-b\na: 1");
}

} // namespace
} // namespace sim::scenario
