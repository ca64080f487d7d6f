#include "limbeck/quantize/journal.h"

#include <fmt/core.h>

#include <algorithm>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kFactsLimit = 1u << 20;

void write_bytes(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

// A folder whose maker died before it could say what it is for holds nothing but that.
bool is_foreign(const fs::path& folder) {
  if (!fs::is_directory(folder)) return true;
  if (fs::exists(folder / "job.json")) return false;
  return std::ranges::any_of(fs::directory_iterator(folder), [](const fs::directory_entry& entry) {
    return !entry.path().filename().string().starts_with(".job.json.tmp-");
  });
}

}  // namespace

Journal::Journal(fs::path folder, const std::string& job) : folder_(std::move(folder)) {
  std::error_code error;
  if (fs::exists(folder_)) {
    const fs::path known = folder_ / "job.json";
    if (is_foreign(folder_)) {
      fail_try(ErrorKind::usage, "move it away", "{}: is in the way of the unfinished parts",
               folder_.string());
    }
    if (fs::exists(known) && read_file(known, kFactsLimit) == job) return;
    fs::remove_all(folder_, error);
  }
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder_.string(), error.message());
  write_file(folder_ / "job.json", job);
}

fs::path Journal::part(std::size_t index, std::string_view extension) const {
  return folder_ / fmt::format("{}.{}", index, extension);
}

std::optional<Json> Journal::find(std::size_t index) const {
  const fs::path facts = part(index, "json");
  if (!fs::exists(facts)) return std::nullopt;
  Json json = parse_json(read_file(facts, kFactsLimit), facts.string());
  std::error_code error;
  const auto size = fs::file_size(part(index, "bin"), error);
  if (error || size != json.value("bytes", std::uint64_t{0})) return std::nullopt;
  return json;
}

void Journal::store(std::size_t index, std::span<const std::byte> bytes, const Json& facts) {
  write_bytes(part(index, "bin"), bytes);
  Json known = facts;
  known["bytes"] = bytes.size();
  write_file(part(index, "json"), to_text(known));
}

std::vector<std::byte> Journal::bytes(std::size_t index) const {
  const MappedFile file = map(index);
  return {file.bytes().begin(), file.bytes().end()};
}

MappedFile Journal::map(std::size_t index) const { return MappedFile(part(index, "bin")); }

void Journal::remove() {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder_.string(), error.message());
}

}  // namespace limbeck
