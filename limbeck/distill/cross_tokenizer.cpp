#include "limbeck/distill/cross_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/student.h"
#include "limbeck/distill/train_checks.h"

namespace limbeck::distill {
namespace {

at::Tensor capped(const at::Tensor& z, double softcap) {
  return softcap > 0 ? at::tanh(z / softcap) * softcap : z;
}

at::Tensor long_tensor(const std::vector<std::int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

// The spans [first, last) as indices into rows that begin at a span's own first row.
struct Side {
  at::Tensor first;         // [spans]: row of each span's first target
  at::Tensor rest, owner;   // rows of the other targets, and the span of each
  at::Tensor labels;        // [rows]
  std::int64_t begin, end;  // rows of this chunk
};

Side side_of(std::span<const AlignedSpan> spans, const std::vector<TokenId>& labels, bool student,
             std::int64_t begin, std::int64_t end, at::Device device) {
  std::vector<std::int64_t> first, rest, owner, own;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const auto from = student ? spans[i].student_begin : spans[i].teacher_begin;
    const auto to = student ? spans[i].student_end : spans[i].teacher_end;
    first.push_back(from - begin);
    for (auto r = from + 1; r < to; ++r) {
      rest.push_back(r - begin);
      owner.push_back(static_cast<std::int64_t>(i));
    }
  }
  for (auto r = begin; r < end; ++r) own.push_back(labels[static_cast<std::size_t>(r)]);
  return {long_tensor(first, device),
          long_tensor(rest, device),
          long_tensor(owner, device),
          long_tensor(own, device),
          begin,
          end};
}

// log of the product of the other tokens' probabilities, for each span.
at::Tensor chain(const Side& side, const at::Tensor& log_p) {
  const auto picked = log_p.gather(1, side.labels.unsqueeze(1)).squeeze(1);  // [rows]
  return at::zeros({side.first.size(0)}, log_p.options())
      .index_add(0, side.owner, picked.index_select(0, side.rest));
}

// [spans, vocab]: the merged distribution over what may begin the span.
at::Tensor merged(const Side& side, const at::Tensor& log_p) {
  return (log_p.index_select(0, side.first) + chain(side, log_p).unsqueeze(1)).exp();
}

// Sorted falling, cut or padded with zeros to `width`.
at::Tensor padded(const at::Tensor& sorted, std::int64_t width) {
  return at::constant_pad_nd(sorted, {0, width - sorted.size(1)});
}

struct Chunk {
  std::span<const AlignedSpan> spans;
  std::int64_t begin, end;  // student rows, those before the first span's and between spans too
};

// Spans in chunks of about `rows` student rows; every student row is in one chunk.
std::vector<Chunk> chunks_of(std::span<const AlignedSpan> spans, std::int64_t n,
                             std::int64_t rows) {
  std::vector<Chunk> out;
  std::int64_t begin = 0;
  std::size_t first = 0;
  while (begin < n) {
    auto end = std::min(n, begin + rows);
    auto last = first;
    while (last < spans.size() && spans[last].student_begin < end) {
      end = std::max(end, spans[last].student_end);
      ++last;
    }
    out.push_back({spans.subspan(first, last - first), begin, end});
    begin = end;
    first = last;
  }
  return out;
}

// The text of a row's targets, and how much of it each target is.
std::pair<std::string, std::vector<std::int64_t>> answer_bytes(const Tokenizer& tokenizer,
                                                               const TrainRow& row) {
  std::string text;
  std::vector<std::int64_t> bytes;
  for (auto i = static_cast<std::size_t>(row.first_target); i < row.tokens.size(); ++i) {
    std::string_view own = tokenizer.token_bytes(row.tokens[i]);
    if (bytes.empty() && tokenizer.strips_first_blank() && own.starts_with(' ')) {
      own.remove_prefix(1);
    }
    text += own;
    bytes.push_back(static_cast<std::int64_t>(own.size()));
  }
  return {text, bytes};
}

}  // namespace

std::vector<AlignedSpan> align(std::span<const std::int64_t> student_bytes,
                               std::span<const std::int64_t> teacher_bytes) {
  std::vector<AlignedSpan> spans;
  std::size_t s = 0, t = 0, s_from = 0, t_from = 0;
  while (s < student_bytes.size() && t < teacher_bytes.size()) {
    std::int64_t s_end = student_bytes[s++], t_end = teacher_bytes[t++];
    while (s_end != t_end) {
      if (s_end < t_end) {
        if (s == student_bytes.size()) return spans;
        s_end += student_bytes[s++];
      } else {
        if (t == teacher_bytes.size()) return spans;
        t_end += teacher_bytes[t++];
      }
    }
    spans.push_back({static_cast<std::int64_t>(s_from), static_cast<std::int64_t>(s),
                     static_cast<std::int64_t>(t_from), static_cast<std::int64_t>(t)});
    s_from = s;
    t_from = t;
  }
  return spans;
}

at::Tensor reference_cross_loss(const LossSpec& spec, const at::Tensor& z,
                                const std::vector<TokenId>& labels, const at::Tensor& teacher,
                                const CrossTargets& targets) {
  const auto student = side_of(targets.spans, labels, true, 0, z.size(0), z.device());
  const auto theirs =
      side_of(targets.spans, targets.teacher_labels, false, 0, teacher.size(0), z.device());
  const double t = spec.temperature;
  const auto ce = -at::log_softmax(z, -1).gather(1, student.labels.unsqueeze(1)).sum();
  const auto s = std::get<0>(merged(student, at::log_softmax(z / t, -1)).sort(-1, true));
  const auto p = std::get<0>(merged(theirs, at::log_softmax(teacher / t, -1)).sort(-1, true));
  const auto width = std::max(s.size(1), p.size(1));
  const auto distance = (padded(s, width) - padded(p, width)).abs().sum();
  return (1 - spec.soft_weight) * ce + spec.soft_weight * distance;
}

at::Tensor cross_head_loss(const at::Tensor& hidden, const Parameter& output,
                           const std::vector<TokenId>& labels, const CrossTargets& targets,
                           const HeadOptions& options, LossSums& sums) {
  const bool gradient = torch::autograd::GradMode::is_enabled();
  const auto h = hidden.detach(), w = output.compute;
  const auto device = h.device();
  const auto wide = h.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const double t = options.loss.temperature, weight = options.loss.soft_weight;
  const double hard = (1 - weight) * options.scale;
  LossSums own;
  at::NoGradGuard no_grad;
  auto dh = gradient ? at::empty_like(h) : at::Tensor();
  for (const auto& chunk : chunks_of(targets.spans, h.size(0), 128)) {
    const auto rows = h.narrow(0, chunk.begin, chunk.end - chunk.begin);
    const auto z = capped(at::linear(rows, w).to(wide), options.softcap);
    const auto student = side_of(chunk.spans, labels, true, chunk.begin, chunk.end, device);
    auto log_q = at::log_softmax(z, -1);
    const auto ce = -log_q.gather(1, student.labels.unsqueeze(1)).sum().item<double>();
    auto dz = log_q.exp();
    dz.scatter_add_(1, student.labels.unsqueeze(1), at::full({dz.size(0), 1}, -1.0, dz.options()));
    dz.mul_(hard);
    double distance = 0;
    if (!chunk.spans.empty()) {
      const auto from = chunk.spans.front().teacher_begin, to = chunk.spans.back().teacher_end;
      const auto theirs = side_of(chunk.spans, targets.teacher_labels, false, from, to, device);
      const auto their_z = capped(
          at::linear(targets.teacher_hidden.narrow(0, from, to - from), targets.teacher_output)
              .to(wide),
          targets.teacher_softcap);
      const auto p = std::get<0>(merged(theirs, at::log_softmax(their_z / t, -1)).sort(-1, true));
      if (t != 1) log_q = at::log_softmax(z / t, -1);
      const auto [s, order] = merged(student, log_q).sort(-1, true);
      const auto width = std::max(s.size(1), p.size(1));
      const auto gap = padded(s, width) - padded(p, width);
      distance = gap.abs().sum().item<double>();
      // d distance / d log m = sign(gap) m, back in the order of the vocabulary. The first row's
      // log-probabilities get all of it, each other token of the span the row's sum.
      const auto slope =
          at::zeros_like(s).scatter_(1, order, gap.narrow(1, 0, s.size(1)).sign() * s);
      const auto sum = slope.sum(1);  // [spans]
      auto to_log_q = at::zeros_like(log_q);
      to_log_q.index_copy_(0, student.first, slope);
      if (student.rest.numel() > 0) {
        const auto column = student.labels.index_select(0, student.rest);
        to_log_q.index_put_({student.rest, column}, sum.index_select(0, student.owner));
      }
      // Through log softmax: dz = (d - q sum d) / T.
      to_log_q.sub_(log_q.exp() * to_log_q.sum(1, true));
      dz.add_(to_log_q, weight * options.scale / t);
    }
    own.cross_entropy += ce;
    own.soft += distance;
    own.total += (1 - weight) * ce + weight * distance;
    own.targets += rows.size(0);
    own.soft_targets += static_cast<std::int64_t>(chunk.spans.size());
    if (!gradient) continue;
    if (options.softcap > 0) dz.mul_(1 - (z / options.softcap).square());
    dz = dz.to(w.scalar_type());
    dh.narrow(0, chunk.begin, rows.size(0)).copy_(at::mm(dz, w));
    if (output.grad.defined()) accumulate(output, at::mm(dz.t(), rows));
  }
  sums.add(own);
  const auto result = at::full({}, own.total * options.scale, h.options().dtype(at::kDouble));
  at::AutoGradMode mode(gradient);
  differentiable({result}, {hidden}, [dh](const Gradients&) { return Gradients{dh}; });
  return result;
}

CrossTeacher::CrossTeacher(const std::filesystem::path& model, const Tokenizer& students,
                           std::span<const TrainRow> rows, std::span<const TrainRow> teacher_rows,
                           bool bf16, at::Device device)
    : decoder_(frozen_model(model, bf16, device)), rows_(rows), teacher_rows_(teacher_rows) {
  if (rows.size() != teacher_rows.size()) {
    fail(ErrorKind::usage, "{} rows for the student, {} for the teacher", rows.size(),
         teacher_rows.size());
  }
  check_rows(teacher_rows, decoder_.architecture(), {}, "training row (for the teacher)");
  const Tokenizer teachers = Tokenizer::open(model);
  std::int64_t unlike = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [student, student_bytes] = answer_bytes(students, rows[i]);
    const auto [teacher, teacher_bytes] = answer_bytes(teachers, teacher_rows[i]);
    unlike += student != teacher;
    spans_.push_back(student == teacher ? align(student_bytes, teacher_bytes)
                                        : std::vector<AlignedSpan>());
  }
  if (unlike > 0) {
    say(
        fmt::format("{} of {} rows spell their answers differently in the two vocabularies: labels "
                    "alone there",
                    unlike, rows.size()));
  }
}

CrossTargets CrossTeacher::label(const MicroBatch& micro) const {
  at::NoGradGuard no_grad;
  const auto batch = make_batch(teacher_rows_, micro, weights().device());
  CrossTargets out;
  out.teacher_labels = batch.targets.labels;
  std::int64_t student = 0, teacher = 0;
  for (const auto r : micro.rows) {
    for (auto span : spans_[r]) {
      span.student_begin += student;
      span.student_end += student;
      span.teacher_begin += teacher;
      span.teacher_end += teacher;
      out.spans.push_back(span);
    }
    student += static_cast<std::int64_t>(rows_[r].tokens.size()) - rows_[r].first_target;
    teacher +=
        static_cast<std::int64_t>(teacher_rows_[r].tokens.size()) - teacher_rows_[r].first_target;
  }
  out.teacher_hidden = select_rows(decoder_.hidden(batch.tokens), batch.index);
  out.teacher_output = decoder_.output().compute;
  out.teacher_softcap = decoder_.architecture().logit_softcap;
  return out;
}

}  // namespace limbeck::distill
