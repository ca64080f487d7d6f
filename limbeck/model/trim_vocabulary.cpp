#include "limbeck/model/trim_vocabulary.h"

#include <algorithm>
#include <unordered_map>

#include "limbeck/base/error.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

TokenizerSpec spec_of(const Tokenizer& tokenizer) {
  TokenizerSpec spec = read_tokenizer_json(tokenizer.to_tokenizer_json(), "the vocabulary");
  read_tokenizer_config(tokenizer.to_tokenizer_config_json(), "the vocabulary", spec);
  return spec;
}

std::vector<bool> kept_tokens(const Tokenizer& tokenizer, const TokenizerSpec& spec,
                              std::span<const TokenId> used) {
  std::vector<bool> kept(static_cast<std::size_t>(tokenizer.vocab_size()), false);
  std::vector<TokenId> work;
  const auto keep = [&](TokenId id) {
    if (id < 0 || static_cast<std::size_t>(id) >= kept.size()) {
      fail(ErrorKind::usage, "trimming: token {} is outside the vocabulary of {}", id, kept.size());
    }
    if (kept[static_cast<std::size_t>(id)]) return;
    kept[static_cast<std::size_t>(id)] = true;
    work.push_back(id);
  };
  for (const TokenId id : used) keep(id);
  for (const AddedToken& token : spec.added) keep(token.id);
  for (const auto& id : {spec.bos, spec.eos, spec.pad, spec.unknown, spec.model.unknown}) {
    if (id) keep(*id);
  }
  for (const TokenId id : spec.stops) keep(id);
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    const bool byte =
        tokenizer.kind(id) == TokenKind::byte || tokenizer.token_bytes(id).size() == 1;
    if (byte) keep(id);
  }
  std::unordered_multimap<TokenId, const Merge*> makers;
  for (const Merge& merge : spec.model.merges) makers.emplace(merge.result, &merge);
  while (!work.empty()) {
    const auto [first, last] = makers.equal_range(work.back());
    work.pop_back();
    for (auto it = first; it != last; ++it) {
      keep(it->second->left);
      keep(it->second->right);
    }
  }
  return kept;
}

// Token ids also stand in a post-processor: {"id": "<s>", "ids": [1]} of templates, and
// ["</s>", 2] of pairs.
void renumber(Json& json, const std::vector<TokenId>& now) {
  const auto map = [&](Json& id) {
    if (id.is_number_unsigned() && id.get<std::size_t>() < now.size()) {
      id = now[id.get<std::size_t>()];
    }
  };
  if (json.is_object()) {
    for (auto& [key, value] : json.items()) {
      if (key == "ids" && value.is_array()) {
        for (Json& id : value) map(id);
      } else if ((key == "sep" || key == "cls") && value.is_array() && value.size() == 2) {
        map(value[1]);
      } else {
        renumber(value, now);
      }
    }
  } else if (json.is_array()) {
    for (Json& value : json) renumber(value, now);
  }
}

void renumber(TokenizerSpec& spec, const std::vector<TokenId>& kept,
              const std::vector<TokenId>& now) {
  const auto at = [&](TokenId id) { return now[static_cast<std::size_t>(id)]; };
  ModelSpec& model = spec.model;
  std::vector<std::optional<std::string>> pieces;
  std::vector<double> scores;
  for (const TokenId old : kept) {
    const auto i = static_cast<std::size_t>(old);
    pieces.push_back(i < model.pieces.size() ? model.pieces[i] : std::nullopt);
    if (!model.scores.empty()) scores.push_back(i < model.scores.size() ? model.scores[i] : 0);
  }
  model.pieces = std::move(pieces);
  model.scores = std::move(scores);
  std::erase_if(model.merges, [&](const Merge& merge) {
    return at(merge.left) < 0 || at(merge.right) < 0 || at(merge.result) < 0;
  });
  for (Merge& merge : model.merges) {
    merge.left = at(merge.left), merge.right = at(merge.right), merge.result = at(merge.result);
  }
  for (AddedToken& token : spec.added) token.id = at(token.id);
  for (auto* id : {&spec.bos, &spec.eos, &spec.pad, &spec.unknown, &model.unknown}) {
    if (*id) *id = at(**id);
  }
  for (TokenId& id : spec.stops) id = at(id);
  renumber(spec.post_processor, now);
}

// The rows of `whole` named by `kept`, in that order.
std::vector<std::byte> rows_of(const std::vector<std::byte>& whole, std::int64_t n_rows,
                               const std::vector<TokenId>& kept) {
  const std::size_t row = whole.size() / static_cast<std::size_t>(n_rows);
  std::vector<std::byte> out;
  out.reserve(row * kept.size());
  for (const TokenId id : kept) {
    const auto begin =
        whole.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(id) * row);
    out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(row));
  }
  return out;
}

}  // namespace

TrimmedTokenizer trim_tokenizer(const Tokenizer& tokenizer, std::span<const TokenId> used) {
  TokenizerSpec spec = spec_of(tokenizer);
  if (spec.model.kind != ModelKind::bpe && spec.model.kind != ModelKind::unigram) {
    fail(ErrorKind::unsupported, "trimming: the vocabulary is of whole words, which have no parts");
  }
  const std::vector<bool> keep = kept_tokens(tokenizer, spec, used);
  std::vector<TokenId> kept, now(keep.size(), -1);
  for (std::size_t id = 0; id < keep.size(); ++id) {
    if (!keep[id]) continue;
    now[id] = static_cast<TokenId>(kept.size());
    kept.push_back(static_cast<TokenId>(id));
  }
  renumber(spec, kept, now);
  return {Tokenizer::from_json(write_tokenizer_json(spec), write_tokenizer_config(spec),
                               "the trimmed vocabulary"),
          kept};
}

std::vector<TokenId> trim_vocabulary(const std::filesystem::path& model,
                                     std::span<const TokenId> used,
                                     const std::filesystem::path& output) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const TrimmedTokenizer trimmed = trim_tokenizer(checkpoint.tokenizer(), used);
  Architecture architecture = checkpoint.architecture();
  const std::int64_t before = architecture.vocab_size;
  architecture.vocab_size = static_cast<std::int64_t>(trimmed.kept.size());
  std::vector<NamedTensor> tensors = tensors_of(checkpoint);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != "token_embd.weight" && !tensor.name.starts_with("output.")) continue;
    tensor.shape[0] = architecture.vocab_size;
    tensor.make_bytes = [whole = tensor.make_bytes, before, &trimmed] {
      return rows_of(whole(), before, trimmed.kept);
    };
  }
  WriteOptions write;
  write.manifest = checkpoint.manifest();
  write.manifest["vocabulary"] = {{"tokens", trimmed.kept.size()}, {"of", before}};
  write_hf_model(output, architecture, &trimmed.tokenizer, tensors, write);
  return trimmed.kept;
}

}  // namespace limbeck
