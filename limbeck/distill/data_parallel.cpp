#include "limbeck/distill/data_parallel.h"

#include <chrono>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/distill/ranks.h"
#include "limbeck/distill/train_job.h"

namespace limbeck::distill {
namespace {

constexpr auto kPatience = std::chrono::seconds(3);

void train_along(const TrainJob& job) {
  const Rollout of_first;  // rank 0 samples
  const std::filesystem::path none;
  switch (job.kind) {
    case TrainJob::Kind::rows:
      train(job.start, *job.tokenizer, job.rows, job.options, {}, none, nullptr);
      return;
    case TrainJob::Kind::dense:
      train_from_teacher(job.start, job.teacher, *job.tokenizer, job.rows, job.options, {}, none,
                         nullptr);
      return;
    case TrainJob::Kind::on_policy:
      train_on_policy(job.start, job.teacher, of_first, *job.tokenizer, job.rows, job.options, {},
                      none, nullptr);
      return;
    case TrainJob::Kind::across:
      train_across_tokenizers(job.start, job.teacher, job.teacher_rows, *job.tokenizer, job.rows,
                              job.options, {}, none, nullptr);
      return;
  }
  fail(ErrorKind::format, "rank 0's job: of kind {}", static_cast<int>(job.kind));
}

}  // namespace

std::shared_ptr<Ranks> join(const World& world, int threads) {
  return std::make_shared<Ranks>(world, threads);
}

int follow(Ranks& ranks) {
  try {
    for (;;) {
      try {
        TrainJob job = unpack(ranks.from_first({}));
        job.options.ranks = &ranks;
        train_along(job);
      } catch (const Error& error) {
        // Mostly rank 0 found the same, and it says so better.
        if (error.kind() != ErrorKind::interrupted) ranks.await_end(kPatience);
        throw;
      }
    }
  } catch (const Dismissed& last) {
    return last.exit_code;
  }
}

void dismiss(Ranks& ranks, int exit_code) { ranks.dismiss(exit_code); }

}  // namespace limbeck::distill
