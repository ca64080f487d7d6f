// How much of a file, a text or an answer is believed: every bound on foreign input, in one place.
// SECURITY.md prints this table; `limbeck --limit NAME=VALUE <command>` raises or lowers one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace limbeck {

struct Limits {
  std::uint64_t gguf_keys = 65'536, gguf_tensors = 262'144, gguf_key_bytes = 256,
                gguf_string_bytes = 16u << 20, gguf_array_elements = 16u << 20,
                gguf_metadata_bytes = 512u << 20;
  std::uint64_t safetensors_header_bytes = 100'000'000, safetensors_tensors = 1'000'000;
  std::uint64_t index_bytes = 64u << 20, index_shards = 10'000;
  std::uint64_t json_bytes = 8u << 20, json_depth = 64;
  std::uint64_t yaml_bytes = 1u << 20, yaml_depth = 64;
  std::uint64_t rows_line_bytes = 16u << 20, rows_columns = 4096, rows_json_bytes = 256u << 20;
  std::uint64_t tokenizer_file_bytes = 128u << 20, tokenizer_config_bytes = 16u << 20,
                tokenizer_pieces = 1u << 20, tokenizer_merges = 2u << 20,
                tokenizer_piece_bytes = 4096;
  std::uint64_t regex_source_bytes = 8u << 10, regex_matches = 1'000'000, regex_depth = 10'000,
                regex_milliseconds = 250;
  std::uint64_t template_source_bytes = 256u << 10, template_nodes = 200'000,
                template_parse_depth = 128, template_call_depth = 64, template_steps = 2'000'000,
                template_output_bytes = 4u << 20, template_range = 100'000,
                template_heap_bytes = 40u << 20, template_milliseconds = 200;
  std::uint64_t schema_source_bytes = 256u << 10, schema_depth = 64, schema_expansions = 10'000,
                schema_nodes = 200'000, schema_moves = 2'000'000, schema_choices = 10'000,
                schema_milliseconds = 450;
  std::uint64_t reply_bytes = 2u << 20, reply_seconds = 60, reply_tool_calls = 64;
};

namespace detail {
inline Limits current_limits;
}
inline const Limits& limits() noexcept { return detail::current_limits; }

// One row of the table. `name` is that of the member with a dot for its first underscore.
struct LimitInfo {
  std::string_view name;
  std::uint64_t Limits::*value;
  std::string_view meaning;
};
std::span<const LimitInfo> limit_table() noexcept;

// Of "gguf.keys=100000". To be called before anything is read: threads look at limits unguarded.
// Throws Error{usage} on an unknown name or a value that is not a positive whole number.
void set_limit(std::string_view assignment);

// What an error about this limit advises.
std::string raise_limit(std::uint64_t Limits::*value);

}  // namespace limbeck
