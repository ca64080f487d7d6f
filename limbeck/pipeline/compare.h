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
  std::string name;  // empty: the file's, folder's or endpoint's name
  std::string path;  // folder, GGUF file, or endpoint: http://host:port/v1#name
  std::string role;  // "original", "quantized", "distilled", "distilled+quantized"; empty: guessed
                     // from the manifest
  std::string base;  // name of the model that it is a quantized form of; empty: none
};

struct CompareOptions {
  std::vector<ComparedModel> models;  // the first is what the others are compared with
  std::vector<std::filesystem::path>
      tasks;  // the first decides; the others show what was forgotten
  std::vector<std::filesystem::path> texts;  // perplexity, and KL to the first model
  std::int64_t limit = 0;                    // test items of each task; 0: all
  std::int64_t text_tokens = 20'000;         // of each text; 0: all
  bool speed = true;                         // measure tokens/s and latency
  double speed_s = 2;                        // spent on each of a model's two rates
  bool constrained = true;                   // answers only of the task's form
  // Each model of 16 bits or more is also measured in these forms, made on the fly into the cache:
  // "8".."2" (the mix of that size), "3.5" (types chosen for that many bits a weight), or a type.
  std::vector<std::string> bits;
  std::string bits_method;  // rtn | imatrix | gptq; empty: gptq where the first task can calibrate
  std::filesystem::path
      cache;  // of what was measured and made; empty: none, `bits` then must be too
  std::uint64_t seed = 1;
  std::string command;  // how to reproduce, for the report
};

// Throws Error{usage} on no model, a model that cannot be opened, or a bad task. What cannot be
// measured for a model is named in its "not_measured", with the reason. With a cache, what was
// measured before of the same files, task, options and program is not measured again: a killed
// comparison goes on where it was. Throws Error{interrupted} on a signal.
Json compare(const CompareOptions& options, ThreadPool& pool);

// $XDG_CACHE_HOME/limbeck, else ~/.cache/limbeck, else a folder of this user under /tmp.
std::filesystem::path default_cache();

// results.json, report.md and report.html in `folder`, each atomically.
void write_reports(const Json& results, const std::filesystem::path& folder);

// {"cpu", "cores", "threads", "memory_bytes", "kernels", "program"}
Json describe_machine(const ThreadPool& pool);

}  // namespace limbeck::pipeline
