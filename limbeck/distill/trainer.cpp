#include "limbeck/distill/trainer.h"

#include <malloc.h>

#include <chrono>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/distill/train_checks.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kTeacherBytes = std::uint64_t{2} << 30;  // of kept hidden states

TrainResult run(const Start& start, const SoftTeacher* teacher, const Tokenizer& tokenizer,
                std::span<const TrainRow> rows, const TrainOptions& options, const DevMetric& dev,
                const std::filesystem::path& output, const Json& manifest, at::Device device) {
  const Student student = starting_student(start, tokenizer, options, device);
  const Architecture& a = student.base->architecture();
  if (teacher && teacher->architecture().vocab_size != a.vocab_size) {
    fail(ErrorKind::usage, "the teacher has {} output tokens, the student {}",
         teacher->architecture().vocab_size, a.vocab_size);
  }
  check_rows(rows, a, loss_spec(options), "training row");
  if (!options.dev_rows.empty()) check_rows(options.dev_rows, a, loss_spec(options), "dev row");
  return Training({student, teacher, tokenizer, rows, options, dev, output}).run(manifest);
}

}  // namespace

void set_threads(int threads) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  at::set_num_threads(threads > 0 ? threads : std::max(cores, 1));
}

at::Device prepare_torch(const TrainOptions& options) {
  set_threads(options.threads);
  // Activations come and go by the megabyte each step: handing them back to the kernel would cost
  // a page fault per 4 kB each time.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  const bool cuda = torch::cuda::is_available();
  if (options.device == "cuda" && !cuda) {
    fail_try(ErrorKind::unsupported, "set device: cpu, or build against a CUDA libtorch",
             "no CUDA device can be used");
  }
  return cuda && options.device != "cpu" ? at::Device(at::kCUDA) : at::Device(at::kCPU);
}

TrainResult train(const Start& start, const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                  const TrainOptions& options, const DevMetric& dev,
                  const std::filesystem::path& output, const Json& manifest) {
  check_options(options);
  const auto device = prepare_torch(options);
  return run(start, nullptr, tokenizer, rows, options, dev, output, manifest, device);
}

TrainResult train_from_teacher(const Start& start, const std::filesystem::path& teacher,
                               const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                               const TrainOptions& options, const DevMetric& dev,
                               const std::filesystem::path& output, const Json& manifest) {
  check_options(options);
  const auto device = prepare_torch(options);
  SoftTeacher soft(teacher, tokenizer, options.bf16, device);
  check_rows(rows, soft.architecture(), loss_spec(options), "training row (for the teacher)");
  soft.prepare(rows, options.micro_tokens, kTeacherBytes);
  Start from = start;
  if (from.model.empty()) from.shape.vocab_size = soft.architecture().vocab_size;
  return run(from, &soft, tokenizer, rows, options, dev, output, manifest, device);
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
  const ParameterOptions how{at::kFloat, options.bf16 ? at::kBFloat16 : at::kFloat, device, true};
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
