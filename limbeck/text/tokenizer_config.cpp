// tokenizer_config.json: which tokens begin, end and pad, and the chat templates.
// Source: PreTrainedTokenizerBase of huggingface/transformers.
#include <algorithm>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/limits.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

std::optional<TokenId> find(const TokenizerSpec& spec, std::string_view content) {
  for (const AddedToken& token : spec.added) {
    if (token.content == content) return token.id;
  }
  for (std::size_t id = 0; id < spec.model.pieces.size(); ++id) {
    if (spec.model.pieces[id] == content) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

std::optional<std::string> content_at(const TokenizerSpec& spec, std::optional<TokenId> id) {
  if (!id) return std::nullopt;
  for (const AddedToken& token : spec.added) {
    if (token.id == *id) return token.content;
  }
  const auto at = static_cast<std::size_t>(*id);
  return at < spec.model.pieces.size() ? spec.model.pieces[at] : std::nullopt;
}

// "<s>" or {"content": "<s>", ...}
void read_token(Fields& fields, const TokenizerSpec& spec, std::string_view key,
                std::optional<TokenId>& out) {
  const Json* value = fields.find(key);
  if (!value) return;
  if (value->is_string()) {
    out = find(spec, value->get_ref<const std::string&>());
    return;
  }
  Fields token(*value, fields.where() + ": " + std::string(key), ErrorKind::format);
  out = find(spec, token.required_text("content"));
}

// A template, or a list of {"name": ..., "template": ...}.
void read_templates(Fields& fields, TokenizerSpec& spec) {
  const Json* value = fields.find("chat_template");
  if (!value) return;
  if (value->is_string()) {
    spec.chat_templates.emplace_back("", value->get<std::string>());
    return;
  }
  if (!value->is_array()) {
    fail(ErrorKind::format, "{}: chat_template must be text or a list", fields.where());
  }
  for (const Json& entry : *value) {
    Fields named(entry, fields.where() + ": chat_template", ErrorKind::format);
    std::string name = named.required_text("name");
    if (name == "default") name.clear();
    spec.chat_templates.emplace_back(std::move(name), named.required_text("template"));
  }
}

// Added tokens that only the configuration knows.
void read_added(Fields& fields, TokenizerSpec& spec) {
  const Json* tokens = fields.find("added_tokens_decoder");
  if (!tokens || !tokens->is_object()) return;
  std::vector<bool> taken(spec.size());
  for (std::size_t id = 0; id < spec.model.pieces.size(); ++id) {
    taken[id] = spec.model.pieces[id].has_value();
  }
  std::unordered_set<std::string> contents;
  for (const AddedToken& token : spec.added) {
    taken[static_cast<std::size_t>(token.id)] = true;
    contents.insert(token.content);
  }
  for (const auto& piece : spec.model.pieces)
    if (piece) contents.insert(*piece);
  for (const auto& [key, entry] : tokens->items()) {
    const bool is_number = !key.empty() && key.size() < 8 && (key == "0" || key[0] != '0') &&
                           std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    const std::size_t id = is_number ? std::stoul(key) : limits().tokenizer_pieces;
    if (id >= limits().tokenizer_pieces) {
      fail(ErrorKind::format, "{}: added_tokens_decoder: '{}' is no token id", fields.where(), key);
    }
    if (id < taken.size() && taken[id]) continue;
    Fields token(entry, fields.where() + ": added_tokens_decoder: " + key, ErrorKind::format);
    AddedToken added;
    added.id = static_cast<TokenId>(id);
    added.content = token.required_text("content");
    added.special = token.flag("special", false);
    added.single_word = token.flag("single_word", false);
    added.lstrip = token.flag("lstrip", false);
    added.rstrip = token.flag("rstrip", false);
    added.normalized = token.flag("normalized", !added.special);
    if (!added.content.empty() && contents.insert(added.content).second)
      spec.added.push_back(std::move(added));
  }
}

}  // namespace

void read_tokenizer_config(std::string_view text, std::string_view origin, TokenizerSpec& spec) {
  const Json json = parse_json(text, origin, {.bytes = limits().tokenizer_config_bytes});
  Fields fields(json, std::string(origin), ErrorKind::format);
  read_added(fields, spec);
  read_token(fields, spec, "bos_token", spec.bos);
  read_token(fields, spec, "eos_token", spec.eos);
  read_token(fields, spec, "pad_token", spec.pad);
  read_token(fields, spec, "unk_token", spec.unknown);
  if (fields.has("add_bos_token")) spec.add_bos = fields.flag("add_bos_token");
  if (fields.has("add_eos_token")) spec.add_eos = fields.flag("add_eos_token");
  read_templates(fields, spec);
}

std::string write_tokenizer_config(const TokenizerSpec& spec) {
  Json json = Json::object();
  if (spec.add_bos) json["add_bos_token"] = *spec.add_bos;
  if (spec.add_eos) json["add_eos_token"] = *spec.add_eos;
  Json decoder = Json::object();
  auto& members = decoder.get_ref<Json::object_t&>();
  for (const AddedToken& token : spec.added) {  // unique ids: no search for duplicates needed
    static_cast<std::vector<Json::object_t::value_type>&>(members).emplace_back(
        std::to_string(token.id), Json{{"content", token.content},
                                       {"lstrip", token.lstrip},
                                       {"normalized", token.normalized},
                                       {"rstrip", token.rstrip},
                                       {"single_word", token.single_word},
                                       {"special", token.special}});
  }
  json["added_tokens_decoder"] = std::move(decoder);
  for (const auto& [key, id] :
       {std::pair{"bos_token", spec.bos}, std::pair{"eos_token", spec.eos},
        std::pair{"pad_token", spec.pad}, std::pair{"unk_token", spec.unknown}}) {
    if (const auto content = content_at(spec, id)) json[key] = *content;
  }
  json["clean_up_tokenization_spaces"] = false;
  json["model_max_length"] = 1e30;  // "no limit" as transformers writes it
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  if (spec.chat_templates.size() == 1 && spec.chat_templates[0].first.empty()) {
    json["chat_template"] = spec.chat_templates[0].second;
  } else if (!spec.chat_templates.empty()) {
    Json list = Json::array();
    for (const auto& [name, source] : spec.chat_templates) {
      list.push_back({{"name", name.empty() ? "default" : name}, {"template", source}});
    }
    json["chat_template"] = std::move(list);
  }
  return to_text(json, 2) + "\n";
}

}  // namespace limbeck
