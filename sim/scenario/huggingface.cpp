// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/huggingface.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/compose.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/overlay.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sim::scenario {
namespace {

enum class Family { Gated, Experts, Latent, Plain };
struct Kind {
  const char* type; // key model_type
  Family family;
};
constexpr Kind kinds[] = {{"llama", Family::Gated},        {"mistral", Family::Gated},
                          {"qwen2", Family::Gated},        {"qwen3", Family::Gated},
                          {"mixtral", Family::Experts},    {"qwen2_moe", Family::Experts},
                          {"qwen3_moe", Family::Experts},  {"deepseek_v2", Family::Latent},
                          {"deepseek_v3", Family::Latent}, {"gpt2", Family::Plain},
                          {"gpt_neox", Family::Plain}};

Node scalar_at(const Location& place, std::string text) {
  Node node;
  node.kind = Node::Kind::Scalar;
  node.location = place;
  node.text = std::move(text);
  return node;
}

// Turns one config.json into the keys of a model.
class ConfigReader {
public:
  ConfigReader(const Node& config, Findings& findings) : config_(config), findings_(findings) {}

  std::optional<Node> model(const std::string& file) {
    const std::optional<Family> family = this->family();
    if (!family)
      return std::nullopt;
    Node model = map();
    const std::string folder = std::filesystem::path(file).parent_path().filename().string();
    Node title = scalar_at(config_.location, folder.empty() ? file : folder);
    title.quoted = true;
    add(model, "title", std::move(title));
    copy(model, "layers", {"num_hidden_layers", "n_layer"});
    copy(model, "hidden", {"hidden_size", "n_embd"});
    copy(model, "vocabulary", {"vocab_size"});
    copy(model, "tied_embeddings", {"tie_word_embeddings"}, false);
    add(model, "attention", attention(*family));
    feed_forward(model, *family);
    return model;
  }

private:
  [[nodiscard]] Node map() const {
    Node node;
    node.kind = Node::Kind::Map;
    node.location = config_.location;
    return node;
  }
  void add(Node& to, const char* key, Node value) const {
    const Location place = value.location;
    to.members.push_back({key, place, std::move(value)});
  }
  void add_word(Node& to, const char* key, const char* word) const {
    add(to, key, scalar_at(config_.location, word));
  }

  // The first of the names that is written and not null.
  [[nodiscard]] const Node* written(const std::vector<const char*>& names) const {
    for (const char* name : names)
      if (const Node* found = config_.find(name);
          found != nullptr && found->is_scalar() && !found->is_null())
        return found;
    return nullptr;
  }
  void copy(Node& to, const char* key, const std::vector<const char*>& names,
            bool required = true) const {
    if (const Node* found = written(names))
      add(to, key, *found);
    else if (required)
      findings_.add(config_.location, std::string("the key '") + names.front() + "' is missing",
                    "a config.json of the Transformers library has it");
  }
  [[nodiscard]] double number(const std::vector<const char*>& names) const {
    const Node* found = written(names);
    return found == nullptr ? 0 : parse_number(found->text).value_or(0);
  }

  std::optional<Family> family() const {
    const Node* type = config_.find("model_type");
    const std::string word = type != nullptr && type->is_scalar() ? type->text : "";
    std::vector<std::string> known;
    for (const Kind& kind : kinds) {
      if (word == kind.type)
        return kind.family;
      known.emplace_back(kind.type);
    }
    findings_.add(type == nullptr ? config_.location : type->location,
                  "model_type: '" + word + "' is none that is known here",
                  suggestion(word, known) + "; or write the model out");
    return std::nullopt;
  }

  Node attention(Family family) const {
    Node attention = map();
    copy(attention, "heads", {"num_attention_heads", "n_head"});
    if (family == Family::Latent) {
      add_word(attention, "kind", "latent");
      copy(attention, "head_dim", {"qk_nope_head_dim"});
      copy(attention, "query_rank", {"q_lora_rank"}, false);
      copy(attention, "kv_rank", {"kv_lora_rank"});
      copy(attention, "rope_dim", {"qk_rope_head_dim"});
      copy(attention, "value_dim", {"v_head_dim"});
      return attention;
    }
    copy(attention, "kv_heads", {"num_key_value_heads"}, false);
    window(attention);
    if (written({"head_dim"}) != nullptr) {
      copy(attention, "head_dim", {"head_dim"});
      return attention;
    }
    const double hidden = number({"hidden_size", "n_embd"}),
                 heads = number({"num_attention_heads", "n_head"});
    if (heads > 0)
      add(attention, "head_dim", scalar_at(config_.location, number_text(hidden / heads)));
    return attention;
  }

