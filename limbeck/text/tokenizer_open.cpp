// Where tokenizers come from: folders, texts, GGUF files.
#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/text/gguf_vocabulary.h"
#include "limbeck/text/tokenizer_impl.h"

namespace limbeck {
namespace {

void set_default_template(TokenizerSpec& spec, std::string source) {
  for (auto& [name, text] : spec.chat_templates) {
    if (name.empty()) {
      text = std::move(source);
      return;
    }
  }
  spec.chat_templates.emplace_back("", std::move(source));
}

}  // namespace

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json, std::string_view config_json,
                               std::string_view origin) {
  TokenizerSpec spec = read_tokenizer_json(tokenizer_json, origin);
  if (!config_json.empty()) {
    read_tokenizer_config(config_json, std::string(origin) + " (tokenizer_config)", spec);
  }
  auto impl = std::make_unique<Impl>(std::move(spec));
  impl->tokenizer_json = tokenizer_json;
  impl->config_json = config_json;
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder) {
  const auto json_path = folder / "tokenizer.json", config_path = folder / "tokenizer_config.json",
             template_path = folder / "chat_template.jinja";
  if (!std::filesystem::exists(json_path)) {
    fail_try(ErrorKind::usage,
             "convert the tokenizer with transformers (save_pretrained writes tokenizer.json)",
             "{}: there is no tokenizer.json", folder.string());
  }
  const std::string json = read_file(json_path, limits().tokenizer_file_bytes);
  TokenizerSpec spec = read_tokenizer_json(json, json_path.string());
  std::string config;
  if (std::filesystem::exists(config_path)) {
    config = read_file(config_path, limits().tokenizer_file_bytes);
    read_tokenizer_config(config, config_path.string(), spec);
  }
  const bool separate = std::filesystem::exists(template_path);
  if (separate)
    set_default_template(spec, read_file(template_path, limits().template_source_bytes));
  auto impl = std::make_unique<Impl>(std::move(spec));
  impl->tokenizer_json = json;
  // With the template in a file of its own the original configuration lacks it.
  if (!separate) impl->config_json = config;
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::from_gguf(const GgufReader& file) {
  return Tokenizer(std::make_unique<Impl>(read_gguf_vocabulary(file)));
}

Tokenizer Tokenizer::open(const std::filesystem::path& model) {
  if (std::filesystem::is_directory(model)) return from_folder(model);
  if (!std::filesystem::exists(model)) {
    fail(ErrorKind::usage, "{}: no such file or folder", model.string());
  }
  return from_gguf(GgufReader::open(model));
}

GgufMetadata Tokenizer::to_gguf() const { return write_gguf_vocabulary(impl_->spec, impl_->kinds); }

}  // namespace limbeck
