// How byte-level vocabularies cut words: the names of tokenizer.ggml.pre, each with its patterns.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck {

struct SplitRecipe {
  Json pre_tokenizer;          // as in tokenizer.json, ending with ByteLevel
  bool ignore_merges = false;  // whole words that are pieces are taken as they are
  bool add_bos = false;        // unless the file says otherwise
};

// nullopt for an unknown name.
std::optional<SplitRecipe> find_split_recipe(std::string_view name);

// The name whose patterns are those of `pre_tokenizer` (of a tokenizer.json) and whose
// ignore_merges is this; nullopt if there is none.
std::optional<std::string> name_split_recipe(const Json& pre_tokenizer, bool ignore_merges);

}  // namespace limbeck
