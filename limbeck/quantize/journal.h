// Tensors already rounded, kept beside the output until it is whole, so that a killed run goes on
// where it was. One folder, `<output>.parts`: job.json says what is being made, N.bin holds the
// bytes of tensor N, N.json what is known of it (written last).
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/mapped_file.h"

namespace limbeck {

class Journal {
 public:
  // Goes on with the folder if it was begun for the same `job`; otherwise empties it first.
  // Throws Error{io}; Error{usage} if `folder` is something else's.
  Journal(std::filesystem::path folder, const std::string& job);

  // What was stored of tensor `index`; nullopt if nothing or not whole.
  std::optional<Json> find(std::size_t index) const;
  void store(std::size_t index, std::span<const std::byte> bytes, const Json& facts);
  std::vector<std::byte> bytes(std::size_t index) const;
  MappedFile map(std::size_t index) const;
  // Removes the folder and what others keep in it: the output is whole.
  void remove();
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path part(std::size_t index, std::string_view extension) const;
  std::filesystem::path folder_;
};

}  // namespace limbeck
