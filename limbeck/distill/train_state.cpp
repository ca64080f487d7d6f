#include "limbeck/distill/train_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/format/safetensors.h"

namespace limbeck::distill {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 3;
constexpr std::size_t kStateBytes = std::size_t{1} << 30;  // with the answers of a long phase

StoredTensor stored(std::string name, const at::Tensor& flat) {
  const auto count = flat.numel();
  return {std::move(name),
          TensorType::f32,
          {count},
          {static_cast<const std::byte*>(flat.data_ptr()), static_cast<std::size_t>(count) * 4}};
}

at::Tensor tensor(const StoredTensor& from) {
  auto out = at::empty({static_cast<std::int64_t>(from.bytes.size() / 4)}, at::kFloat);
  std::copy(from.bytes.begin(), from.bytes.end(), static_cast<std::byte*>(out.data_ptr()));
  return out;
}

void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

// step-N -> N; -1 for anything else.
std::int64_t step_of(const fs::path& folder) {
  const auto name = folder.filename().string();
  if (!name.starts_with("step-") || name.size() > 20) return -1;
  std::int64_t step = 0;
  for (const char c : name.substr(5)) {
    if (c < '0' || c > '9') return -1;
    step = step * 10 + (c - '0');
  }
  return step;
}

std::vector<fs::path> checkpoints(const fs::path& folder) {  // newest first
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (step_of(entry.path()) >= 0) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return step_of(a) > step_of(b); });
  return found;
}

TrainState read(const fs::path& folder) {
  const Json complete = read_json_file((folder / "COMPLETE").string());
  for (const auto& [name, entry] : complete.at("files").items()) {
    const fs::path file = folder / fs::path(name).filename();
    if (fs::file_size(file) != entry.at("bytes").get<std::uint64_t>() ||
        sha256_file(file) != entry.at("sha256").get<std::string>()) {
      fail(ErrorKind::format, "{} is damaged", file.string());
    }
  }
  JsonLimits limits;
  limits.bytes = kStateBytes;
  const Json json = read_json_file((folder / "state.json").string(), limits);
  const auto model = SafetensorsReader::open(folder / "model.safetensors");
  const auto optimizer = SafetensorsReader::open(folder / "optimizer.safetensors");
  TrainState s;
  s.identity = json.at("identity");
  s.step = json.at("step");
  s.tokens = json.at("tokens");
  s.target_tokens = json.at("target_tokens");
  s.seconds = json.at("seconds");
  s.loss_average = json.at("loss_average");
  s.last_loss = json.at("last_loss");
  s.evaluations = json.at("evaluations");
  s.since_best = json.at("since_best");
  s.best_step = json.at("best_step");
  s.best_metric = json.at("best_metric");
  s.stopped = json.at("stopped");
  if (json.contains("answers")) s.answers = json.at("answers");
  s.value = tensor(model.at("weights"));
  if (const auto* best = model.find("best")) s.best = tensor(*best);
  if (const auto* average = model.find("average")) s.average = tensor(*average);
  if (const auto* rounded = model.find("rounded")) s.rounded = tensor(*rounded);
  s.first = tensor(optimizer.at("first"));
  s.second = tensor(optimizer.at("second"));
  return s;
}

}  // namespace

fs::path newest_checkpoint(const fs::path& folder) {
  const auto all = checkpoints(folder);
  return all.empty() ? fs::path() : all.front();
}

void save_state(const fs::path& folder, const TrainState& s) {
  const fs::path final_name = folder / fmt::format("step-{}", s.step);
  const fs::path temporary = folder / fmt::format(".step-{}.tmp-{}", s.step, ::getpid());
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error) fail(ErrorKind::io, "{}: {}", temporary.string(), error.message());
  try {
    std::vector<StoredTensor> model{stored("weights", s.value)};
    if (s.best.defined()) model.push_back(stored("best", s.best));
    if (s.average.defined()) model.push_back(stored("average", s.average));
    if (s.rounded.defined()) model.push_back(stored("rounded", s.rounded));
    const std::vector<StoredTensor> moments{stored("first", s.first), stored("second", s.second)};
    write_safetensors(temporary / "model.safetensors", model);
    write_safetensors(temporary / "optimizer.safetensors", moments);
    const Json json = {{"version", 1},
                       {"identity", s.identity},
                       {"step", s.step},
                       {"tokens", s.tokens},
                       {"target_tokens", s.target_tokens},
                       {"seconds", s.seconds},
                       {"loss_average", s.loss_average},
                       {"last_loss", s.last_loss},
                       {"evaluations", s.evaluations},
                       {"since_best", s.since_best},
                       {"best_step", s.best_step},
                       {"best_metric", s.best_metric},
                       {"stopped", s.stopped},
                       {"answers", s.answers}};
    write_file(temporary / "state.json", to_text(json));
    Json files = Json::object();
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
      files[name] = {{"bytes", fs::file_size(temporary / name)},
                     {"sha256", sha256_file(temporary / name)}};
    }
    write_file(temporary / "COMPLETE", to_text({{"step", s.step}, {"files", files}}, 1));
    fs::remove_all(final_name, error);
    fs::rename(temporary, final_name);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, error);
    fail(ErrorKind::io, "{}: {}", final_name.string(), e.code().message());
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  sync_folder(folder);
  // Later steps are of another run in this folder: they would outlive this one's.
  std::size_t kept = 0;
  for (const auto& path : checkpoints(folder)) {
    if (step_of(path) > s.step || ++kept > kKept) fs::remove_all(path, error);
  }
}

std::optional<TrainState> load_state(const fs::path& folder, const std::string& identity) {
  for (const auto& path : checkpoints(folder)) {
    try {
      TrainState state = read(path);
      if (state.identity == identity) return state;
      say(fmt::format("{}: of other options or data, not resumed", path.string()));
    } catch (const std::exception& e) {
      say(fmt::format("{}: passed over: {}", path.string(), e.what()));
    }
  }
  return std::nullopt;
}

}  // namespace limbeck::distill
