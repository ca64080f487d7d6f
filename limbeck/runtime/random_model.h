// Models of random weights: for measurements of shapes whose real weights are not at hand, and for
// tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "limbeck/base/tensor_type.h"
#include "limbeck/model/architecture.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

// The shapes of known models: "smollm2-135m", "llama-3.2-1b". Throws Error{usage} naming the known.
Architecture known_shape(std::string_view name);

// Writes a GGUF file: linear weights and embeddings of `type` (f16 where a row is no multiple of
// its block), the rest f32. Weights are normal with variance 1 / columns. The tokenizer may have
// fewer tokens than the architecture; null: the file has none.
void write_random_model(const std::filesystem::path& path, const Architecture& architecture,
                        TensorType type, std::uint64_t seed, const Tokenizer* tokenizer = nullptr);

}  // namespace limbeck
