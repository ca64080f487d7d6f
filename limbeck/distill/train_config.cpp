#include "limbeck/distill/train_config.h"

#include <fmt/format.h>

#include <cmath>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/yaml.h"
#include "limbeck/model/families.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::distill {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMost = std::int64_t{1} << 40;

int small(std::int64_t value) { return static_cast<int>(value); }

BpeTrainOptions read_bpe(Fields fields, const fs::path& folder) {
  BpeTrainOptions o;
  o.vocab_size = small(fields.integer("vocab_size", o.vocab_size, 257, 1 << 20));
  o.min_frequency = small(fields.integer("min_frequency", o.min_frequency, 1, 1 << 20));
  o.split_digits = fields.flag("split_digits", o.split_digits);
  if (fields.has("special_tokens")) o.special_tokens = fields.texts("special_tokens");
  o.bos = fields.text("bos", o.bos);
  o.eos = fields.text("eos", o.eos);
  o.pad = fields.text("pad", o.pad);
  const auto chat = fields.text("chat_template", "default");
  o.chat_template = chat == "default" ? std::string(kDefaultChatTemplate)
                    : chat == "none"  ? std::string()
                                      : read_file(folder / chat, 256 << 10);
  fields.refuse_unknown();
  return o;
}

Architecture read_shape(Fields fields) {
  const auto family_name = fields.text("family", "llama");
  const FamilyInfo* family = find_model_type(family_name);
  static constexpr Family kFresh[] = {Family::llama, Family::mistral, Family::qwen2, Family::qwen3,
                                      Family::gpt2};
  if (!family ||
      std::find(std::begin(kFresh), std::end(kFresh), family->family) == std::end(kFresh)) {
    fail(ErrorKind::usage,
         "{}: family is '{}', a fresh model can be llama, mistral, qwen2, qwen3 or gpt2",
         fields.where(), family_name);
  }
  Architecture a = family->defaults;
  a.family = family->family;
  a.hidden = fields.required_integer("hidden", 1, 1 << 20);
  a.layers = fields.required_integer("layers", 1, 4096);
  a.heads = fields.required_integer("heads", 1, 65536);
  a.kv_heads = fields.integer("kv_heads", a.heads, 1, a.heads);
  if (!fields.has("head_dim") && a.hidden % a.heads != 0) {
    fail(ErrorKind::usage, "{}: {} heads do not divide hidden {} (or give head_dim)",
         fields.where(), a.heads, a.hidden);
  }
  a.head_dim = fields.integer("head_dim", a.hidden / a.heads, 1, 65536);
  if (a.heads % a.kv_heads != 0) {
    fail(ErrorKind::usage, "{}: {} heads do not divide into {} kv_heads", fields.where(), a.heads,
         a.kv_heads);
  }
  a.ffn = fields.required_integer("ffn", 1, 1 << 24);
  a.context_length = fields.required_integer("context", 2, 1 << 24);
  a.rope_theta = fields.number("rope_theta", 10000, 1, 1e12);
  a.norm_epsilon = fields.number("norm_epsilon", 1e-5, 0, 1);
  a.tied_embeddings = fields.flag("tied", true);
  a.rope_dim = a.positions == Positions::rope ? a.head_dim : 0;
  a.rope_style = RopeStyle::half;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  a.embedding_scale = 1;
  a.sliding_window = 0;
  fields.refuse_unknown();
  return a;
}

DataSource read_source(const Json& json, const std::string& where, const fs::path& folder) {
  DataSource source;
  if (json.is_string()) {
    source.file = folder / json.get<std::string>();
    return source;
  }
  Fields fields(json, where);
  source.file = folder / fields.required_text("file");
  source.weight = fields.number("weight", 1, 0, 1e6);
  const auto on = fields.text("train_on", "answers");
  if (on != "answers" && on != "all") {
    fail(ErrorKind::usage, "{}: train_on is '{}', it must be answers or all", where, on);
  }
  source.answers_only = on == "answers";
  const auto turns = fields.text("turns", "all");
  if (turns != "all" && turns != "last") {
    fail(ErrorKind::usage, "{}: turns is '{}', it must be all or last", where, turns);
  }
  source.last_turn = turns == "last";
  source.separator = fields.text("separator");
  source.max_rows = fields.integer("max_rows", 0, 0, kMost);
  fields.refuse_unknown();
  return source;
}

std::vector<DataSource> read_sources(const Json& json, const std::string& where,
                                     const fs::path& folder) {
  std::vector<DataSource> sources;
  if (!json.is_array()) {
    sources.push_back(read_source(json, where, folder));
    return sources;
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    sources.push_back(read_source(json[i], fmt::format("{}[{}]", where, i), folder));
  }
  return sources;
}

}  // namespace

TrainConfig read_train_config(const fs::path& path) {
  const Json json = read_yaml_file(path.string());
  const fs::path folder = path.parent_path();
  const std::string where = path.string();
  Fields fields(json, where);
  TrainConfig config;
  config.origin = path;
  if (fields.has("output")) config.output = folder / fields.text("output");
  const Json* tokenizer = fields.find("tokenizer");
  if (tokenizer && tokenizer->is_string()) {
    config.tokenizer = folder / tokenizer->get<std::string>();
  } else if (tokenizer) {
    Fields inner(*tokenizer, where + ": tokenizer");
    const Json* train = inner.find("train");
    if (!train)
      fail(ErrorKind::usage, "{}: needs a path, or train: {{vocab_size: ..}}", inner.where());
    config.train_tokenizer = read_bpe(Fields(*train, inner.where() + ".train"), folder);
    inner.refuse_unknown();
  }
  const Json* model = fields.find("model");
  if (fields.has("start") == (model != nullptr)) {
    fail(ErrorKind::usage, "{}: give either start (a model to go on from) or model (a fresh shape)",
         where);
  }
  if (model) {
    config.start.shape = read_shape(Fields(*model, where + ": model"));
    if (!tokenizer) {
      fail(ErrorKind::usage, "{}: a fresh model needs tokenizer: a path, or {{train: ..}}", where);
    }
  } else {
    config.start.model = folder / fields.text("start");
    if (tokenizer) fail(ErrorKind::usage, "{}: start brings its own tokenizer", where);
  }
  const Json* data = fields.find("data");
  if (!data) fail(ErrorKind::usage, "{}: data is missing: a list of files", where);
  config.data = read_sources(*data, where + ": data", folder);
  if (const Json* dev = fields.find("dev"); dev && dev->is_object() && dev->contains("share")) {
    Fields inner(*dev, where + ": dev");
    config.dev_share = inner.number("share", 0, 0, 0.5);
    inner.refuse_unknown();
  } else if (dev) {
    config.dev = read_sources(*dev, where + ": dev", folder);
  }
  if (const Json* train = fields.find("train")) {
    Fields inner(*train, where + ": train");
    config.options = read_train_options(inner);
    inner.refuse_unknown();
  }
  config.prompt = fields.text("prompt");
  if (!config.prompt.empty() && config.prompt != "full" && config.prompt != "instruction" &&
      config.prompt != "bare") {
    fail(ErrorKind::usage, "{}: prompt: '{}' is none of full, instruction, bare", where,
         config.prompt);
  }
  config.options.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0));
  fields.refuse_unknown();
  return config;
}

}  // namespace limbeck::distill
