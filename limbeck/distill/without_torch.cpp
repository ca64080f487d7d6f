// The trainer of a program without libtorch: every function says so.
#include "limbeck/base/error.h"
#include "limbeck/distill/data_parallel.h"
#include "limbeck/distill/heal.h"
#include "limbeck/distill/prune.h"
#include "limbeck/distill/trainer.h"

namespace limbeck::distill {
namespace {

[[noreturn]] void no_torch() {
  fail_try(ErrorKind::unsupported, "install limbeck-train, or build with LIMBECK_TRAIN=ON",
           "there is no trainer here: limbeck-train was not found");
}

}  // namespace

TrainResult train(const Start&, const Tokenizer&, std::span<const TrainRow>, const TrainOptions&,
                  const DevMetric&, const std::filesystem::path&, const Json&) {
  no_torch();
}

TrainResult train_from_teacher(const Start&, const std::filesystem::path&, const Tokenizer&,
                               std::span<const TrainRow>, const TrainOptions&, const DevMetric&,
                               const std::filesystem::path&, const Json&) {
  no_torch();
}

TrainResult train_on_policy(const Start&, const std::filesystem::path&, const Rollout&,
                            const Tokenizer&, std::span<const TrainRow>, const TrainOptions&,
                            const DevMetric&, const std::filesystem::path&, const Json&) {
  no_torch();
}

TrainResult train_across_tokenizers(const Start&, const std::filesystem::path&,
                                    std::span<const TrainRow>, const Tokenizer&,
                                    std::span<const TrainRow>, const TrainOptions&,
                                    const DevMetric&, const std::filesystem::path&, const Json&) {
  no_torch();
}

double mean_loss(const std::filesystem::path&, std::span<const TrainRow>, int) { no_torch(); }

double matmul_flops(int) { no_torch(); }
double training_speed(const Architecture&, const TrainOptions&) { no_torch(); }

CutReport cut_student(const std::filesystem::path&, std::span<const TrainRow>, const CutShape&,
                      const CutOptions&, const std::filesystem::path&) {
  no_torch();
}

HealedModel heal_scales(const std::filesystem::path&, const Checkpoint&, const HealText&,
                        const HealOptions&) {
  no_torch();
}

std::shared_ptr<Ranks> join(const World&, int) { no_torch(); }
int follow(Ranks&) { no_torch(); }
void dismiss(Ranks&, int) { no_torch(); }

bool can_train() noexcept { return false; }

std::vector<float> torch_logits(const std::filesystem::path&, std::span<const TokenId>) {
  no_torch();
}

}  // namespace limbeck::distill
