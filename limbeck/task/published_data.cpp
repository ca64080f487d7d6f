// Published data sets in their own layouts: SNIPS (Coucke et al. 2018, 1805.10190), restaurant8k
// and DSTC8 spans (Coope et al. 2020, 2005.08866), SQuAD (Rajpurkar et al. 2016 and 2018).
#include <fmt/format.h>

#include <algorithm>

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

void add_slot(Json& record, const std::string& slot, std::string value) {
  record[slot] =
      record.contains(slot) ? record[slot].get<std::string>() + ", " + value : std::move(value);
}

std::int64_t position(const Json& span, const char* key, std::int64_t fallback,
                      const std::string& where) {
  if (!span.contains(key)) return fallback;
  if (!span[key].is_number_integer())
    fail(ErrorKind::usage, "{}: '{}' is not a number", where, key);
  return span[key].get<std::int64_t>();
}

// Characters [start, end) counted in code points.
std::string characters(const std::string& text, std::int64_t start, std::int64_t end,
                       const std::string& where) {
  std::size_t offset = 0, begin = text.size();
  std::int64_t at = 0;
  for (; offset < text.size() && at < end; ++at) {
    if (at == start) begin = offset;
    offset += code_point_at(text, offset).bytes;
  }
  if (start < 0 || at != end || start >= end) {
    fail(ErrorKind::usage, "{}: span [{}, {}) is outside the text", where, start, end);
  }
  return text.substr(begin, offset - begin);
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
      Json slots = Json::object();
      for (const Json& chunk : required_list(utterance, "data", where)) {
        const std::string piece = required_text(chunk, "text", where);
        text += piece;
        if (chunk.contains("entity")) add_slot(slots, required_text(chunk, "entity", where), piece);
      }
      Json answer = kind == TaskKind::classification ? Json(intent) : slots;
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
    Json slots = Json::object();
    if (item.contains("labels")) {
      for (const Json& label : required_list(item, "labels", where)) {
        const std::string slot = required_text(label, "slot", where);
        const Json& span = required(label, "valueSpan", where);
        add_slot(slots, slot,
                 characters(text, position(span, "startIndex", 0, where),
                            position(span, "endIndex", -1, where), where));
      }
    }
    out.examples.push_back({std::move(input), std::move(slots), where});
  }
  return out;
}

DataFile read_squad(const Json& root, const std::string& file) {
  DataFile out;
  for (const Json& article : required_list(root, "data", file)) {
    for (const Json& paragraph : required_list(article, "paragraphs", file)) {
      const std::string context = required_text(paragraph, "context", file);
      for (const Json& question : required_list(paragraph, "qas", file)) {
        const std::string where = fmt::format("{}: question {}", file, out.examples.size() + 1);
        Json answers = Json::array();
        for (const Json& answer : required_list(question, "answers", where)) {
          const std::string text = required_text(answer, "text", where);
          if (std::find(answers.begin(), answers.end(), text) == answers.end()) {
            answers.push_back(text);
          }
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
