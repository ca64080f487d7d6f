#include "limbeck/distill/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kProjectionStream = 0x6d617463;  // apart from the streams of random weights

std::string projection_name(std::int64_t layer) {
  return fmt::format("{}hidden.{}.weight", kTrainingOnly, layer);
}

std::int64_t width_of(const Architecture& a, char relation) {
  return (relation == 'q' ? a.heads : a.kv_heads) * a.head_dim;
}

at::Tensor part_of(const Architecture& a, const at::Tensor& qkv, char relation) {
  const auto q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;
  return relation == 'q' ? qkv.narrow(1, 0, q) : qkv.narrow(1, relation == 'k' ? q : q + kv, kv);
}

// log softmax of the relations of the rows at `rows` (within one text) [heads, rows, length].
at::Tensor log_relations(const at::Tensor& text, const at::Tensor& rows, const at::Tensor& future,
                         std::int64_t heads) {
  const auto by_head = text.view({text.size(0), heads, -1}).transpose(0, 1);
  const auto scores = at::matmul(by_head.index_select(1, rows), by_head.transpose(1, 2));
  const double scale = 1 / std::sqrt(static_cast<double>(by_head.size(2)));
  return at::log_softmax((scores * scale).masked_fill(future, -1e30), -1);
}

}  // namespace

at::Tensor hidden_distance(const at::Tensor& x, const at::Tensor& y, bool cosine) {
  if (!cosine) return (x - y).square().mean(1).sum();
  constexpr double kSmall = 1e-12;
  const auto norms = (x.square().sum(1) * y.square().sum(1)).clamp_min(kSmall).sqrt();
  return (1 - (x * y).sum(1) / norms).sum();
}

at::Tensor relation_distance(const at::Tensor& x, const at::Tensor& y, const Packing& packing,
                             const at::Tensor& index, std::int64_t heads) {
  const auto places = index.to(at::kCPU).contiguous();
  const auto* place = places.data_ptr<std::int64_t>();
  auto total = at::zeros({}, x.options());
  std::int64_t at = 0;
  for (std::int64_t r = 0; r < packing.rows(); ++r) {
    const auto start = packing.starts[static_cast<std::size_t>(r)], length = packing.length(r);
    std::vector<std::int64_t> own;
    for (; at < places.numel() && place[at] < start + length; ++at)
      own.push_back(place[at] - start);
    if (own.empty()) continue;
    const auto rows = at::tensor(own, at::kLong).to(x.device());
    const auto keys = at::arange(length, rows.options());
    const auto future = keys.unsqueeze(0) > rows.unsqueeze(1);  // [rows, length]
    const auto log_x = log_relations(x.narrow(0, start, length).contiguous(), rows, future, heads);
    const auto log_y = log_relations(y.narrow(0, start, length).contiguous(), rows, future, heads);
    const auto terms = (log_y.exp() * (log_y - log_x)).masked_fill(future, 0);
    total = total + terms.sum() / static_cast<double>(heads);
  }
  return total;
}

FeatureMatch::FeatureMatch(const TrainOptions& options, const Architecture& student,
                           const Architecture& teacher)
    : hidden_options_(options.hidden),
      attention_options_(options.attention),
      student_(student),
      teacher_(teacher) {
  const auto pairs = [&](const auto& given, std::string_view what) {
    std::vector<Pair> out;
    for (const auto& [s, t] : given) {
      if (s < 1 || s > student.layers || t < 1 || t > teacher.layers) {
        fail(ErrorKind::usage, "{}: layers: [{}, {}]: the student has {} layers, the teacher {}",
             what, s, t, student.layers, teacher.layers);
      }
      out.push_back({s - 1, t - 1});
    }
    return out;
  };
  if (hidden_options_.weight > 0) {
    hidden_ = pairs(hidden_options_.layers, "hidden");
    if (hidden_.empty()) {  // evenly, the last to the last
      for (std::int64_t s = 1; s <= student.layers; ++s) {
        hidden_.push_back(
            {s - 1, std::max<std::int64_t>(1, s * teacher.layers / student.layers) - 1});
      }
    }
  }
  if (attention_options_.weight <= 0) return;
  attention_ = pairs(attention_options_.layers, "attention");
  if (attention_.empty()) attention_.push_back({student.layers - 1, teacher.layers - 1});
  auto& heads = attention_options_.heads;
  for (const char relation : attention_options_.relations) {
    const auto s = width_of(student, relation), t = width_of(teacher, relation);
    if (heads == 0) heads = std::gcd(student.kv_heads, t);
    if (s % heads != 0 || t % heads != 0) {
      fail(ErrorKind::usage,
           "attention: {} relation heads do not divide the widths of '{}', {} of the student and "
           "{} of the teacher",
           heads, relation, s, t);
    }
  }
}

