// A task and models for tests: a few hundred random weights over a tokenizer trained on the task.
#pragma once

#include <filesystem>
#include <string>

#include "limbeck/model/architecture.h"

namespace limbeck::pipeline {

// colours: which of three colours does a sentence name. `test`: items of the test set.
void write_colours(const std::filesystem::path& folder, int test);

// A Hugging Face folder of random float16 weights with a tokenizer of its own.
Architecture write_small_model(const std::filesystem::path& folder, std::uint64_t seed,
                               std::int64_t hidden = 32);

}  // namespace limbeck::pipeline
