// A model on disk, whatever its format: architecture plus tensors under canonical names.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/tensor_type.h"
#include "limbeck/format/gguf.h"
#include "limbeck/model/architecture.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

// One tensor under its canonical name. `bytes` points into the mapped file, or into `owned` where
// the stored layout differs (Conv1D, fused or interleaved qkv). 1-D tensors have rows == 1.
struct Weight {
  TensorType type = TensorType::f32;
  std::int64_t rows = 0, columns = 0;  // [out, in]
  std::span<const std::byte> bytes;    // rows * row_bytes(type, columns)
  std::shared_ptr<const std::vector<std::byte>> owned;
};

class Checkpoint {
 public:
  enum class Format { safetensors, gguf };

  // A Hugging Face folder or a .gguf file. Maps, checks that each tensor of the architecture is
  // there with its shape (Error{format} naming it), and that nothing unknown is (named in
  // `unused`). Throws Error{usage} if `path` does not exist, Error{unsupported} on a family it does
  // not know.
  static Checkpoint open(const std::filesystem::path& path);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::filesystem::path& path() const noexcept;
  Format format() const noexcept;
  const Architecture& architecture() const noexcept;  // rope_style as the stored q/k rows need it
  std::uint64_t file_bytes() const noexcept;          // of all weight files
  std::vector<std::string> unused() const;  // stored tensors that the architecture does not use
  // Of a folder packed by GPTQ, AWQ or compressed-tensors: which types hold its matrices exactly
  // (packed_weights.h). Empty otherwise.
  std::vector<std::string> packed_notes() const;

  // By canonical name. `find` is nullopt if absent ("output.weight" of tied models included).
  std::optional<Weight> find(std::string_view name) const;
  Weight at(std::string_view name) const;
  std::vector<float> floats(std::string_view name) const;  // decoded, [rows * columns]
  TensorType type_of(std::string_view name) const;         // without touching the bytes

  // From now on `find` gives this weight under this name, whatever the file holds: a model is tried
  // with some of its tensors rounded. Models already made of the checkpoint keep what they had.
  // Throws Error{usage} if there is no such tensor or the shape differs.
  void replace(std::string_view name, Weight weight);

  // Loaded on first use. Throws Error{usage} if the model carries none.
  const Tokenizer& tokenizer() const;
  bool has_tokenizer() const;

  // What Limbeck wrote about how the model was made (limbeck.json of a folder, key
  // "limbeck.manifest" of a GGUF file): {"prompt": "bare", "task": ..., "training": {...},
  // "quantization": {...}}; an empty object if none.
  const Json& manifest() const;

  const GgufReader* gguf() const noexcept;  // nullptr unless a GGUF file

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads only config.json (or the GGUF keys). For `advise` and fresh students.
Architecture read_architecture(const std::filesystem::path& path);

// A tensor to be written, canonical name and layout; `rope_style` of the Architecture passed beside
// it says how its q/k rows are ordered now: writers permute where the target wants the other.
struct NamedTensor {
  std::string name;
  TensorType type = TensorType::f32;
  Shape shape;
  std::function<std::vector<std::byte>()> make_bytes;
};

// Every tensor of a checkpoint, undecoded, as NamedTensors; the checkpoint must outlive them.
std::vector<NamedTensor> tensors_of(const Checkpoint& checkpoint);

// The canonical names that GGUF files of this family keep in one tensor (q, k and v; gate and up):
// write_gguf_model wants one type for each group. Empty for families that fuse nothing.
std::vector<std::vector<std::string>> fused_tensors(const Architecture& architecture);

struct WriteOptions {
  Json manifest;  // see Checkpoint::manifest; null: none
  std::vector<std::pair<std::string, GgufValue>>
      extra_metadata;  // GGUF: added keys (manifest, provenance)
  std::map<std::string, std::string> safetensors_metadata;  // Hugging Face folder
  std::int64_t shard_bytes = std::int64_t{5} << 30;         // Hugging Face folder: largest file
  std::filesystem::path
      copy_from;  // a folder whose LICENSE*/README.md/generation_config.json go along; may be empty
  int file_type = -1;      // general.file_type; -1: by the most common tensor type
  bool pack_int4 = false;  // Hugging Face folder: Q4_0 matrices as compressed-tensors packs them
};

// A GGUF file that an unmodified llama.cpp loads: vectors (norms, biases) as f32, a vocabulary
// padded to the embedding's rows. Without a tokenizer the file says "no_vocab". Atomic.
// Throws Error{usage, io}; Error{unsupported} where llama.cpp would compute something else.
void write_gguf_model(const std::filesystem::path& path, const Architecture& architecture,
                      const Tokenizer* tokenizer, std::span<const NamedTensor> tensors,
                      const WriteOptions& options = {});

// A Hugging Face folder that transformers loads: config.json, generation_config.json, tokenizer
// files, model.safetensors (or shards and index). Tensors must be f32, f16 or bf16 (with pack_int4
// also Q4_0). The folder
// appears whole under its name (written beside, then renamed); an existing folder of that name is
// replaced only if it is a model folder.
void write_hf_model(const std::filesystem::path& folder, const Architecture& architecture,
                    const Tokenizer* tokenizer, std::span<const NamedTensor> tensors,
                    const WriteOptions& options = {});

// config.json for an architecture.
Json to_hf_config(const Architecture& architecture, const Tokenizer* tokenizer);

}  // namespace limbeck
