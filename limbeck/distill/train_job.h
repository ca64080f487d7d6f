// What rank 0 tells the others to train along: the arguments of one call of train, and the options
// that decide the result.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

struct TrainJob {
  enum class Kind : std::uint8_t { rows, dense, on_policy, across } kind = Kind::rows;
  Start start;
  std::filesystem::path teacher;  // empty: rows
  std::vector<TrainRow> rows, teacher_rows;
  TrainOptions options;
  std::optional<Tokenizer> tokenizer;
};

// Paths are made absolute: the ranks may have been started in different folders.
std::string pack(TrainJob::Kind kind, const Start& start, const std::filesystem::path& teacher,
                 const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                 std::span<const TrainRow> teacher_rows, const TrainOptions& options);

// Throws Error{format} on bytes that pack did not make.
TrainJob unpack(std::string_view bytes);

}  // namespace limbeck::distill
