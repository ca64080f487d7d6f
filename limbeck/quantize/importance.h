// How much each input column of each weight matrix counts: the mean square of the activations that
// meet it. Kept in files of llama.cpp's importance format (an "imatrix" GGUF), both ways.
// Format: https://github.com/ggml-org/llama.cpp/tree/master/tools/imatrix
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

struct ImportanceEntry {
  std::vector<float> sum_squares;  // [columns], summed over `count` activations
  double count = 0;
};

struct Importance {
  std::map<std::string, ImportanceEntry, std::less<>> entries;  // by canonical weight name
  std::vector<std::string> datasets;
  std::uint32_t chunk_count = 0, chunk_size = 0;

  // Mean squares [columns] of a weight; empty if nothing is known of it or nothing ever came in.
  // Matrices that share an input share an entry. A column that nothing came in through counts a
  // little, so that its weights stay numbers like the others.
  std::vector<float> of(std::string_view name) const;
};

// The name under which the shared input of a matrix is known: attn_k -> attn_q, ffn_up -> ffn_gate.
// A model without a gate has only ffn_up.
std::string input_name(std::string_view name);

// Throws Error{format} on another kind of file, wrong shapes, NaN or negative numbers.
Importance read_importance(const std::filesystem::path& path);
Importance parse_importance(std::span<const std::byte> bytes, const std::string& name);
// Under the name of every matrix that shares an entry, as llama.cpp looks for them.
void write_importance(const std::filesystem::path& path, const Importance& importance);

}  // namespace limbeck
