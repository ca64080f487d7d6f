#include "limbeck/quantize/calibration_data.h"

#include <algorithm>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"

namespace limbeck {
namespace {

constexpr std::size_t kHeldOutEvery = 8;        // of the calibration's sequences one is kept back
constexpr std::size_t kComparedSequences = 16;  // at most, in each comparison

// Keeps one sequence of kHeldOutEvery back.
void split(CalibrationText text, CalibrationData& data) {
  for (std::size_t i = 0; i < text.sequences.size(); ++i) {
    const bool keep = i % kHeldOutEvery == kHeldOutEvery - 1;
    auto& to = keep && data.held_out.size() < kComparedSequences ? data.held_out : data.sequences;
    to.push_back(std::move(text.sequences[i]));
  }
  data.tokens = text.tokens;
  data.sha256 = text.sha256;
}

// What a healer trains on: as much of the texts as it wants.
TokenSequences healing_text(const Checkpoint& checkpoint, const QuantizeOptions& options,
                            const CalibrationData& data) {
  CalibrationOptions more = options.calibration;
  more.max_tokens = std::max(more.max_tokens, options.healing_tokens);
  const std::set<std::vector<TokenId>> kept_back(data.held_out.begin(), data.held_out.end());
  TokenSequences text = tokenize_calibration(options.calibration_texts, checkpoint.tokenizer(),
                                             checkpoint.architecture().context_length, more)
                            .sequences;
  std::erase_if(text, [&](const auto& sequence) { return kept_back.contains(sequence); });
  return text;
}

}  // namespace

CalibrationData calibrate(const Checkpoint& checkpoint, const QuantizeOptions& options,
                          const std::filesystem::path& folder, ThreadPool& pool) {
  CalibrationData data;
  const bool plain = options.method == QuantizeMethod::rtn;
  if (plain && !options.healer) return data;
  const std::int64_t context = checkpoint.architecture().context_length;
  if (!options.calibration_texts.empty()) {
    split(tokenize_calibration(options.calibration_texts, checkpoint.tokenizer(), context,
                               options.calibration),
          data);
    if (options.healer) data.healing = healing_text(checkpoint, options, data);
  } else if (options.importance_file.empty() || options.method == QuantizeMethod::gptq) {
    fail(ErrorKind::usage, "method {} needs calibration text", name(options.method));
  }
  if (!options.guard_texts.empty()) {
    CalibrationOptions few = options.calibration;
    few.max_tokens = static_cast<std::int64_t>(kComparedSequences) * few.chunk;
    data.guard =
        tokenize_calibration(options.guard_texts, checkpoint.tokenizer(), context, few).sequences;
  }
  if (plain) return data;
  if (!options.importance_file.empty()) {
    data.importance = read_importance(options.importance_file);
    data.sha256 += (data.sha256.empty() ? "" : "+") + sha256_file(options.importance_file);
  } else {
    const std::int64_t layers = checkpoint.architecture().layers;
    Progress progress("importance", static_cast<std::uint64_t>(layers + 1) * data.sequences.size(),
                      "sequences");
    LayeredOptions layered = layered_under(options.max_memory, folder);
    layered.on_sequence = [&, done = std::uint64_t{0}]() mutable {
      stop_if_interrupted("run the same command again");
      progress.update(++done);
    };
    LayeredForward forward(checkpoint, data.sequences, pool, layered);
    data.importance =
        gather_statistics(forward, {.first = 0, .last = layers, .output = true}, {}, pool)
            .importance;
    data.importance.datasets = options.calibration_names;
  }
  if (!options.save_importance.empty()) write_importance(options.save_importance, data.importance);
  return data;
}

}  // namespace limbeck
