// What training a teacher and training a student share.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "limbeck/base/thread_pool.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/pipeline/model_start.h"
#include "limbeck/pipeline/train_rows.h"

namespace limbeck::pipeline {

// How well a model folder answers examples, by the task's primary metric; higher is better.
double task_score(const std::filesystem::path& folder, const Task& task,
                  std::span<const Example> examples, PromptStyle style, ThreadPool& pool);

// A result as stages record it.
Json to_json(const distill::TrainResult& result);

distill::Start start_of(const ModelStart& start);

// Tokens that a row may have. `teacher`: the model that a student is cut out of.
std::int64_t context_of(const ModelStart& start, const std::string& teacher = {});

void warn_of_left_out(const RowSet& set, std::string_view what);

// A tokenizer of `vocab_size` tokens, trained on all that `texts` hands over.
using Texts = std::function<void(const std::function<void(std::string_view)>&)>;
Tokenizer task_tokenizer(int vocab_size, const Texts& texts);

}  // namespace limbeck::pipeline