  // Of Mistral in every layer; of Qwen only where it says so, from layer max_window_layers on.
  void window(Node& attention) const {
    const Node* given = written({"sliding_window"});
    const Node* used = written({"use_sliding_window"});
    if (given == nullptr || (used != nullptr && used->is_word("false")))
      return;
    if (used != nullptr && number({"max_window_layers"}) > 0)
      findings_.add(used->location,
                    "use_sliding_window: only the layers from max_window_layers on have the window",
                    "all layers have the same here: write the model out, or set it to false");
    copy(attention, "window", {"sliding_window"});
  }

  struct Activation {
    const char* name; // hidden_act
    const char* gated;
    const char* plain;
  };
  // Of a gated or a plain feed-forward.
  void activation(Node& model, bool gated) const {
    static constexpr Activation activations[] = {
        {"silu", "swiglu", nullptr},       {"swish", "swiglu", nullptr},
        {"gelu", "geglu", "gelu"},         {"gelu_new", "geglu", "gelu"},
        {"gelu_fast", "geglu", "gelu"},    {"gelu_pytorch_tanh", "geglu", "gelu"},
        {"relu2", nullptr, "squared-relu"}};
    const Node* given = written({"hidden_act", "hidden_activation", "activation_function"});
    const char* kind = gated ? "swiglu" : "gelu";
    if (given != nullptr) {
      kind = nullptr;
      for (const Activation& each : activations)
        if (given->text == each.name)
          kind = gated ? each.gated : each.plain;
      if (kind == nullptr)
        return findings_.add(given->location,
                             "activation '" + given->text + "' is none that is known for a " +
                                 (gated ? "gated" : "plain") + " feed-forward",
                             "write the model out");
    }
    add_word(model, "feed_forward", kind);
  }

  void feed_forward(Node& model, Family family) const {
    activation(model, family != Family::Plain);
    if (family == Family::Plain) {
      add_word(model, "norm", "layernorm");
      add_word(model, "biases", "true");
      if (written({"n_positions"}) != nullptr) { // gpt2: learned positions, tied unless it says no
        copy(model, "learned_positions", {"n_positions"});
        if (model.find("tied_embeddings") == nullptr)
          add_word(model, "tied_embeddings", "true");
      }
      if (written({"intermediate_size", "n_inner"}) != nullptr)
        copy(model, "inner", {"intermediate_size", "n_inner"});
      else
        add(model, "inner",
            scalar_at(config_.location, number_text(4 * number({"hidden_size", "n_embd"}))));
      return;
    }
    if (family == Family::Gated)
      return copy(model, "inner", {"intermediate_size"});
    Node experts = map();
    copy(experts, "routed", {"n_routed_experts", "num_experts", "num_local_experts"});
    copy(experts, "active", {"num_experts_per_tok"});
    copy(experts, "inner", {"moe_intermediate_size", "intermediate_size"});
    if (family == Family::Latent) {
      copy(experts, "shared", {"n_shared_experts"}, false);
      copy(model, "inner", {"intermediate_size"});
      copy(model, "dense_layers", {"first_k_dense_replace"}, false);
      copy(model, "multi_token_prediction", {"num_nextn_predict_layers"}, false);
    } else if (const double shared = number({"shared_expert_intermediate_size"}),
               inner = number({"moe_intermediate_size"});
               shared > 0 && inner > 0) {
      add(experts, "shared", scalar_at(config_.location, number_text(shared / inner)));
    }
    add(model, "experts", std::move(experts));
  }

  const Node& config_;
  Findings& findings_;
};

} // namespace

void read_huggingface(Node& root, Findings& findings) {
  Node* model = root.find("model");
  const Node* named = model != nullptr && model->is_map() ? model->find("huggingface") : nullptr;
  if (named == nullptr)
    return;
  const Node path = *named;
  const auto refuse = [&](const std::string& message, const std::string& remedy) {
    findings.add(path.location, "model.huggingface: " + message, remedy);
    model->kind = Node::Kind::Refused;
  };
  if (!path.is_scalar() || path.text.empty())
    return refuse("found " + describe(path), "name a config.json");
  if (model->find("extends") != nullptr)
    return refuse("a model comes from a file or from the catalogue", "leave `extends` out");
  const std::string file = resolve_path(path.location.file, path.text);
  const std::optional<Node> config = read_document(file, findings, &path.location);
  if (!config || !config->is_map()) {
    if (config)
      findings.add(config->location, "found " + describe(*config) + " instead of a config.json");
    model->kind = Node::Kind::Refused;
    return;
  }
  std::optional<Node> whole = ConfigReader(*config, findings).model(file);
  if (!whole) {
    model->kind = Node::Kind::Refused;
    return;
  }
  model->erase("huggingface");
  merge(*whole, *model);
  whole->location = model->location;
  *model = std::move(*whole);
}

} // namespace sim::scenario
