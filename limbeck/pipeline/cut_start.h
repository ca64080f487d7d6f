// A student cut out of its teacher, and a vocabulary cut down to its task.
#pragma once

#include <filesystem>
#include <span>

#include "limbeck/distill/trainer.h"
#include "limbeck/pipeline/recipe.h"

namespace limbeck::pipeline {

// Of the epochs, trained after each round but the last.
inline constexpr double kShareBetween = 0.25;

// The teacher's architecture in that shape; not checked.
Architecture cut_architecture(const Architecture& teacher, const distill::CutShape& shape);

// How many rounds a cut takes: as asked, else one for each halving of the parameters.
int rounds_of(const Architecture& teacher, const StudentCut& cut);

// The shape after `round` of `rounds`, on an even path from the teacher to the student.
distill::CutShape shape_after(const Architecture& teacher, const distill::CutShape& student,
                              int round, int rounds);

struct CutTeacher {
  std::filesystem::path model;  // of the last round, under `work`
  Json rounds = Json::array();  // what each left out: CutReport::to_json
  std::int64_t tokens = 0;      // of the training between the rounds
  double seconds = 0;
};

// Cuts the teacher in rounds by its activations on `rows`, with a quarter of the epochs of training
// on them after each round but the last. What is there already of a killed run is taken. Throws as
// cut_student and train.
CutTeacher cut_from_teacher(const std::filesystem::path& teacher, const StudentCut& cut,
                            std::span<const distill::TrainRow> rows,
                            const distill::TrainOptions& options,
                            const std::filesystem::path& work);

// The answers in the ids of a trimmed vocabulary (`kept`: the old id of each new one): what it does
// not know is left to the tail.
void renumber_answers(std::span<TeacherAnswer> answers, std::span<const TokenId> kept);

}  // namespace limbeck::pipeline
