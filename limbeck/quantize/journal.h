// Tensors already rounded, kept beside the output until it is whole, so that a killed run goes on
// where it was. One folder, `<output>.parts`: job.json says what is being made, N.bin holds the
// bytes of tensor N, N.json what is known of it (written last). A job that is done within seconds
// never makes one: what it has is held in memory first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/mapped_file.h"

namespace limbeck {

// How long parts stay in memory before they go to the folder: the work that a kill may cost.
struct JournalHold {
  double seconds = 0;       // from the beginning of the job
  std::uint64_t bytes = 0;  // of parts
};

class Journal {
 public:
  using Bytes = std::vector<std::byte>;

  // Goes on with the folder if it was begun for the same `job`; otherwise empties it first.
  // Throws Error{io}; Error{usage} if `folder` is something else's.
  Journal(std::filesystem::path folder, const std::string& job, JournalHold hold = {});

  // What was stored of tensor `index`; nullopt if nothing or not whole.
  std::optional<Json> find(std::size_t index) const;
  void store(std::size_t index, Bytes bytes, const Json& facts);
  Bytes bytes(std::size_t index) const;
  // The part where it is held in memory; null: it is in the folder.
  std::shared_ptr<const Bytes> held(std::size_t index) const;
  MappedFile map(std::size_t index) const;
  // Puts all that is held into the folder, and what is stored from now on.
  void keep();
  // Removes the folder and what others keep in it: the output is whole.
  void remove();
  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Held {
    std::shared_ptr<const Bytes> bytes;
    Json facts;
  };
  std::filesystem::path part(std::size_t index, std::string_view extension) const;
  void write(std::size_t index, std::span<const std::byte> bytes, const Json& facts) const;

  std::filesystem::path folder_;
  std::string job_;
  JournalHold hold_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool kept_ = false;  // the folder is there, and everything in it
  std::map<std::size_t, Held> held_;
  std::uint64_t held_bytes_ = 0;
};

}  // namespace limbeck
