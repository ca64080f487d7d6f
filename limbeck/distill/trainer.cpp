#include "limbeck/distill/trainer.h"

#include <malloc.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/distill/ranks.h"
#include "limbeck/distill/train_checks.h"
#include "limbeck/distill/train_job.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kTeacherBytes = std::uint64_t{2} << 30;  // of kept hidden states

Architecture shape_of(const Start& start) {
  return start.model.empty() ? start.shape : read_architecture(start.model);
}

// The other ranks get the same call.
void tell(TrainJob::Kind kind, const Start& start, const std::filesystem::path& teacher,
          const Tokenizer& tokenizer, std::span<const TrainRow> rows,
          std::span<const TrainRow> teacher_rows, const TrainOptions& options) {
  if (!options.ranks || !options.ranks->first()) return;
  options.ranks->from_first(pack(kind, start, teacher, tokenizer, rows, teacher_rows, options));
}

// What teaches a run besides the rows.
struct Teaching {
  const SoftTeacher* dense = nullptr;
  const CrossTeacher* across = nullptr;
  bool label_rows = true;            // by `dense`
  const Rollout* rollout = nullptr;  // of the on-policy phase
};

TrainResult run(const Start& start, const Teaching& teaching, const Tokenizer& tokenizer,
                std::span<const TrainRow> rows, const TrainOptions& options, const DevMetric& dev,
                const std::filesystem::path& output, const Json& manifest, at::Device device) {
  std::optional<FeatureMatch> match;
  const bool inside = options.hidden.weight > 0 || options.attention.weight > 0;
  const bool prompts = std::any_of(rows.begin(), rows.end(),
                                   [](const TrainRow& row) { return !row.teacher_prompt.empty(); });
  if (inside && (!teaching.dense || !teaching.label_rows || prompts)) {
    fail_try(
        ErrorKind::usage, "use a local teacher with the student's tokenizer",
        "hidden and attention compare with the layers of a teacher that reads the same tokens, "
        "and there is none here");
  }
  if (inside) match.emplace(options, shape_of(start), teaching.dense->architecture());
  const Student student = starting_student(
      start, tokenizer, options, device, match ? match->projections() : std::vector<TensorSpec>());
  if (match) FeatureMatch::randomize(student.trained(), options.seed);
  const Architecture& a = student.base->architecture();
  if (teaching.dense && teaching.dense->architecture().vocab_size != a.vocab_size) {
    fail(ErrorKind::usage, "the teacher has {} output tokens, the student {}",
         teaching.dense->architecture().vocab_size, a.vocab_size);
  }
  if (options.loss == Loss::uld && !teaching.across) {
    fail_try(ErrorKind::usage, "use forward_kl",
             "loss uld is for a local teacher with another vocabulary");
  }
  if (options.on_policy.share > 0 && !teaching.rollout) {
    fail_try(
        ErrorKind::usage, "leave on_policy out, or distil from a local teacher",
        "on_policy needs a local teacher of the same vocabulary to judge the student's answers");
  }
  check_rows(rows, a, loss_spec(options), "training row");
  if (const auto& loss = options.on_policy.teacher_loss; loss && !teaching.label_rows) {
    LossSpec spec = loss_spec(options);
    spec.kind = *loss;
    check_rows(rows, a, spec, "training row (on_policy: teacher_loss)");
  }
  if (!options.dev_rows.empty()) check_rows(options.dev_rows, a, {}, "dev row");
  return Training({student, teaching.dense, match ? &*match : nullptr, teaching.across,
                   teaching.label_rows, teaching.rollout, tokenizer, rows, options, dev, output})
      .run(manifest);
}

}  // namespace

void set_threads(int threads) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  at::set_num_threads(threads > 0 ? threads : std::max(cores, 1));
}

at::Device prepare_torch(const TrainOptions& options) {
  set_threads(options.ranks ? options.ranks->threads() : options.threads);
  // Activations come and go by the megabyte each step: handing them back to the kernel would cost
  // a page fault per 4 kB each time.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  const bool cuda = torch::cuda::is_available();
  if (options.device == "cuda" && !cuda) {
    fail_try(ErrorKind::unsupported, "set device: cpu, or build against a CUDA libtorch",
             "no CUDA device can be used");
  }
  if (!cuda || options.device == "cpu") return at::kCPU;
  // A GPU of its own for each rank of this machine.
  const int gpu = options.ranks ? options.ranks->local_rank() : 0;
  if (gpu >= static_cast<int>(torch::cuda::device_count())) {
    fail_try(ErrorKind::usage, "start at most one rank for each GPU", "there is no GPU {} here",
             gpu);
  }
  return {at::kCUDA, static_cast<at::DeviceIndex>(gpu)};
}

namespace {

// As asked, as far as the device goes.
TrainOptions fitted(TrainOptions options, at::Device device) {
  if (!options.bf16 || fast_bf16(device)) return options;
  static std::once_flag said;
  std::call_once(said, [] { say("training: products in fp32: no fast bfloat16 here"); });
  options.bf16 = false;
  return options;
}

}  // namespace

TrainResult train(const Start& start, const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                  const TrainOptions& asked, const DevMetric& dev,
                  const std::filesystem::path& output, const Json& manifest) {
  check_options(asked);
  tell(TrainJob::Kind::rows, start, {}, tokenizer, rows, {}, asked);
  const auto device = prepare_torch(asked);
  const TrainOptions options = fitted(asked, device);
  return run(start, {}, tokenizer, rows, options, dev, output, manifest, device);
}

