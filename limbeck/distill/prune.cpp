#include "limbeck/distill/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/distill/target_batch.h"
#include "limbeck/distill/train_checks.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kMicroTokens = 2048;

// What the teacher's activations are, over the rows looked at.
struct Activity {
  at::Tensor influence;  // [layers] sums over tokens of 1 - cosine
  at::Tensor across;     // [layers] the same from the input of layer i to that of i + removed
  std::vector<at::Tensor> ffn;  // of each layer [ffn]: sums of |activation|
  at::Tensor heads;             // [layers, heads] sums of the norm of each head's output
  at::Tensor hidden;            // [hidden] sums of |normalised stream|
  std::int64_t tokens = 0;
};

at::Tensor one_minus_cosine(const at::Tensor& a, const at::Tensor& b) {
  return (1 - at::cosine_similarity(a, b, 1)).to(at::kDouble).sum();
}

Activity measure(TorchDecoder& decoder, std::span<const TrainRow> rows, std::int64_t removed,
                 const CutOptions& options) {
  at::NoGradGuard no_grad;
  const Architecture& a = decoder.architecture();
  Activity sums;
  sums.influence = at::zeros({a.layers}, at::kDouble);
  sums.across = at::zeros({a.layers + 1}, at::kDouble);
  sums.heads = at::zeros({a.layers, a.heads}, at::kDouble);
  sums.hidden = at::zeros({a.hidden}, at::kDouble);
  for (std::int64_t i = 0; i < a.layers; ++i) sums.ffn.push_back(at::zeros({a.ffn}, at::kDouble));
  std::vector<at::Tensor> stream;  // before each layer, and after the last
  decoder.on_layer = [&](std::int64_t layer, const at::Tensor& before, const at::Tensor& after) {
    sums.influence[layer] += one_minus_cosine(before, after);
    sums.hidden +=
        (after / after.square().mean(1, true).add(1e-6).sqrt()).abs().to(at::kDouble).sum(0);
    if (layer == 0) stream = {before};
    stream.push_back(after);
  };
  decoder.on_ffn = [&](std::int64_t layer, const at::Tensor& inner) {
    sums.ffn[static_cast<std::size_t>(layer)] += inner.abs().to(at::kDouble).sum(0);
  };
  decoder.on_attention = [&](std::int64_t layer, const at::Tensor& out) {
    sums.heads[layer] += out.view({-1, a.heads, a.head_dim}).norm(2, {2}).to(at::kDouble).sum(0);
  };
  for (const auto& micro : plan_pass(rows, kMicroTokens)) {
    if (sums.tokens >= options.max_tokens) break;
    const auto batch = make_batch(rows, micro);
    decoder.hidden(batch.tokens);
    sums.tokens += batch.tokens.tokens.numel();
    for (std::int64_t i = 0; i + removed <= a.layers; ++i) {
      sums.across[i] += one_minus_cosine(stream[static_cast<std::size_t>(i)],
                                         stream[static_cast<std::size_t>(i + removed)]);
    }
  }
  decoder.on_layer = nullptr;
  decoder.on_ffn = nullptr;
  decoder.on_attention = nullptr;
  return sums;
}

// The `n` places of the greatest scores, in order of place. [n] int64
at::Tensor best(const at::Tensor& scores, std::int64_t n) {
  const auto order = at::argsort(scores, 0, true).narrow(0, 0, n);
  return std::get<0>(order.sort());
}

// [k] heads -> [k * head_dim] rows of their weights.
at::Tensor rows_of(const at::Tensor& heads, std::int64_t head_dim) {
  return (heads.unsqueeze(1) * head_dim + at::arange(head_dim, at::kLong)).flatten();
}

Architecture student_shape(const Architecture& teacher, const CutShape& cut) {
  Architecture s = teacher;
  const auto take = [](std::string_view what, std::int64_t wanted, std::int64_t& value) {
    if (wanted == 0) return;
    if (wanted < 1 || wanted > value) {
      fail(ErrorKind::usage, "cutting: {} is {}, it must be in [1, {}], the teacher's", what,
           wanted, value);
    }
    value = wanted;
  };
  const auto group = teacher.heads / teacher.kv_heads;
  take("layers", cut.layers, s.layers);
  take("hidden", cut.hidden, s.hidden);
  take("ffn", cut.ffn, s.ffn);
  take("heads", cut.heads, s.heads);
  if (s.heads % group != 0) {
    fail(ErrorKind::usage, "cutting: {} heads are no whole groups of {} heads to a key-value head",
         s.heads, group);
  }
  s.kv_heads = s.heads / group;
  if (s.hidden != teacher.hidden && teacher.embedding_scale != 1) {
    fail(ErrorKind::unsupported,
         "cutting: the hidden width of a {} model is part of its embedding's scale",
         name(teacher.family));
  }
  if (s.layers != teacher.layers && teacher.sliding_window > 0 && teacher.sliding_pattern > 1) {
    fail(ErrorKind::unsupported,
         "cutting: layers of a model whose layers take turns in sliding cannot be left out");
  }
  return s;
}

// Which part of the teacher each tensor of the student is.
struct Selection {
  std::vector<std::int64_t> layers;  // teacher layer of each student layer
  std::vector<at::Tensor> ffn;       // of each student layer
  std::vector<at::Tensor> q, kv;     // rows, of each student layer
  at::Tensor hidden;
};

