// Writes that are seen whole or not at all: temporary sibling, fsync, rename, fsync of the folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace limbeck {

// A file under construction. Destroyed before `commit`, it leaves nothing behind.
class AtomicFile {
 public:
  // Creates `.<name>.tmp-<pid>-<random>` beside `path`. Throws Error{io}; missing parent folders
  // are made.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws Error{io} (a full disk names the bytes that were to be written).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // Overwrites bytes already written (headers that are known last).
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t size() const noexcept { return size_; }
  // Pads with zero bytes to a multiple of `alignment`.
  void align(std::size_t alignment);

  // Makes the file appear under its final name. Throws Error{io}, and then nothing has appeared;
  // also if a mapped file, of which it may be made, has become shorter.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

// The whole of a small file at once. Throws Error{io}.
void write_file(const std::filesystem::path& path, std::string_view text);

// Throws Error{usage} if it does not exist, Error{io} if unreadable, Error{format} over `limit`
// bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit);

// Throws Error{io} naming the bytes needed and free if the file system of `path` (its nearest
// existing parent) has less than `bytes` free.
void check_free_space(const std::filesystem::path& path, std::uint64_t bytes);

}  // namespace limbeck