namespace {

// A dense teacher for the rows, for the on-policy phase (`rollout`), or both.
TrainResult run_dense(const Start& start, const std::filesystem::path& teacher,
                      const Rollout* rollout, const Tokenizer& tokenizer,
                      std::span<const TrainRow> rows, const TrainOptions& asked,
                      const DevMetric& dev, const std::filesystem::path& output,
                      const Json& manifest) {
  check_options(asked);
  tell(rollout ? TrainJob::Kind::on_policy : TrainJob::Kind::dense, start, teacher, tokenizer, rows,
       {}, asked);
  const auto device = prepare_torch(asked);
  const TrainOptions options = fitted(asked, device);
  SoftTeacher soft(teacher, tokenizer, options.bf16, device);
  check_rows(rows, soft.architecture(), {}, "training row (for the teacher)");
  // Labels that the rows bring are kept.
  const bool label =
      std::all_of(rows.begin(), rows.end(), [](const TrainRow& row) { return row.soft.empty(); });
  // Where its layers are compared too, it runs beside the student.
  const bool inside = options.hidden.weight > 0 || options.attention.weight > 0;
  if (label || !rollout) soft.prepare(rows, options, inside ? 0 : kTeacherBytes);
  Start from = start;
  if (from.model.empty()) from.shape.vocab_size = soft.architecture().vocab_size;
  return run(from, {&soft, nullptr, label || !rollout, rollout}, tokenizer, rows, options, dev,
             output, manifest, device);
}

}  // namespace

TrainResult train_from_teacher(const Start& start, const std::filesystem::path& teacher,
                               const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                               const TrainOptions& options, const DevMetric& dev,
                               const std::filesystem::path& output, const Json& manifest) {
  return run_dense(start, teacher, nullptr, tokenizer, rows, options, dev, output, manifest);
}

TrainResult train_on_policy(const Start& start, const std::filesystem::path& teacher,
                            const Rollout& rollout, const Tokenizer& tokenizer,
                            std::span<const TrainRow> rows, const TrainOptions& options,
                            const DevMetric& dev, const std::filesystem::path& output,
                            const Json& manifest) {
  return run_dense(start, teacher, &rollout, tokenizer, rows, options, dev, output, manifest);
}

TrainResult train_across_tokenizers(const Start& start, const std::filesystem::path& teacher,
                                    std::span<const TrainRow> teacher_rows,
                                    const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                                    const TrainOptions& asked, const DevMetric& dev,
                                    const std::filesystem::path& output, const Json& manifest) {
  check_options(asked);
  if (asked.loss != Loss::uld) {
    fail_try(ErrorKind::usage, "set loss: uld", "only loss uld serves across tokenizers");
  }
  tell(TrainJob::Kind::across, start, teacher, tokenizer, rows, teacher_rows, asked);
  const auto device = prepare_torch(asked);
  const TrainOptions options = fitted(asked, device);
  const CrossTeacher across(teacher, tokenizer, rows, teacher_rows, options.bf16, device);
  return run(start, {.across = &across}, tokenizer, rows, options, dev, output, manifest, device);
}

double mean_loss(const std::filesystem::path& model, std::span<const TrainRow> rows, int threads) {
  set_threads(threads);
  const auto checkpoint = Checkpoint::open(model);
  check_rows(rows, checkpoint.architecture(), {}, "row");
  auto parameters = std::make_shared<Parameters>(
      checkpoint.architecture(), ParameterOptions{at::kFloat, at::kFloat, at::kCPU, false});
  parameters->load(checkpoint);
  const auto sums = total_loss(TorchDecoder(parameters), rows, {}, 4096);
  return sums.cross_entropy / static_cast<double>(sums.targets);
}

double training_speed(const Architecture& shape, const TrainOptions& options) {
  const auto device = prepare_torch(options);
  const bool bf16 = options.bf16 && fast_bf16(device);
  const ParameterOptions how{at::kFloat, bf16 ? at::kBFloat16 : at::kFloat, device, true};
  auto parameters = std::make_shared<Parameters>(shape, how);
  parameters->randomize(1);
  const TorchDecoder decoder(parameters);
  AdamW optimizer(*parameters);
  std::vector<TrainRow> rows;
  MicroBatch micro;
  Random random(1);
  std::int64_t tokens = 0;
  while (tokens == 0 || tokens + shape.context_length <= options.micro_tokens) {
    TrainRow row;
    for (std::int64_t t = 0; t < shape.context_length; ++t) {
      row.tokens.push_back(
          static_cast<TokenId>(random.below(static_cast<std::uint64_t>(shape.vocab_size))));
    }
    tokens += shape.context_length;
    micro.rows.push_back(static_cast<std::uint32_t>(rows.size()));
    rows.push_back(std::move(row));
  }
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto batch = make_batch(rows, micro, device);
    LossSums sums;
    head_loss(select_rows(decoder.hidden(batch.tokens), batch.index), decoder.output(),
              batch.targets, {.loss = {}, .softcap = shape.logit_softcap, .scale = 1e-9}, sums)
        .backward();
    optimizer.step(*parameters, {}, 1e-9, 1, i + 1);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(tokens) / took.count());
  }
  return best;
}

bool can_train() noexcept { return true; }

std::vector<float> torch_logits(const std::filesystem::path& model,
                                std::span<const TokenId> tokens) {
  at::NoGradGuard no_grad;
  const auto checkpoint = Checkpoint::open(model);
  auto parameters = std::make_shared<Parameters>(
      checkpoint.architecture(), ParameterOptions{at::kFloat, at::kFloat, at::kCPU, false});
  parameters->load(checkpoint);
  const auto logits = TorchDecoder(parameters).logits(pack({&tokens, 1})).contiguous();
  return {elements<float>(logits), elements<float>(logits) + logits.numel()};
}

}  // namespace limbeck::distill
