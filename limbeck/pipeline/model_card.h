// What stands beside a model that Limbeck wrote: a card (README.md with the front matter of model
// hubs) and, for GGUF files, an Ollama Modelfile.
// https://huggingface.co/docs/hub/model-cards, https://docs.ollama.com/modelfile
#pragma once

#include <filesystem>
#include <string>

#include "limbeck/base/json.h"

namespace limbeck::pipeline {

struct CardFacts {
  std::string base;           // path or name of the model it was made from; empty: from scratch
  std::string base_relation;  // "quantized", "finetune", "distilled from" -> see model_card
  std::string license;        // of the base, as its own card says; empty: unknown
  Json measured;              // the model's entry of results.json; null: nothing was measured
  Json results;               // the whole of it, for machine and task; null
};

// The card of the model at `path` (folder or GGUF file): front matter (base_model,
// base_model_relation, library_name, pipeline_tag, license, tags, datasets, model-index with each
// metric and its interval) and the same for people. Everything foreign is escaped.
std::string model_card(const std::filesystem::path& path, const CardFacts& facts);

// FROM the file, its prompt in Ollama's template language (one turn, by the model's own chat
// template and prompt style), greedy decoding, the context and the token that ends an answer.
std::string modelfile(const std::filesystem::path& gguf);

// Writes them where they belong: <folder>/README.md; <name>.README.md and <name>.Modelfile beside
// <name>.gguf. Atomic.
void write_card(const std::filesystem::path& path, const CardFacts& facts);

// The license that the card beside a model names; empty if there is none.
std::string license_of(const std::filesystem::path& model);

// A card for each model under `folder` that results.json names.
void write_cards(const Json& results, const std::filesystem::path& folder);

}  // namespace limbeck::pipeline
