#include "limbeck/pipeline/subject.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/evaluate/speed.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/pipeline/training_curve.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kLatencyItems = 64;
constexpr const char* kRunAgain = "run the same command again: what was measured is kept";

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Resident memory once the allocator has given back what earlier models left.
std::uint64_t settled_resident_bytes() {
  ::malloc_trim(0);
  return resident_bytes();
}

struct Tensors {
  std::uint64_t bytes = 0;
  std::map<std::string, std::int64_t> types;
};

Tensors count_tensors(const Checkpoint& checkpoint) {
  Tensors counted;
  for (const NamedTensor& tensor : tensors_of(checkpoint)) {
    std::int64_t weights = 1;
    for (const std::int64_t size : tensor.shape) weights *= size;
    const std::int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
    counted.types[std::string(info(tensor.type).name)] += weights;
    counted.bytes += columns > 0 ? static_cast<std::uint64_t>(weights / columns) *
                                       row_bytes(tensor.type, columns)
                                 : 0;
  }
  return counted;
}

std::string guess_role(const Json& manifest, const Tensors& tensors, bool first) {
  if (first) return "original";
  const bool quantized = std::ranges::any_of(tensors.types, [](const auto& type) {
    return type.first != "f32" && type.first != "f16" && type.first != "bf16";
  });
  if (manifest.contains("teacher")) return quantized ? "distilled+quantized" : "distilled";
  return quantized ? "quantized" : "model";
}

// The training a model needed, as its manifest tells.
Json training_of(const Json& manifest) {
  Json training = manifest.value("training", Json::object());
  if (!training.is_object()) training = Json::object();
  const auto quantization = manifest.find("quantization");
  if (quantization == manifest.end() || !quantization->is_object()) return training;
  training["quantized_by"] = quantization->value("method", "");
  if (const auto calibration = quantization->find("calibration");
      calibration != quantization->end() && calibration->is_object()) {
    training["calibration_tokens"] = calibration->value("tokens", 0);
  }
  return training;
}

std::string name_of(const ComparedModel& what) {
  if (!what.name.empty()) return what.name;
  if (limbeck::is_endpoint(what.path)) {
    const auto hash = what.path.find('#');
    return hash == std::string::npos ? what.path : what.path.substr(hash + 1);
  }
  const std::filesystem::path path = std::filesystem::path(what.path).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

Json scores_to_json(const TaskResult& result) {
  Json items = Json::array();
  for (const ItemScore& item : result.items) {
    Json row = {item.primary, item.predicted, item.gold};
    Json fields = Json::object();
    for (const auto& [field, counts] : item.by_field)
      fields[field] = {counts.right, counts.predicted, counts.gold};
    if (!fields.empty()) row.push_back(std::move(fields));
    items.push_back(std::move(row));
  }
  Json summary = to_json(result);
  summary["primary"] = result.primary;
  summary.erase("seconds");
  return {{"summary", summary}, {"seconds", result.seconds}, {"items", items}};
}

TaskScores scores_from_json(const Json& json) {
  TaskScores scores;
  scores.summary = json.at("summary");
  scores.seconds = json.at("seconds").get<double>();
  for (const Json& row : json.at("items")) {
    ItemScore item;
    item.primary = row.at(0).get<double>();
    item.predicted = row.at(1).get<std::string>();
    item.gold = row.at(2).get<std::string>();
    if (row.size() > 3) {
      for (const auto& [field, counts] : row.at(3).items())
        item.by_field[field] = {counts.at(0).get<std::int64_t>(), counts.at(1).get<std::int64_t>(),
                                counts.at(2).get<std::int64_t>()};
    }
    scores.primary.push_back(item.primary);
    scores.items.push_back(std::move(item));
  }
  return scores;
}

// Whether a failure says something about this model alone: then the others are still measured.
bool is_of_the_model(const Error& error) {
  return error.kind() != ErrorKind::interrupted && error.kind() != ErrorKind::io;
}

}  // namespace

struct Subject::Loaded {
  explicit Loaded(const Checkpoint& checkpoint) : model(checkpoint) {}
  Model model;
};

