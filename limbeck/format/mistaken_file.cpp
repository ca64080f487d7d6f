#include "limbeck/format/mistaken_file.h"

#include <string_view>

namespace limbeck {

std::string mistaken_for(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    return "this is a Git LFS pointer, not the file: run `git lfs pull` in its folder";
  }
  if (text.starts_with("PK\x03\x04") || text.starts_with("\x80\x02")) {
    return "this is a PyTorch pickle, which can run code and is never read: convert it with "
           "transformers (save_pretrained with safe_serialization)";
  }
  if (text.starts_with("<!") || text.starts_with("<html")) {
    return "this is a web page: the download needs another address, or a login";
  }
  if (text.starts_with("GGUF")) return "this is a GGUF file: name it .gguf";
  if (text.size() > 9 && text[8] == '{') return "this looks like safetensors: name its folder";
  return {};
}

}  // namespace limbeck
