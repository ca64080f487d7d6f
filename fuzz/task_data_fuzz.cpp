// Data files in each shape (the first byte picks it), and answers scored against a gold of each
// kind.
#include "fuzz/target.h"
#include "limbeck/task/data.h"
#include "limbeck/task/task.h"

namespace {

using namespace limbeck;

Task task_of(TaskKind kind) {
  Task task;
  task.kind = kind;
  task.labels = {"yes", "no"};
  task.schema = {{"type", "object"}, {"properties", {{"a", {{"type", "string"}}}}}};
  const Json parameters = {{"type", "object"}, {"properties", {{"x", {{"type", "integer"}}}}}};
  task.tools = Json::array(
      {{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", parameters}}}}});
  return task;
}

void score(std::string_view text) {
  const std::pair<TaskKind, Json> golds[] = {
      {TaskKind::classification, "yes"},
      {TaskKind::extraction, {{"a", "b"}}},
      {TaskKind::qa, {"one", "two"}},
      {TaskKind::tool_calling, {{"name", "f"}, {"arguments", {{"x", 1}}}}},
      {TaskKind::generation, "some words"}};
  for (const auto& [kind, gold] : golds) {
    const ItemScore item = score_answer(task_of(kind), text, gold);
    fuzz::require(item.primary >= 0 && item.primary <= 1, "primary in [0, 1]");
    fuzz::require(item.secondary >= 0 && item.secondary <= 1, "secondary in [0, 1]");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = fuzz::as_text(data + 1, size - 1);
  return fuzz::value_or_error([&] {
    if (data[0] == 'a') return score(text);
    const std::string file = "fuzz";
    if (data[0] == 'c')
      return void(read_chat(parse_jsonl(text, file), file, {}, TaskKind::tool_calling, true));
    if (data[0] == 't')
      return void(read_table(parse_jsonl(text, file), file, {}, TaskKind::qa, false));
    const Json root = parse_json(text, file);
    if (data[0] == 'n') return void(read_snips(root, file, TaskKind::extraction));
    if (data[0] == 'p') return void(read_spans(root, file));
    if (data[0] == 'q') return void(read_squad(root, file));
  });
}
