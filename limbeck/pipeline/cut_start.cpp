#include "limbeck/pipeline/cut_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "limbeck/base/progress.h"
#include "limbeck/distill/prune.h"

namespace limbeck::pipeline {
namespace {

std::int64_t between(std::int64_t from, std::int64_t to, int round, int rounds) {
  if (to == 0) return 0;  // as the teacher
  return from - (from - to) * round / rounds;
}

bool is_model(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / "config.json");
}

}  // namespace

Architecture cut_architecture(const Architecture& teacher, const distill::CutShape& cut) {
  Architecture a = teacher;
  const auto group = a.heads / a.kv_heads;
  if (cut.layers > 0) a.layers = cut.layers;
  if (cut.hidden > 0) a.hidden = cut.hidden;
  if (cut.ffn > 0) a.ffn = cut.ffn;
  if (cut.heads > 0) a.heads = cut.heads, a.kv_heads = std::max<std::int64_t>(1, cut.heads / group);
  return a;
}

int rounds_of(const Architecture& teacher, const StudentCut& cut) {
  if (cut.rounds > 0) return cut.rounds;
  const double share = static_cast<double>(parameter_count(cut_architecture(teacher, cut.shape))) /
                       static_cast<double>(parameter_count(teacher));
  return std::clamp(static_cast<int>(std::ceil(-std::log2(share) - 1e-9)), 1, 8);
}

distill::CutShape shape_after(const Architecture& teacher, const distill::CutShape& student,
                              int round, int rounds) {
  distill::CutShape shape;
  shape.layers = between(teacher.layers, student.layers, round, rounds);
  shape.hidden = between(teacher.hidden, student.hidden, round, rounds);
  shape.ffn = between(teacher.ffn, student.ffn, round, rounds);
  // Whole groups of heads.
  const auto group = teacher.heads / teacher.kv_heads;
  shape.heads = student.heads % group != 0
                    ? student.heads  // refused by name when it is cut
                    : group * between(teacher.kv_heads, student.heads / group, round, rounds);
  return shape;
}

CutTeacher cut_from_teacher(const std::filesystem::path& teacher, const StudentCut& cut,
                            std::span<const distill::TrainRow> rows,
                            const distill::TrainOptions& options,
                            const std::filesystem::path& work) {
  const Checkpoint checkpoint = Checkpoint::open(teacher);
  const int rounds = rounds_of(checkpoint.architecture(), cut);
  CutTeacher made{teacher, Json::array(), 0, 0};
  for (int round = 1; round <= rounds; ++round) {
    const auto cut_folder = work / fmt::format("cut-{}", round);
    if (!is_model(cut_folder)) {
      distill::CutOptions cutting;
      cutting.threads = options.threads;
      const auto report = distill::cut_student(
          made.model, rows, shape_after(checkpoint.architecture(), cut.shape, round, rounds),
          cutting, cut_folder);
      say(fmt::format("cut {} of {}: {} layers from layer {} left out, {} parameters", round,
                      rounds, report.removed_count, report.removed_first,
                      parameter_count(report.architecture)));
    }
    made.model = cut_folder;
    made.rounds.push_back(Checkpoint::open(cut_folder).manifest().at("cut"));
    if (round == rounds) break;
    const auto healed = work / fmt::format("healed-{}", round);
    if (!is_model(healed)) {
      distill::TrainOptions healing = options;
      healing.epochs *= kShareBetween;
      healing.evaluations = 0;
      healing.save = "f32";
      healing.quantize = {};
      healing.checkpoint_folder = work / fmt::format("healing-{}", round);
      healing.metrics_file.clear();
      std::filesystem::create_directories(healing.checkpoint_folder);
      const Checkpoint damaged = Checkpoint::open(cut_folder);
      distill::train({cut_folder, {}}, damaged.tokenizer(), rows, healing, {}, healed,
                     damaged.manifest());
    }
    made.model = healed;
    const Json training = Checkpoint::open(healed).manifest().at("training");
    made.tokens += training.at("tokens").get<std::int64_t>();
    made.seconds += training.at("seconds").get<double>();
  }
  return made;
}

void renumber_answers(std::span<TeacherAnswer> answers, std::span<const TokenId> kept) {
  std::unordered_map<TokenId, TokenId> now;
  for (std::size_t i = 0; i < kept.size(); ++i) now[kept[i]] = static_cast<TokenId>(i);
  for (TeacherAnswer& answer : answers) {
    const auto unknown = [&](TokenId id) { return !now.contains(id); };
    if (std::ranges::any_of(answer.ids, unknown)) answer.ids.clear(), answer.soft.clear();
    for (TokenId& id : answer.ids) id = now[id];
    for (SoftLabel& label : answer.soft) {
      SoftLabel mapped;
      for (std::size_t i = 0; i < label.ids.size(); ++i) {
        if (unknown(label.ids[i])) continue;
        mapped.ids.push_back(now[label.ids[i]]);
        mapped.values.push_back(label.values[i]);
      }
      label = std::move(mapped);
    }
  }
}

}  // namespace limbeck::pipeline