Subject::Subject(const ComparedModel& what, bool first, const CompareOptions& options,
                 const MeasurementCache& cache, ThreadPool& pool)
    : options_(options),
      cache_(cache),
      pool_(pool),
      name_(name_of(what)),
      path_(what.path),
      endpoint_(limbeck::is_endpoint(what.path)) {
  json_ = {{"name", name_},
           {"path", path_},
           {"role", what.role},
           {"base", what.base.empty() ? Json() : Json(what.base)},
           {"tasks", Json::array()},
           {"texts", Json::array()},
           {"not_measured", Json::object()}};
  if (endpoint_) {
    hash_ = sha256_hex(path_);
    if (what.role.empty()) json_["role"] = first ? "original" : "endpoint";
    json_["format"] = "endpoint";
    json_["training"] = Json::object();
    for (const char* key : {"size", "bits per weight", "parameters", "training"})
      not_measured(key, "an endpoint does not tell it");
    return;
  }
  checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(path_));
  hash_ = content_hash(path_);
  const Architecture& architecture = checkpoint_->architecture();
  const Tensors tensors = count_tensors(*checkpoint_);
  const auto parameters = static_cast<double>(parameter_count(architecture));
  if (what.role.empty()) json_["role"] = guess_role(checkpoint_->manifest(), tensors, first);
  json_.update(
      {{"format", checkpoint_->format() == Checkpoint::Format::gguf ? "gguf" : "safetensors"},
       {"sha256", hash_},
       {"bytes", checkpoint_->file_bytes()},
       {"parameters", parameters},
       {"layers", architecture.layers},
       {"hidden", architecture.hidden},
       {"vocabulary", architecture.vocab_size},
       {"bits_per_weight", 8 * static_cast<double>(tensors.bytes) / parameters},
       {"types", tensors.types},
       {"training", training_of(checkpoint_->manifest())}});
  if (Json curve = training_curve_of(path_); !curve.empty()) json_["training_curve"] = curve;
}

Subject::~Subject() = default;

void Subject::not_measured(const std::string& what, const std::string& why) {
  json_["not_measured"][what] = why;
}

void Subject::failed(const std::string& what, const Error& error) {
  not_measured(what, error.what());
  if (!failure_) failure_ = error;
}

Subject::Loaded& Subject::load() {
  if (!loaded_) loaded_ = std::make_unique<Loaded>(*checkpoint_);
  return *loaded_;
}

void Subject::unload() { loaded_.reset(); }

AnswerOptions Subject::answer_options() const {
  AnswerOptions answer;
  answer.constrained = options_.constrained;
  answer.style = prompt_style_of(checkpoint_->manifest());
  return answer;
}

Json Subject::key(const Json& more) const { return {{"model", hash_}, {"of", more}}; }

Json Subject::run_speed() {
  unload();
  const std::uint64_t before = settled_resident_bytes();
  const double begin = now_s();
  const Checkpoint checkpoint = Checkpoint::open(path_);
  const Model model(checkpoint);
  const double load_s = now_s() - begin;
  const SpeedResult speed = measure_speed_of(model, pool_, {.seconds = options_.speed_s});
  return {{"load_s", load_s},
          {"prompt_tokens_per_s", to_json(speed.prompt_tokens_per_s)},
          {"generation_tokens_per_s", to_json(speed.generation_tokens_per_s)},
          // What this model added to the process: weights it touched, cache and scratch.
          {"peak_bytes", speed.peak_bytes - std::min(speed.peak_bytes, before)}};
}

void Subject::measure_speed() {
  if (!options_.speed) {
    not_measured("speed and memory", "left out on request (--no-speed)");
    return;
  }
  if (endpoint_) {
    not_measured("speed and memory",
                 "an endpoint's speed is that of its own machine and the network between");
    return;
  }
  try {
    json_.update(
        cache_.get("speed of " + name_, key(describe_machine(pool_)), [&] { return run_speed(); }));
  } catch (const Error& error) {
    if (!is_of_the_model(error)) throw;
    not_measured("speed and memory", error.what());
  }
  stop_if_interrupted(kRunAgain);
}

