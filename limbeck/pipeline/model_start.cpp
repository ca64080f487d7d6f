#include "limbeck/pipeline/model_start.h"

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/task/data.h"

namespace limbeck::pipeline {
namespace {

std::filesystem::path path_of(Fields& fields, std::string_view key,
                              const std::filesystem::path& folder) {
  return resolve_path(fields.required_text(key), folder,
                      fmt::format("{}: {}", fields.where(), key));
}

// What only a student can ask for.
void read_student(Fields& fields, const std::filesystem::path& folder, ModelStart& start) {
  if (fields.has("tokenizer")) start.tokenizer = path_of(fields, "tokenizer", folder);
  start.vocab_size = static_cast<int>(fields.integer("vocab_size", start.vocab_size, 300, 1 << 20));
  const std::string vocabulary = fields.text("vocabulary", "whole");
  if (vocabulary != "whole" && vocabulary != "task")
    fields.refuse("vocabulary", "must be 'whole' or 'task'");
  start.task_vocabulary = vocabulary == "task";
  const std::string from = fields.text("from");
  constexpr std::int64_t kMost = 1 << 20;
  StudentCut cut;
  cut.shape.layers = fields.integer("layers", 0, 1, kMost);
  cut.shape.hidden = fields.integer("hidden", 0, 1, kMost);
  cut.shape.ffn = fields.integer("ffn", 0, 1, kMost);
  cut.shape.heads = fields.integer("heads", 0, 1, kMost);
  cut.rounds = static_cast<int>(fields.integer("rounds", 0, 1, 16));
  if (from.empty()) {
    for (const char* key : {"layers", "hidden", "ffn", "heads", "rounds"})
      if (fields.has(key)) fields.refuse(key, "needs 'from: teacher' (or stands in 'shape')");
    return;
  }
  if (from != "teacher") fields.refuse("from", "must be 'teacher'");
  start.cut = cut;
}

}  // namespace

std::filesystem::path resolve_path(const std::string& text, const std::filesystem::path& folder,
                                   const std::string& where) {
  const std::filesystem::path path = expand_environment(text, where);
  return (path.is_absolute() ? path : folder / path).lexically_normal();
}

ModelStart read_start(const Json& json, const std::filesystem::path& folder,
                      const std::string& where, bool student) {
  ModelStart start;
  Fields fields(json, where);
  if (fields.has("model")) start.model = path_of(fields, "model", folder);
  if (const Json* shape = fields.find("shape")) start.shape = read_shape(*shape, where + ": shape");
  if (student) read_student(fields, folder, start);
  fields.refuse_unknown();
  const int ways = !start.model.empty() + start.shape.has_value() + start.cut.has_value();
  if (ways != 1)
    fail(ErrorKind::usage, "{}: needs either 'model' or 'shape'{}", where,
         student ? ", or 'from: teacher'" : "");
  return start;
}

Json ModelStart::to_json() const {
  if (cut) {
    const distill::CutShape& kept = cut->shape;
    return {{"from", "teacher"},
            {"layers", kept.layers},
            {"hidden", kept.hidden},
            {"ffn", kept.ffn},
            {"heads", kept.heads},
            {"rounds", cut->rounds},
            {"vocabulary", task_vocabulary ? "task" : "whole"}};
  }
  if (!shape) {
    Json json = {{"model", model.string()}};
    if (task_vocabulary) json["vocabulary"] = "task";
    return json;
  }
  const Architecture& a = *shape;
  Json json = {{"shape",
                {{"hidden", a.hidden},
                 {"layers", a.layers},
                 {"heads", a.heads},
                 {"kv_heads", a.kv_heads},
                 {"head_dim", a.head_dim},
                 {"ffn", a.ffn},
                 {"context", a.context_length},
                 {"tied_embeddings", a.tied_embeddings}}}};
  if (!tokenizer.empty()) json["tokenizer"] = tokenizer.string();
  if (task_vocabulary) json["vocabulary"] = "task";
  return json;
}

Architecture read_shape(const Json& json, const std::string& where) {
  Fields fields(json, where);
  Architecture shape;
  shape.family = Family::llama;
  shape.hidden = fields.required_integer("hidden", 8, 1 << 16);
  shape.layers = fields.required_integer("layers", 1, 1000);
  shape.heads = fields.required_integer("heads", 1, 1024);
  shape.kv_heads = fields.integer("kv_heads", shape.heads, 1, shape.heads);
  shape.head_dim = fields.integer("head_dim", shape.hidden / shape.heads, 2, 1024);
  shape.ffn = fields.integer("ffn", (shape.hidden * 8 / 3 + 31) / 32 * 32, 8, 1 << 18);
  shape.context_length = fields.integer("context", 256, 8, 1 << 20);
  shape.tied_embeddings = fields.flag("tied_embeddings", true);
  shape.rope_theta = fields.number("rope_theta", 10000, 1, 1e9);
  fields.refuse_unknown();
  if (shape.heads % shape.kv_heads != 0)
    fail(ErrorKind::usage, "{}: heads ({}) must be a multiple of kv_heads ({})", where, shape.heads,
         shape.kv_heads);
  if (shape.head_dim % 2 != 0)
    fail(ErrorKind::usage, "{}: head_dim ({}) must be even", where, shape.head_dim);
  shape.rope_dim = shape.head_dim;
  shape.attention_scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  return shape;
}

}  // namespace limbeck::pipeline
