// The results of a comparison as one JSON tree, "limbeck.compare/1": what `compare --json` writes
// and every report reads. Times in seconds, sizes in bytes, rates per second, natural logarithms.
//
// {"schema": "limbeck.compare/1", "created": UTC, "command": text, "seed": n,
//  "machine": {"cpu", "cores", "threads", "memory_bytes", "kernels", "program"},
//  "task": {"name", "kind", "metric", "n"} | null,
//  "models": [{"name", "path", "role", "format", "sha256", "bytes", "parameters", "layers",
//              "hidden", "vocabulary", "bits_per_weight", "types": {"q4_0": weights, ..},
//              "load_s", "peak_bytes", "prompt_tokens_per_s": I, "generation_tokens_per_s": I,
//              "items_per_s", "p50_s", "p95_s",
//              "tasks": [{"task", "kind", "n", "primary", "metrics": {name: I}, "difference": D}],
//              "texts": [{"text", "tokens", "perplexity": I, "kl": {..}, "same_top1": I}],
//              "training": {..from the manifest..}, "not_measured": {what: why}}],
//  "disagreements": [{"input", "gold", "answers": [{"model", "answer", "right"}]}],
//  "classes": [{"class", "n", "recall": [per model]}],
//  "confusions": [{"model", "gold", "predicted", "n"}],
//  "soft_labels": {"metric", "n", "seeds", "with": I, "without": I, "difference": D, "helped",
//                  "sentence"} of a run with control or several seeds,
//  "verdict": {"sentence", "confidence", "reasons": [..]}}
//
// I = {"value", "low", "high"}: a 95 % interval.
// D = {"value", "low", "high", "p", "test"}: against the first model, paired on the same items.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::report {

inline constexpr std::string_view kSchema = "limbeck.compare/1";

// Throws Error{format} naming the JSON path if `results` is not of this schema.
void check_results(const Json& results, std::string_view origin);

// The value at a path of keys, or null. Never throws.
const Json& at(const Json& json, std::initializer_list<std::string_view> path);

// A model's scores on the task compared, or null. Never throws.
const Json& first_task(const Json& model);

// For people. Absent values are "-".
std::string percent(const Json& value);           // 0.9312 -> "93.1"
std::string percent_interval(const Json& value);  // "93.1 (91.4-94.5)"
std::string number(const Json& value, int digits);
std::string interval(const Json& value, int digits);
std::string difference(const Json& value);  // "-1.2 (-2.0..-0.4)", in points
std::string bytes(const Json& value);
std::string count(const Json& value);
std::string p_value(const Json& value);  // "0.030", "< 0.001"

}  // namespace limbeck::report
