#include "limbeck/base/limits.h"

#include <array>
#include <charconv>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"

namespace limbeck {
namespace {

constexpr std::array kTable = {
    LimitInfo{"gguf.keys", &Limits::gguf_keys, "metadata keys of a GGUF file"},
    LimitInfo{"gguf.tensors", &Limits::gguf_tensors, "tensors of a GGUF file"},
    LimitInfo{"gguf.key_bytes", &Limits::gguf_key_bytes, "bytes of a metadata key"},
    LimitInfo{"gguf.string_bytes", &Limits::gguf_string_bytes, "bytes of a metadata string"},
    LimitInfo{"gguf.array_elements", &Limits::gguf_array_elements, "elements of a metadata array"},
    LimitInfo{"gguf.metadata_bytes", &Limits::gguf_metadata_bytes, "bytes of all metadata"},
    LimitInfo{"safetensors.header_bytes", &Limits::safetensors_header_bytes, "bytes of the header"},
    LimitInfo{"safetensors.tensors", &Limits::safetensors_tensors, "tensors of a safetensors file"},
    LimitInfo{"index.bytes", &Limits::index_bytes, "bytes of model.safetensors.index.json"},
    LimitInfo{"index.shards", &Limits::index_shards, "files that such an index names"},
    LimitInfo{"json.bytes", &Limits::json_bytes, "bytes of a JSON file or request"},
    LimitInfo{"json.depth", &Limits::json_depth, "nested JSON arrays and objects"},
    LimitInfo{"yaml.bytes", &Limits::yaml_bytes, "bytes of a recipe or task file"},
    LimitInfo{"yaml.depth", &Limits::yaml_depth, "nested YAML lists and maps"},
    LimitInfo{"rows.line_bytes", &Limits::rows_line_bytes, "bytes of a JSONL line or CSV record"},
    LimitInfo{"rows.columns", &Limits::rows_columns, "columns of a CSV file"},
    LimitInfo{"rows.json_bytes", &Limits::rows_json_bytes, "bytes of a JSON file of rows"},
    LimitInfo{"tokenizer.file_bytes", &Limits::tokenizer_file_bytes, "bytes of tokenizer.json"},
    LimitInfo{"tokenizer.config_bytes", &Limits::tokenizer_config_bytes,
              "bytes of tokenizer_config.json"},
    LimitInfo{"tokenizer.pieces", &Limits::tokenizer_pieces, "tokens of a vocabulary"},
    LimitInfo{"tokenizer.merges", &Limits::tokenizer_merges, "merges of a BPE model"},
    LimitInfo{"tokenizer.piece_bytes", &Limits::tokenizer_piece_bytes, "bytes of a token"},
    LimitInfo{"regex.source_bytes", &Limits::regex_source_bytes, "bytes of a tokenizer's pattern"},
    LimitInfo{"regex.matches", &Limits::regex_matches, "steps of one match within a kilobyte"},
    LimitInfo{"regex.depth", &Limits::regex_depth, "nested backtracking of one match"},
    LimitInfo{"regex.milliseconds", &Limits::regex_milliseconds,
              "processor time of a pattern on one text, and 1 more for each kilobyte"},
    LimitInfo{"template.source_bytes", &Limits::template_source_bytes, "bytes of a chat template"},
    LimitInfo{"template.nodes", &Limits::template_nodes, "nodes of its syntax tree"},
    LimitInfo{"template.parse_depth", &Limits::template_parse_depth, "nesting of its syntax"},
    LimitInfo{"template.call_depth", &Limits::template_call_depth, "nested macro calls"},
    LimitInfo{"template.steps", &Limits::template_steps, "steps of one rendering"},
    LimitInfo{"template.output_bytes", &Limits::template_output_bytes, "bytes that it writes"},
    LimitInfo{"template.range", &Limits::template_range, "numbers of one range()"},
    LimitInfo{"template.heap_bytes", &Limits::template_heap_bytes, "live bytes of its values"},
    LimitInfo{"template.milliseconds", &Limits::template_milliseconds,
              "processor time of one rendering"},
    LimitInfo{"schema.source_bytes", &Limits::schema_source_bytes, "bytes of a JSON Schema"},
    LimitInfo{"schema.depth", &Limits::schema_depth, "nesting of a JSON Schema"},
    LimitInfo{"schema.expansions", &Limits::schema_expansions, "$ref followed and allOf merged"},
    LimitInfo{"schema.nodes", &Limits::schema_nodes, "states of the grammar made of it"},
    LimitInfo{"schema.moves", &Limits::schema_moves, "transitions of that grammar"},
    LimitInfo{"schema.choices", &Limits::schema_choices, "values of one enum"},
    LimitInfo{"schema.milliseconds", &Limits::schema_milliseconds,
              "processor time of compiling one"},
    LimitInfo{"reply.bytes", &Limits::reply_bytes, "bytes of an endpoint's reply"},
    LimitInfo{"reply.seconds", &Limits::reply_seconds, "seconds until a reply is whole"},
    LimitInfo{"reply.tool_calls", &Limits::reply_tool_calls, "tool calls of an answer"},
};

const LimitInfo& find_limit(std::string_view name) {
  std::vector<std::string> names;
  for (const LimitInfo& limit : kTable) {
    if (limit.name == name) return limit;
    names.emplace_back(limit.name);
  }
  const std::string near = nearest(name, names);
  fail_try(ErrorKind::usage,
           near.empty() ? "limbeck help limits" : fmt::format("did you mean '{}'?", near),
           "--limit: there is no limit '{}'", name);
}

}  // namespace

std::span<const LimitInfo> limit_table() noexcept { return kTable; }

void set_limit(std::string_view assignment) {
  const auto equals = assignment.find('=');
  const LimitInfo& limit = find_limit(assignment.substr(0, equals));
  const std::string_view text =
      equals == assignment.npos ? std::string_view() : assignment.substr(equals + 1);
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size() || value == 0) {
    fail_try(ErrorKind::usage, fmt::format("--limit {}=N", limit.name),
             "--limit {}: '{}' is not a positive whole number", limit.name, text);
  }
  detail::current_limits.*limit.value = value;
}

std::string raise_limit(std::uint64_t Limits::*value) {
  for (const LimitInfo& limit : kTable) {
    if (limit.value == value) {
      return fmt::format("if you trust where it comes from: limbeck --limit {}=N ...", limit.name);
    }
  }
  return {};
}

}  // namespace limbeck