at::Tensor cut_tensor(const at::Tensor& whole, std::string_view stem, const Selection& s,
                      std::size_t layer) {
  const auto has = [&](std::string_view part) { return stem.find(part) != std::string_view::npos; };
  const auto rows = [&](const at::Tensor& index) { return whole.index_select(0, index); };
  const auto columns = [&](const at::Tensor& x, const at::Tensor& index) {
    return x.dim() > 1 ? x.index_select(1, index) : x;  // a bias has none
  };
  if (has("embd") || stem.starts_with("output.")) return columns(whole, s.hidden);
  if (has("q_norm") || has("k_norm")) return whole;
  if (has("attn_q.")) return columns(rows(s.q[layer]), s.hidden);
  if (has("attn_k.") || has("attn_v.")) return columns(rows(s.kv[layer]), s.hidden);
  if (has("attn_output.")) return columns(rows(s.hidden), s.q[layer]);
  if (has("ffn_gate.") || has("ffn_up.")) return columns(rows(s.ffn[layer]), s.hidden);
  if (has("ffn_down.")) return columns(rows(s.hidden), s.ffn[layer]);
  return rows(s.hidden);  // norms
}

Selection select(const Architecture& teacher, const Architecture& student, const Activity& seen,
                 const CutOptions& options, CutReport& report) {
  Selection s;
  const auto removed = teacher.layers - student.layers;
  const auto first = options.keep_first, last = teacher.layers - removed - options.keep_last;
  if (removed > 0 && last < first) {
    fail(ErrorKind::usage,
         "cutting: {} of {} layers cannot go while the first {} and the last {} stay", removed,
         teacher.layers, options.keep_first, options.keep_last);
  }
  std::int64_t block = teacher.layers;  // where the left-out block begins
  if (removed > 0) {
    block = first + at::argmin(seen.across.narrow(0, first, last - first + 1)).item<std::int64_t>();
    report.removed_influence = seen.across[block].item<double>() / static_cast<double>(seen.tokens);
  }
  report.removed_first = removed > 0 ? block : 0;
  report.removed_count = removed;
  s.hidden = best(seen.hidden, student.hidden);
  const auto group = teacher.heads / teacher.kv_heads;
  for (std::int64_t i = 0; i < teacher.layers; ++i) {
    if (i >= block && i < block + removed) continue;
    s.layers.push_back(i);
    const auto& activity = seen.ffn[static_cast<std::size_t>(i)];
    s.ffn.push_back(best(activity, student.ffn));
    report.kept_ffn.push_back(
        (activity.index_select(0, s.ffn.back()).sum() / activity.sum()).item<double>());
    const auto groups =
        best(seen.heads[i].view({teacher.kv_heads, group}).sum(1), student.kv_heads);
    s.kv.push_back(rows_of(groups, teacher.head_dim));
    s.q.push_back(rows_of(rows_of(groups, group), teacher.head_dim));
  }
  return s;
}

}  // namespace

Json CutReport::to_json() const {
  return {{"influence", influence},
          {"removed_layers", {{"first", removed_first}, {"count", removed_count}}},
          {"removed_influence", removed_influence},
          {"kept_ffn_activity", kept_ffn},
          {"layers", architecture.layers},
          {"hidden", architecture.hidden},
          {"ffn", architecture.ffn},
          {"heads", architecture.heads},
          {"parameters", parameter_count(architecture)}};
}

CutReport cut_student(const std::filesystem::path& teacher, std::span<const TrainRow> rows,
                      const CutShape& shape, const CutOptions& options,
                      const std::filesystem::path& output) {
  at::NoGradGuard no_grad;
  set_threads(options.threads);
  const auto checkpoint = Checkpoint::open(teacher);
  const Architecture& big = checkpoint.architecture();
  CutReport report;
  report.architecture = student_shape(big, shape);
  check_rows(rows, big, {}, "row");
  const ParameterOptions plain{at::kFloat, at::kFloat, at::kCPU, false};
  auto weights = std::make_shared<Parameters>(big, plain);
  weights->load(checkpoint);
  TorchDecoder decoder(weights);
  const Activity seen = measure(decoder, rows, big.layers - report.architecture.layers, options);
  for (std::int64_t i = 0; i < big.layers; ++i) {
    report.influence.push_back(seen.influence[i].item<double>() / static_cast<double>(seen.tokens));
  }
  const Selection selection = select(big, report.architecture, seen, options, report);

  Parameters student(report.architecture, plain);
  for (const auto& slot : student.slots()) {
    std::string from = slot.name;
    std::size_t layer = 0;
    if (from.starts_with("blk.")) {
      const auto dot = from.find('.', 4);
      layer = static_cast<std::size_t>(std::stoll(from.substr(4, dot - 4)));
      from = fmt::format("blk.{}{}", selection.layers[layer], from.substr(dot));
    }
    const auto part = cut_tensor(weights->get(from).value, from, selection, layer);
    student.value.narrow(0, slot.offset, slot.count).copy_(part.flatten());
  }
  const TensorType type = options.save == "f16"    ? TensorType::f16
                          : options.save == "bf16" ? TensorType::bf16
                                                   : TensorType::f32;
  WriteOptions write;
  write.manifest = checkpoint.manifest();
  write.manifest["cut"] = report.to_json();
  write_hf_model(output, report.architecture,
                 checkpoint.has_tokenizer() ? &checkpoint.tokenizer() : nullptr,
                 student.tensors(type, student.value), write);
  return report;
}

}  // namespace limbeck::distill