std::vector<TensorSpec> FeatureMatch::projections() const {
  std::vector<TensorSpec> specs;
  if (student_.hidden == teacher_.hidden) return specs;
  for (const auto& pair : hidden_) {
    specs.push_back({projection_name(pair.student), {teacher_.hidden, student_.hidden}});
  }
  return specs;
}

void FeatureMatch::randomize(Parameters& trained, std::uint64_t seed) {
  at::NoGradGuard no_grad;
  std::vector<double> numbers;
  for (std::size_t i = 0; i < trained.slots().size(); ++i) {
    const auto& slot = trained.slots()[i];
    if (!slot.name.starts_with(fmt::format("{}hidden.", kTrainingOnly))) continue;
    Random random(seed, kProjectionStream + i);
    const double deviation = 1 / std::sqrt(static_cast<double>(slot.shape[1]));
    numbers.resize(static_cast<std::size_t>(slot.count));
    for (auto& x : numbers) x = random.normal() * deviation;
    trained.value.narrow(0, slot.offset, slot.count)
        .copy_(at::from_blob(numbers.data(), {slot.count}, at::kDouble));
  }
  trained.update_compute();
}

at::Tensor FeatureMatch::run(TorchDecoder& decoder, const TokenBatch& batch, bool student,
                             LayerOutputs& out) const {
  const auto wanted = [student](const std::vector<Pair>& pairs, std::int64_t layer) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const Pair& pair) {
      return (student ? pair.student : pair.teacher) == layer;
    });
  };
  decoder.on_layer = [&](std::int64_t layer, const at::Tensor&, const at::Tensor& after) {
    if (wanted(hidden_, layer)) out.hidden[layer] = after;
  };
  decoder.on_qkv = [&](std::int64_t layer, const at::Tensor& qkv) {
    if (wanted(attention_, layer)) out.qkv[layer] = qkv;
  };
  const auto result = decoder.hidden(batch);
  decoder.on_layer = nullptr;
  decoder.on_qkv = nullptr;
  return result;
}

at::Tensor FeatureMatch::loss(const LayerOutputs& student, const LayerOutputs& teacher,
                              const Parameters& trained, const TargetBatch& batch) const {
  const auto wide = trained.value.scalar_type();
  auto total = at::zeros({}, trained.value.options());
  for (const auto& pair : hidden_) {
    auto x = select_rows(student.hidden.at(pair.student), batch.index);
    const auto y = teacher.hidden.at(pair.teacher).index_select(0, batch.index).to(wide);
    const auto projection = trained.get(projection_name(pair.student));
    if (projection.defined()) x = linear(x, projection, {});
    total = total + hidden_distance(x.to(wide), y, hidden_options_.cosine) *
                        (hidden_options_.weight / static_cast<double>(hidden_.size()));
  }
  for (const auto& pair : attention_) {
    const auto& relations = attention_options_.relations;
    for (const char relation : relations) {
      const auto x = part_of(student_, student.qkv.at(pair.student), relation).to(wide);
      const auto y = part_of(teacher_, teacher.qkv.at(pair.teacher), relation).to(wide);
      total = total +
              relation_distance(x, y, batch.tokens.packing, batch.index, attention_options_.heads) *
                  (attention_options_.weight /
                   static_cast<double>(attention_.size() * relations.size()));
    }
  }
  return total;
}

}  // namespace limbeck::distill
