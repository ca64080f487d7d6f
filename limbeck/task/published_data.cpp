// Published data sets in their own layouts: SNIPS (Coucke et al. 2018, 1805.10190), restaurant8k
// and DSTC8 spans (Coope et al. 2020, 2005.08866), SQuAD (Rajpurkar et al. 2016 and 2018).
#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/task/data.h"

namespace limbeck {
namespace {

const Json& required(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key)) {
    fail(ErrorKind::usage, "{}: '{}' is missing", where, key);
  }
  return object[key];
}

const Json& required_list(const Json& object, const char* key, const std::string& where) {
  const Json& value = required(object, key, where);
  if (!value.is_array()) fail(ErrorKind::usage, "{}: '{}' is not a list", where, key);
  return value;
}

std::string required_text(const Json& object, const char* key, const std::string& where) {
  const Json& value = required(object, key, where);
  if (!value.is_string()) fail(ErrorKind::usage, "{}: '{}' is not a string", where, key);
  return value.get<std::string>();
}

// The values of an utterance's slots, several of one slot joined by commas.
class Slots {
 public:
  void add(std::string slot, std::string_view value) {
    const auto [found, fresh] = at_.try_emplace(std::move(slot), values_.size());
    if (fresh)
      values_.emplace_back(found->first, value);
    else
      values_[found->second].second.append(", ").append(value);
  }
  Json record() const {
    Json all = Json::object();
    auto& members =
        static_cast<std::vector<Json::object_t::value_type>&>(all.get_ref<Json::object_t&>());
    for (const auto& [slot, value] : values_) members.emplace_back(slot, value);  // all differ
    return all;
  }

 private:
  std::unordered_map<std::string, std::size_t> at_;
  std::vector<std::pair<std::string, std::string>> values_;
};

std::int64_t position(const Json& span, const char* key, std::int64_t fallback,
                      const std::string& where) {
  if (!span.contains(key)) return fallback;
  if (!span[key].is_number_integer())
    fail(ErrorKind::usage, "{}: '{}' is not a number", where, key);
  return span[key].get<std::int64_t>();
}

// Where each code point begins, and the end.
std::vector<std::size_t> code_points(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t at = 0; at < text.size(); at += code_point_at(text, at).bytes)
    offsets.push_back(at);
  offsets.push_back(text.size());
  return offsets;
}

// Characters [start, end) counted in code points.
std::string_view characters(std::string_view text, const std::vector<std::size_t>& offsets,
                            std::int64_t start, std::int64_t end, const std::string& where) {
  if (start < 0 || start >= end || end >= static_cast<std::int64_t>(offsets.size())) {
    fail(ErrorKind::usage, "{}: span [{}, {}) is outside the text", where, start, end);
  }
  const std::size_t begin = offsets[static_cast<std::size_t>(start)];
  return text.substr(begin, offsets[static_cast<std::size_t>(end)] - begin);
}

}  // namespace

DataFile read_snips(const Json& root, const std::string& file, TaskKind kind) {
  if (!root.is_object())
    fail(ErrorKind::usage, "{}: not a SNIPS file (no object of intents)", file);
  DataFile out;
  for (const auto& [intent, utterances] : root.items()) {
    if (!utterances.is_array()) fail(ErrorKind::usage, "{}: '{}' is not a list", file, intent);
    std::size_t index = 0;
    for (const Json& utterance : utterances) {
      const std::string where = fmt::format("{}:{}[{}]", file, intent, index++);
      std::string text;
      Slots slots;
      for (const Json& chunk : required_list(utterance, "data", where)) {
        const std::string piece = required_text(chunk, "text", where);
        text += piece;
        if (chunk.contains("entity")) slots.add(required_text(chunk, "entity", where), piece);
      }
      Json answer = kind == TaskKind::classification ? Json(intent) : slots.record();
      out.examples.push_back({text, std::move(answer), where});
    }
  }
  return out;
}

DataFile read_spans(const Json& root, const std::string& file) {
  if (!root.is_array()) fail(ErrorKind::usage, "{}: not a list of utterances", file);
  DataFile out;
  std::size_t index = 0;
  for (const Json& item : root) {
    const std::string where = fmt::format("{}[{}]", file, index++);
    const std::string text = required_text(required(item, "userInput", where), "text", where);
    Json input = Json::object();
    if (item.contains("context") && item["context"].contains("requestedSlots")) {
      std::string asked;
      for (const Json& slot : required_list(item["context"], "requestedSlots", where)) {
        if (!slot.is_string())
          fail(ErrorKind::usage, "{}: a requested slot is not a string", where);
        asked += (asked.empty() ? "" : ", ") + slot.get<std::string>();
      }
      if (!asked.empty()) input["asked"] = asked;
    }
    input["text"] = text;
    Slots slots;
    if (item.contains("labels")) {
      const auto offsets = code_points(text);
      for (const Json& label : required_list(item, "labels", where)) {
        const std::string slot = required_text(label, "slot", where);
        const Json& span = required(label, "valueSpan", where);
        slots.add(slot, characters(text, offsets, position(span, "startIndex", 0, where),
                                   position(span, "endIndex", -1, where), where));
      }
    }
    out.examples.push_back({std::move(input), slots.record(), where});
  }
  return out;
}

DataFile read_squad(const Json& root, const std::string& file) {
  DataFile out;
  for (const Json& article : required_list(root, "data", file)) {
    for (const Json& paragraph : required_list(article, "paragraphs", file)) {
      const std::string context = required_text(paragraph, "context", file);
      const Json& questions = required_list(paragraph, "qas", file);
      if (context.size() * questions.size() > kMostCopied)
        fail(ErrorKind::usage,
             "{}: a context of {} bytes has {} questions, each of which repeats it", file,
             context.size(), questions.size());
      for (const Json& question : questions) {
        const std::string where = fmt::format("{}: question {}", file, out.examples.size() + 1);
        Json answers = Json::array();
        std::unordered_set<std::string> seen;
        for (const Json& answer : required_list(question, "answers", where)) {
          const std::string text = required_text(answer, "text", where);
          if (seen.insert(text).second) answers.push_back(text);
        }
        if (answers.empty()) answers.push_back("");
        Json input = {{"context", context},
                      {"question", required_text(question, "question", where)}};
        out.examples.push_back({std::move(input), std::move(answers), where});
      }
    }
  }
  return out;
}

}  // namespace limbeck
