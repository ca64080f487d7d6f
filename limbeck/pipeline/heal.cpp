#include "limbeck/pipeline/heal.h"

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/trainer.h"

namespace limbeck::pipeline {

Healer healer(const distill::HealOptions& options) {
  if (!distill::can_train()) {
    fail_try(ErrorKind::unsupported, "install limbeck-train, or build with LIMBECK_TRAIN=ON",
             "--heal needs the trainer, and limbeck-train was not found");
  }
  return
      [options](const Checkpoint& original, const Checkpoint& rounded, const TokenSequences& text,
                const TokenSequences& held_out, const std::filesystem::path& checkpoints) {
        distill::HealOptions resumable = options;
        resumable.checkpoints = checkpoints;
        distill::HealedModel model =
            distill::heal_scales(original.path(), rounded, {text, held_out}, resumable);
        if (model.resumed > 0) say(fmt::format("healing went on after step {}", model.resumed));
        say(fmt::format("healed: best after {} of {} steps", model.best_step, model.steps));
        return Healed{std::move(model.tensors),
                      {{"steps", model.steps},
                       {"best_step", model.best_step},
                       {"tokens", model.tokens},
                       {"seed", options.seed}}};
      };
}

}  // namespace limbeck::pipeline
