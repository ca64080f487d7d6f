#include "limbeck/distill/head.h"

#include "limbeck/distill/losses_reference.h"

namespace limbeck::distill {
namespace {

at::Tensor capped(const at::Tensor& z, double softcap) {
  return softcap > 0 ? at::tanh(z / softcap) * softcap : z;
}

LIMBECK_CLONES void widen(const Bf16* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = load(from[i]);
}
LIMBECK_CLONES void narrow(const float* from, Bf16* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) store(to[i], from[i]);
}

// The logits of one row as numbers to compute with; bfloat16 ones go through a buffer.
template <typename T, typename F>
class Row {
 public:
  explicit Row(std::int64_t vocab)
      : buffer_(std::is_same_v<T, F> ? 0 : static_cast<std::size_t>(vocab)) {}
  std::span<F> read(T* row, std::int64_t n) {
    if constexpr (std::is_same_v<T, F>) {
      return {row, static_cast<std::size_t>(n)};
    } else {
      widen(row, buffer_.data(), n);
      return buffer_;
    }
  }
  void write(T* row, std::int64_t n) {
    if constexpr (!std::is_same_v<T, F>) narrow(buffer_.data(), row, n);
  }

 private:
  std::vector<F> buffer_;
};

struct Chunk {
  std::int64_t begin, rows;
  at::Tensor z, teacher;  // [rows, vocab]; z becomes its gradient
};

constexpr std::int64_t kGrain = 16;  // rows a task

template <typename T, typename F>
LossSums chunk_loss(const Chunk& chunk, const HeadTargets& targets, const HeadOptions& options,
                    bool gradient) {
  const auto vocab = chunk.z.size(1), tasks = (chunk.rows + kGrain - 1) / kGrain;
  std::vector<LossSums> partial(static_cast<std::size_t>(tasks));
  at::parallel_for(0, tasks, 1, [&](std::int64_t first, std::int64_t last) {
    RowScratch<F> scratch(vocab);
    Row<T, F> student(vocab), teacher(vocab);
    for (auto task = first; task < last; ++task) {
      for (auto r = task * kGrain; r < std::min(chunk.rows, (task + 1) * kGrain); ++r) {
        const auto i = static_cast<std::size_t>(chunk.begin + r);
        T* row = elements<T>(chunk.z) + r * vocab;
        RowTarget<F> target{targets.labels[i]};
        if (!targets.soft.empty()) target.soft = targets.soft[i];
        if (chunk.teacher.defined()) {
          target.teacher = teacher.read(elements<T>(chunk.teacher) + r * vocab, vocab).data();
        }
        loss_row(options.loss, student.read(row, vocab), target, options.scale, gradient, scratch,
                 partial[static_cast<std::size_t>(task)]);
        if (gradient) student.write(row, vocab);
      }
    }
  });
  LossSums sums;
  for (const auto& p : partial) sums.add(p);
  return sums;
}

// By autograd over the chunk: for devices without the kernels above.
LossSums chunk_loss_plain(Chunk& chunk, const HeadTargets& targets, const HeadOptions& options,
                          bool gradient) {
  at::AutoGradMode mode(gradient);
  const auto z = chunk.z.to(at::kFloat).requires_grad_(gradient);
  const auto begin = static_cast<std::size_t>(chunk.begin),
             end = begin + static_cast<std::size_t>(chunk.rows);
  const auto labels = at::tensor(std::vector<std::int64_t>(
                                     targets.labels.begin() + static_cast<std::ptrdiff_t>(begin),
                                     targets.labels.begin() + static_cast<std::ptrdiff_t>(end)),
                                 at::kLong)
                          .to(z.device());
  std::vector<const SoftTarget*> soft;
  if (!targets.soft.empty()) {
    soft.assign(targets.soft.begin() + static_cast<std::ptrdiff_t>(begin),
                targets.soft.begin() + static_cast<std::ptrdiff_t>(end));
  }
  const auto teacher = chunk.teacher.defined() ? chunk.teacher.to(at::kFloat) : at::Tensor();
  const auto loss = reference_loss(options.loss, z, labels, teacher, soft);
  if (gradient) {
    (loss.total * options.scale).backward();
    chunk.z = z.grad().to(chunk.z.scalar_type());
  }
  return {.total = loss.total.item<double>(),
          .cross_entropy = loss.cross_entropy.item<double>(),
          .soft = loss.soft.item<double>(),
          .targets = chunk.rows,
          .soft_targets = loss.soft_targets};
}

LossSums run_chunk(Chunk& chunk, const HeadTargets& targets, const HeadOptions& options,
                   bool gradient) {
  if (!on_cpu(chunk.z)) return chunk_loss_plain(chunk, targets, options, gradient);
  switch (chunk.z.scalar_type()) {
    case at::kDouble:
      return chunk_loss<double, double>(chunk, targets, options, gradient);
    case at::kBFloat16:
      return chunk_loss<Bf16, float>(chunk, targets, options, gradient);
    default:
      return chunk_loss<float, float>(chunk, targets, options, gradient);
  }
}

}  // namespace

at::Tensor head_loss(const at::Tensor& hidden, const Parameter& output, const HeadTargets& targets,
                     const HeadOptions& options, LossSums& sums) {
  const bool gradient = torch::autograd::GradMode::is_enabled();
  const auto h = hidden.detach(), w = output.compute;
  const auto n = h.size(0), vocab = w.size(0);
  const auto bytes = on_cpu(h) ? options.chunk_bytes : options.gpu_chunk_bytes;
  const auto step =
      std::max<std::int64_t>(128, bytes / (vocab * static_cast<std::int64_t>(h.element_size())));
  LossSums own;
  at::Tensor dh, result;
  {
    at::NoGradGuard no_grad;
    if (gradient) dh = at::empty_like(h);
    for (std::int64_t begin = 0; begin < n; begin += step) {
      Chunk chunk{begin, std::min(step, n - begin), {}, {}};
      const auto rows = h.narrow(0, begin, chunk.rows);
      const auto raw = at::linear(rows, w);
      chunk.z = capped(raw, options.softcap);
      if (targets.teacher_hidden.defined()) {
        chunk.teacher = capped(at::linear(targets.teacher_hidden.narrow(0, begin, chunk.rows),
                                          targets.teacher_output),
                               targets.teacher_softcap)
                            .to(chunk.z.scalar_type());
      }
      const auto slope =
          options.softcap > 0 && gradient ? 1 - (chunk.z / options.softcap).square() : at::Tensor();
      own.add(run_chunk(chunk, targets, options, gradient));
      if (!gradient) continue;
      if (slope.defined()) chunk.z.mul_(slope);
      dh.narrow(0, begin, chunk.rows).copy_(at::mm(chunk.z, w));
      if (output.grad.defined()) accumulate(output, at::mm(chunk.z.t(), rows));
    }
    result = at::full({}, own.total * options.scale, h.options().dtype(at::kDouble));
  }
  sums.add(own);
  differentiable({result}, {hidden}, [dh](const Gradients&) { return Gradients{dh}; });
  return result;
}

}  // namespace limbeck::distill
