// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace limbeck {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view text);
  std::string hex();  // 64 lower-case digits; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
std::string sha256_file(const std::filesystem::path& path);  // throws as MappedFile

}  // namespace limbeck
