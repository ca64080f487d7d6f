// The comparison: every model measured on the same items, texts and machine. Returns the tree that
// report/results.h describes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"

namespace limbeck::pipeline {

struct ComparedModel {
  std::string name;  // empty: the file's or folder's name
  std::string path;  // folder or GGUF file
  std::string role;  // "original", "quantized", "distilled", "distilled+quantized"; empty: guessed
                     // from the manifest
};

struct CompareOptions {
  std::vector<ComparedModel> models;  // the first is what the others are compared with
  std::vector<std::filesystem::path>
      tasks;  // the first decides; the others show what was forgotten
  std::vector<std::filesystem::path> texts;  // perplexity, and KL to the first model
  std::int64_t limit = 0;                    // test items of each task; 0: all
  std::int64_t text_tokens = 20'000;         // of each text; 0: all
  bool speed = true;                         // measure tokens/s and latency
  bool constrained = true;                   // answers only of the task's form
  std::uint64_t seed = 1;
  std::string command;  // how to reproduce, for the report
};

// Throws Error{usage} on no model or a bad task. What cannot be measured for a model is named in
// its "not_measured", with the reason.
Json compare(const CompareOptions& options, ThreadPool& pool);

// results.json, report.md and report.html in `folder`, each atomically.
void write_reports(const Json& results, const std::filesystem::path& folder);

// {"cpu", "cores", "threads", "memory_bytes", "kernels", "program"}
Json describe_machine(const ThreadPool& pool);

}  // namespace limbeck::pipeline
