#include "limbeck/quantize/journal.h"

#include <fmt/core.h>

#include <algorithm>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kFactsLimit = 1u << 20;
constexpr const char* kJob = "job.json";

void write_bytes(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

// A folder whose maker died before it could say what it is for holds nothing but that.
bool is_foreign(const fs::path& folder) {
  if (!fs::is_directory(folder)) return true;
  if (fs::exists(folder / kJob)) return false;
  return std::ranges::any_of(fs::directory_iterator(folder), [](const fs::directory_entry& entry) {
    return !entry.path().filename().string().starts_with(".job.json.tmp-");
  });
}

// What tells whose folder it is goes last: a removal that is cut short leaves no foreign folder.
void remove_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename() != kJob) files.push_back(entry->path());
  }
  files.push_back(folder / kJob);
  files.push_back(folder);
  for (const fs::path& file : files) {
    if (!error) fs::remove_all(file, error);
  }
  if (error) fail(ErrorKind::io, "{}: {}", folder.string(), error.message());
}

}  // namespace

Journal::Journal(fs::path folder, const std::string& job, JournalHold hold)
    : folder_(std::move(folder)), job_(job), hold_(hold) {
  if (fs::exists(folder_)) {
    const fs::path known = folder_ / kJob;
    if (is_foreign(folder_)) {
      fail_try(ErrorKind::usage, "move it away", "{}: is in the way of the unfinished parts",
               folder_.string());
    }
    kept_ = fs::exists(known) && read_file(known, kFactsLimit) == job;
    if (!kept_) remove_folder(folder_);
  }
  if (!kept_ && !(hold_.seconds > 0)) keep();
}

void Journal::keep() {
  if (kept_) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder_.string(), error.message());
  write_file(folder_ / kJob, job_);
  kept_ = true;
  for (const auto& [index, part] : held_) write(index, *part.bytes, part.facts);
  held_.clear();
}

fs::path Journal::part(std::size_t index, std::string_view extension) const {
  return folder_ / fmt::format("{}.{}", index, extension);
}

std::optional<Json> Journal::find(std::size_t index) const {
  if (const auto found = held_.find(index); found != held_.end()) return found->second.facts;
  if (!kept_) return std::nullopt;
  const fs::path facts = part(index, "json");
  if (!fs::exists(facts)) return std::nullopt;
  Json json = parse_json(read_file(facts, kFactsLimit), facts.string());
  std::error_code error;
  const auto size = fs::file_size(part(index, "bin"), error);
  if (error || size != json.value("bytes", std::uint64_t{0})) return std::nullopt;
  return json;
}

void Journal::store(std::size_t index, Bytes bytes, const Json& facts) {
  Json known = facts;
  known["bytes"] = bytes.size();
  if (kept_) {
    write(index, bytes, known);
    return;
  }
  held_bytes_ += bytes.size();
  held_[index] = {std::make_shared<const Bytes>(std::move(bytes)), std::move(known)};
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - begun_;
  if (since.count() > hold_.seconds || held_bytes_ > hold_.bytes) keep();
}

void Journal::write(std::size_t index, std::span<const std::byte> bytes, const Json& facts) const {
  write_bytes(part(index, "bin"), bytes);
  write_file(part(index, "json"), to_text(facts));
}

Journal::Bytes Journal::bytes(std::size_t index) const {
  if (const auto part = held(index)) return *part;
  const MappedFile file = map(index);
  return {file.bytes().begin(), file.bytes().end()};
}

std::shared_ptr<const Journal::Bytes> Journal::held(std::size_t index) const {
  const auto found = held_.find(index);
  return found == held_.end() ? nullptr : found->second.bytes;
}

MappedFile Journal::map(std::size_t index) const { return MappedFile(part(index, "bin")); }

void Journal::remove() {
  if (kept_) remove_folder(folder_);
}

}  // namespace limbeck
