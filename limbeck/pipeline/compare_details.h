// What a comparison shows beside the scores: where the models differ, class by class and item by
// item. `results[m]` belongs to models[m]; absent where that model was not measured on the task.
#pragma once

#include <optional>
#include <vector>

#include "limbeck/pipeline/subject.h"

namespace limbeck::pipeline {

using ScoresOfModels = std::vector<std::optional<TaskScores>>;

// Up to twenty items on which answers differ, those that split right from wrong first.
Json disagreements_of(const LoadedTask& task, const ScoresOfModels& results, const Json& models);

// Classification: the recall of each class. Extraction: the F1 of each field. Else empty.
// [{"class", "n", "recall": [per model, null if not measured]}]
Json classes_of(const LoadedTask& task, const ScoresOfModels& results);

// Classification: the ten most frequent wrong answers of each model.
Json confusions_of(const LoadedTask& task, const ScoresOfModels& results, const Json& models);

}  // namespace limbeck::pipeline
