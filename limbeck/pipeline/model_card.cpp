#include "limbeck/pipeline/model_card.h"

#include <fmt/format.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/version.h"
#include "limbeck/base/yaml.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/report/results.h"
#include "limbeck/report/tables.h"
#include "limbeck/task/task.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

using report::at;

constexpr std::uint64_t kMostCardBytes = 1 << 20;

std::string text_at(const Json& json, std::initializer_list<std::string_view> path) {
  const Json& value = at(json, path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

// Foreign text in Markdown: no markup, no HTML, one line.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : safe_tty(text)) {
    if (c == '<') {
      out += "&lt;";
      continue;
    }
    if (std::string_view("|\\`*_[]#").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string pipeline_tag(const Json& results) {
  const std::string kind = text_at(results, {"task", "kind"});
  return kind == "classification" ? "text-classification"
         : kind == "qa"           ? "question-answering"
         : kind == "extraction"   ? "token-classification"
                                  : "text-generation";
}

Json metrics_of(const Json& task) {
  Json metrics = Json::array();
  for (const auto& [name, interval] : at(task, {"metrics"}).items()) {
    if (!at(interval, {"value"}).is_number()) continue;
    metrics.push_back(
        {{"type", name},
         {"value", interval.at("value")},
         {"name", fmt::format("{} (95 % interval {:.4f} to {:.4f}, n = {})", name,
                              interval.at("low").get<double>(), interval.at("high").get<double>(),
                              at(task, {"n"}).dump())}});
  }
  return metrics;
}

// Results as model hubs index them: one entry a task.
Json model_index(const std::string& name, const CardFacts& facts) {
  Json results = Json::array();
  for (const Json& task : at(facts.measured, {"tasks"})) {
    const Json metrics = metrics_of(task);
    if (metrics.empty()) continue;
    const std::string task_name = text_at(task, {"task"});
    results.push_back({{"task", {{"type", pipeline_tag(facts.results)}, {"name", task_name}}},
                       {"dataset", {{"type", "private"}, {"name", task_name}, {"split", "test"}}},
                       {"metrics", metrics}});
  }
  return Json::array({{{"name", name}, {"results", results}}});
}

Json front_matter(const std::string& name, const Checkpoint& checkpoint, const CardFacts& facts) {
  const bool gguf = checkpoint.format() == Checkpoint::Format::gguf;
  const Json& manifest = checkpoint.manifest();
  Json tags = {"limbeck"};
  if (gguf) tags.push_back("gguf");
  if (manifest.contains("teacher")) tags.push_back("distillation");
  if (manifest.contains("quantization")) tags.push_back("quantized");
  Json json;
  json["license"] = facts.license.empty() ? "other" : facts.license;
  if (facts.license.empty()) json["license_name"] = "as-the-base-model";
  if (!facts.base.empty()) {
    json["base_model"] = facts.base;
    json["base_model_relation"] = facts.base_relation;
  }
  json["library_name"] = gguf ? "gguf" : "transformers";
  json["pipeline_tag"] = pipeline_tag(facts.results);
  json["tags"] = tags;
  if (const std::string task = text_at(manifest, {"task"}); !task.empty())
    json["datasets"] = Json::array({task});
  if (Json index = model_index(name, facts); !index[0].at("results").empty())
    json["model-index"] = index;
  return json;
}

std::string numbers(const Checkpoint& checkpoint, const CardFacts& facts) {
  const Architecture& a = checkpoint.architecture();
  std::string out = fmt::format(
      "| | |\n|---|---|\n| parameters | {} |\n| size | {} |\n| shape | {} layers, width {}, "
      "vocabulary {}, context {} |\n",
      human_count(static_cast<double>(parameter_count(a))),
      human_bytes(static_cast<double>(checkpoint.file_bytes())), a.layers, a.hidden,
      human_count(static_cast<double>(a.vocab_size)),
      human_count(static_cast<double>(a.context_length)));
  if (const Json& bits = at(facts.measured, {"bits_per_weight"}); bits.is_number())
    out += fmt::format("| bits per weight | {} |\n", report::number(bits, 2));
  for (const Json& task : at(facts.measured, {"tasks"})) {
    const std::string primary = text_at(task, {"primary"});
    if (primary.empty()) continue;
    out += fmt::format("| {} on {}, % | {} (n = {}) |\n", primary, plain(text_at(task, {"task"})),
                       report::percent_interval(at(task, {"metrics", primary})),
                       at(task, {"n"}).dump());
    if (task.contains("difference"))
      out += fmt::format("| difference to the first model, points | {} |\n",
                         report::marked_difference(task.at("difference")));
  }
  for (const auto& [label, key] : {std::pair("prompt, tokens/s", "prompt_tokens_per_s"),
                                   std::pair("generation, tokens/s", "generation_tokens_per_s")}) {
    if (const Json& rate = at(facts.measured, {key, "value"}); rate.is_number())
      out += fmt::format("| {} | {} |\n", label, report::number(rate, 0));
  }
  if (const std::string cpu = text_at(facts.results, {"machine", "cpu"}); !cpu.empty())
    out += fmt::format("| measured on | {}, {} threads |\n", plain(cpu),
                       at(facts.results, {"machine", "threads"}).dump());
  return out;
}

std::string provenance(const Checkpoint& checkpoint, const CardFacts& facts) {
  const Json& manifest = checkpoint.manifest();
  std::string out;
  const auto line = [&](std::string_view what, const std::string& text) {
    if (!text.empty()) out += fmt::format("- {}: {}\n", what, plain(text));
  };
  line("made from", facts.base);
  line("training", text_at(manifest, {"training", "method"}));
  if (const Json& tokens = at(manifest, {"training", "tokens"}); tokens.is_number())
    line("training tokens", report::count(tokens));
  if (const Json& seed = at(manifest, {"training", "seed"}); seed.is_number())
    line("seed", seed.dump());
  line("teacher's SHA-256", text_at(manifest, {"teacher", "sha256"}));
  line("quantized to", text_at(manifest, {"quantization", "type"}));
  line("method of quantization", text_at(manifest, {"quantization", "method"}));
  if (const Json& tokens = at(manifest, {"quantization", "calibration", "tokens"});
      tokens.is_number())
    line("calibration tokens", report::count(tokens));
  line("task", text_at(manifest, {"task"}));
  line("prompt it expects", text_at(manifest, {"prompt"}));
  line("SHA-256", text_at(facts.measured, {"sha256"}));
  line("measured by", text_at(facts.results, {"command"}));
  line("written by", "limbeck " + std::string(version()));
  return out;
}

std::string name_of(const std::filesystem::path& path) {
  const auto clean = path.lexically_normal();
  if (clean.extension() == ".gguf") return clean.stem().string();
  return (clean.has_filename() ? clean : clean.parent_path()).filename().string();
}

// The model's own prompt around a placeholder, by rendering its template around it.
std::string ollama_template(const Checkpoint& checkpoint) {
  constexpr std::string_view kPrompt = "{{ .Prompt }}", kSystem = "{{ .System }}";
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  const bool bare = prompt_style_of(checkpoint.manifest()) == PromptStyle::bare;
  const auto render = [&](bool system) {
    Json messages = Json::array();
    if (system) messages.push_back({{"role", "system"}, {"content", kSystem}});
    messages.push_back({{"role", "user"}, {"content", kPrompt}});
    return tokenizer.decode(chat_prompt(tokenizer, messages), false);
  };
  const std::string alone = render(false);
  if (bare) return alone;
  try {
    return fmt::format("{{{{ if .System }}}}{}{{{{ else }}}}{}{{{{ end }}}}", render(true), alone);
  } catch (const Error&) {  // a template that knows no system message
    return alone;
  }
}

}  // namespace

std::string model_card(const std::filesystem::path& path, const CardFacts& facts) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const std::string name = name_of(path);
  const bool specialist = checkpoint.manifest().contains("teacher");
  return fmt::format(
      "---\n{}---\n\n# {}\n\n{}\n\n{}\n## Provenance\n\n{}\n## Limits\n\n{}\n",
      to_yaml(front_matter(name, checkpoint, facts)), plain(name),
      specialist ? "A specialist: it was distilled for one task and has forgotten everything else."
                 : "Written by limbeck. Numbers are measured on this very file.",
      numbers(checkpoint, facts), provenance(checkpoint, facts),
      at(facts.measured, {"tasks"}).empty()
          ? "Nothing was measured on this file yet: `limbeck compare` does."
          : "Scores are of the test set named above, with 95 % intervals; other data may give "
            "others. One seed of training was measured.");
}

std::string modelfile(const std::filesystem::path& gguf) {
  const Checkpoint checkpoint = Checkpoint::open(gguf);
  std::string out = fmt::format("FROM ./{}\n", gguf.filename().string());
  if (checkpoint.has_tokenizer()) {
    out += fmt::format("TEMPLATE \"\"\"{}\"\"\"\n", ollama_template(checkpoint));
    const Tokenizer& tokenizer = checkpoint.tokenizer();
    try {
      out += fmt::format("PARAMETER stop \"{}\"\n", tokenizer.token_piece(answer_end(tokenizer)));
    } catch (const Error&) {
      // Neither the template nor the vocabulary ends an answer: the reader must say where.
    }
  }
  return out + fmt::format("PARAMETER temperature 0\nPARAMETER num_ctx {}\n",
                           checkpoint.architecture().context_length);
}

std::string license_of(const std::filesystem::path& model) {
  const auto card = std::filesystem::is_directory(model)
                        ? model / "README.md"
                        : std::filesystem::path(model).replace_extension(".README.md");
  if (!std::filesystem::is_regular_file(card)) return {};
  try {
    const std::string text = read_file(card, kMostCardBytes);
    const auto end = text.starts_with("---\n") ? text.find("\n---", 4) : std::string::npos;
    if (end == std::string::npos) return {};
    const std::string license =
        text_at(parse_yaml(text.substr(4, end - 3), card.string()), {"license"});
    return license == "other" ? "" : license;
  } catch (const Error&) {
    return {};
  }
}

void write_card(const std::filesystem::path& path, const CardFacts& facts) {
  if (std::filesystem::is_directory(path)) {
    write_file(path / "README.md", model_card(path, facts));
    return;
  }
  auto beside = path;
  write_file(beside.replace_extension(".README.md"), model_card(path, facts));
  beside = path;
  write_file(beside.replace_extension(".Modelfile"), modelfile(path));
}

void write_cards(const Json& results, const std::filesystem::path& folder) {
  const Json& models = results.at("models");
  const auto inside = std::filesystem::absolute(folder).lexically_normal();
  const auto absolute = [](const Json& model) {
    return std::filesystem::absolute(model.at("path").get<std::string>()).lexically_normal();
  };
  for (const Json& model : models) {
    if (at(model, {"format"}) == "endpoint") continue;
    const auto path = absolute(model);
    const auto relative = path.lexically_relative(inside);
    if (relative.empty() || *relative.begin() == "..") continue;  // not written by this run
    CardFacts facts;
    facts.measured = model;
    facts.results = results;
    const std::string base = text_at(model, {"base"});
    for (const Json& other : models) {
      const bool its_base = !base.empty() && text_at(other, {"name"}) == base;
      const bool its_teacher = base.empty() && &other == &models[0] && &model != &models[0];
      if (!its_base && !its_teacher) continue;
      facts.base = name_of(text_at(other, {"path"}));
      facts.base_relation = its_base ? "quantized" : "finetune";
      facts.license = license_of(text_at(other, {"path"}));
    }
    write_card(path, facts);
  }
}

}  // namespace limbeck::pipeline