std::vector<Answer> Subject::ask(const LoadedTask& task, std::span<const Example> examples,
                                 const std::function<void(std::size_t)>& on_done) {
  if (!endpoint_) {
    return answer_locally(load().model, pool_, task.task, examples, answer_options(), on_done);
  }
  OpenTeacher open(path_, pool_);
  LabelRequest request;
  request.constrained = options_.constrained;
  request.style = open.style();
  std::vector<Answer> answers;
  for (TeacherAnswer& answer :
       label(open.teacher(), task.task, examples, request, nullptr, nullptr, on_done)) {
    answers.push_back(
        {std::move(answer.text), answer.prompt_tokens, answer.answer_tokens, answer.logprob});
  }
  return answers;
}

std::optional<TaskScores> Subject::run_task(const LoadedTask& task) {
  const Json depends = key({task.hash, options_.constrained});
  try {
    const Json json = cache_.get(fmt::format("{} on {}", name_, task.task.name), depends, [&] {
      Progress progress(fmt::format("{} on {}", name_, task.task.name), task.examples.size(),
                        "items");
      const double begin = now_s();
      const auto answers = ask(task, task.examples, [&](std::size_t done) {
        progress.update(done);
        stop_if_interrupted(kRunAgain);
      });
      TaskResult result = score_task(task.task, task.examples, answers);
      result.seconds = now_s() - begin;
      return scores_to_json(result);
    });
    stop_if_interrupted(kRunAgain);
    return scores_from_json(json);
  } catch (const Error& error) {
    if (!is_of_the_model(error)) throw;
    failed(task.task.name, error);
    return std::nullopt;
  }
}

void Subject::measure_latency(const LoadedTask& task) {
  if (!options_.speed || endpoint_ || task.examples.empty()) return;
  const Json depends = key({task.hash, options_.constrained, describe_machine(pool_)});
  json_.update(cache_.get(fmt::format("latency of {}", name_), depends, [&]() -> Json {
    std::vector<double> seconds;
    for (const Example& example :
         std::span(task.examples).first(std::min(task.examples.size(), kLatencyItems))) {
      const double begin = now_s();
      ask(task, std::span(&example, 1), {});
      seconds.push_back(now_s() - begin);
      stop_if_interrupted(kRunAgain);
    }
    std::ranges::sort(seconds);
    return {{"p50_s", seconds[seconds.size() / 2]}, {"p95_s", seconds[seconds.size() * 95 / 100]}};
  }));
}

Json Subject::run_text(std::string_view text, Subject* reference) {
  const Model& model = load().model;
  TextOptions text_options;
  text_options.max_tokens = options_.text_tokens;
  std::int64_t context = model.architecture().context_length;
  if (reference) context = std::min(context, reference->checkpoint_->architecture().context_length);
  text_options.context = std::min(text_options.context, context);
  const TextResult result =
      evaluate_text(model, checkpoint_->tokenizer(), pool_, text, text_options,
                    reference ? &reference->load().model : nullptr);
  Json json = to_json(result);
  json["perplexity"] = to_json(result.perplexity);
  if (result.has_reference) json["same_top1"] = to_json(result.same_top1);
  return json;
}

void Subject::measure_text(const std::string& name, std::string_view text, Subject* reference) {
  Json entry = {{"text", name}};
  const std::string kl = "KL on " + name;
  try {
    if (endpoint_) {
      not_measured("perplexity and " + kl, "an endpoint gives no log-probabilities of a text");
    } else {
      Subject* comparable = reference;
      if (reference && reference->endpoint_) {
        not_measured(kl, fmt::format("{} is an endpoint: it gives no log-probabilities of a text",
                                     reference->name_));
        comparable = nullptr;
      } else if (reference &&
                 reference->checkpoint_->tokenizer().hash() != checkpoint_->tokenizer().hash()) {
        not_measured(kl, "its vocabulary differs from that of " + reference->name_);
        comparable = nullptr;
      }
      const Json depends = key(
          {sha256_hex(text), options_.text_tokens, comparable ? comparable->hash_ : std::string()});
      entry.update(cache_.get(fmt::format("{} on {}", name_, name), depends,
                              [&] { return run_text(text, comparable); }));
      entry["text"] = name;
    }
  } catch (const Error& error) {
    if (!is_of_the_model(error)) throw;
    failed("perplexity and " + kl, error);
  }
  json_["texts"].push_back(std::move(entry));
  stop_if_interrupted(kRunAgain);
}

}  // namespace limbeck::pipeline
