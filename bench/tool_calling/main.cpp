// tool_calling_data TFT SGD OUT: published dialogues about restaurants as tasks for limbeck.
//   TFT  tasks/distil_tft_tool_calling of the test data
//   SGD  tasks/sgd, unpacked: train/dialogues_*.json
// OUT/calls         327 traces and stretches of SGD's dialogues -> the 34 test conversations
// OUT/calls-traces  the traces alone
// OUT/calls-noisy   the traces with half of the calls made wrong
// OUT/*/service.yaml  the same task, tested on the turns that call a service alone
// OUT/text.jsonl    whole conversations of SGD, none of them the origin of a trace or a test one
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "bench/tool_calling/conversations.h"
#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/base/yaml.h"
#include "limbeck/format/rows.h"
#include "limbeck/task/check.h"
#include "limbeck/task/tool_call.h"

namespace tool_calling {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDialogues = std::uint64_t{1} << 26;  // bytes of a file of them
const std::string kService = "Restaurants_1";

// respond_to_user without its message.
Json tools_of(const fs::path& description) {
  Json tools = limbeck::read_json_file(description.string())["tools"];
  for (Json& tool : tools) {
    Json& function = tool["function"];
    if (function["name"] != "respond_to_user") continue;
    function["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
  }
  return tools;
}

std::vector<Conversation> read_traces(const fs::path& file, const Json& tools) {
  std::vector<Conversation> out;
  for (const auto& row : limbeck::read_jsonl(file)) out.push_back(from_trace(row.value, tools));
  return out;
}

std::vector<Json> read_dialogues(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("dialogues")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Json> out;
  for (const auto& file : files) {
    limbeck::JsonLimits limits;
    limits.bytes = kDialogues;
    for (Json& dialogue : limbeck::read_json_file(file.string(), limits))
      out.push_back(std::move(dialogue));
  }
  return out;
}

// The call of an assistant message: its first line.
Json call_of(const Json& message) {
  const auto& content = message["content"].get_ref<const std::string&>();
  return limbeck::parse_json(content.substr(0, content.find('\n')), "call");
}

// Every turn of the assistant as an example. A call that its definition does not allow is left out
// and counted.
std::vector<Json> turns_of(const std::vector<Conversation>& conversations, const Json& tools,
                           std::size_t& invalid) {
  std::vector<Json> rows;
  for (const Conversation& all : conversations) {
    Json before = Json::array();
    for (const Json& message : all) {
      if (message["role"] == "assistant") {
        Json call = call_of(message);
        if (limbeck::call_fault(tools, call).empty()) {
          rows.push_back({{"input", {{"messages", before}}}, {"output", std::move(call)}});
        } else {
          ++invalid;
        }
      }
      before.push_back(message);
    }
  }
  return rows;
}

std::vector<Json> calling_a_service(std::vector<Json> rows) {
  std::erase_if(rows, [](const Json& row) { return row["output"]["name"] == "respond_to_user"; });
  return rows;
}

std::vector<Json> documents(const std::vector<Conversation>& conversations) {
  std::vector<Json> rows;
  for (const auto& one : conversations) rows.push_back({{"messages", one}});
  return rows;
}

void write_task(const fs::path& folder, const Json& tools, const std::vector<Json>& train,
                const std::vector<Json>& test) {
  Json task = {{"name", folder.filename().string()},
               {"kind", "tool_calling"},
               {"instruction", "Call the function that serves the guest."},
               {"tools", tools}};
  limbeck::write_file(folder / "task.yaml", limbeck::to_yaml(task));
  task["name"] = folder.filename().string() + "-service";
  task["data"] = {{"test", "service.jsonl"}};
  limbeck::write_file(folder / "service.yaml", limbeck::to_yaml(task));
  limbeck::write_jsonl(folder / "train.jsonl", train);
  limbeck::write_jsonl(folder / "test.jsonl", test);
  limbeck::write_jsonl(folder / "service.jsonl", calling_a_service(test));
}

void write_all(const fs::path& tft, const fs::path& sgd, const fs::path& out) {
  const fs::path clean = tft / "scenario-1-baseline" / "direct",
                 noisy = tft / "scenario-2-noisy-labels" / "direct";
  const Json tools = limbeck::normal_tools(tools_of(clean / "job_description.json"), "tools");
  const auto test = read_traces(clean / "test.jsonl", tools),
             traces = read_traces(clean / "train.jsonl", tools),
             corrupted = read_traces(noisy / "train.jsonl", tools);
  std::unordered_set<std::string> known;
  for (const auto* set : {&test, &traces}) {
    for (const auto& one : *set) known.insert(words_of_user(one));
  }
  // All dialogues about restaurants alone are where traces and test conversations come from.
  std::vector<Conversation> stretches, others;
  std::size_t origin = 0;
  for (const Json& dialogue : read_dialogues(sgd / "train")) {
    auto whole = from_sgd(dialogue, tools);
    const Json& services = dialogue["services"];
    const bool restaurants = std::ranges::find(services, Json(kService)) != services.end();
    if (known.contains(words_of_user(whole)) || (restaurants && services.size() == 1)) {
      ++origin;
      continue;
    }
    if (restaurants) {
      for (auto& one : about(kService, dialogue, tools)) stretches.push_back(std::move(one));
    }
    others.push_back(std::move(whole));
  }
  limbeck::Random random(2026, 1);  // files hold one group of services each
  limbeck::shuffle(others, random);
  std::size_t invalid = 0, noise = 0;
  const auto tests = turns_of(test, tools, invalid);
  auto trace_rows = turns_of(traces, tools, invalid), all = trace_rows;
  for (auto& row : turns_of(stretches, tools, invalid)) all.push_back(std::move(row));
  const auto noisy_rows = turns_of(corrupted, tools, noise);
  write_task(out / "calls", tools, all, tests);
  write_task(out / "calls-traces", tools, trace_rows, tests);
  write_task(out / "calls-noisy", tools, noisy_rows, tests);
  limbeck::write_jsonl(out / "traces.jsonl", documents(traces));
  limbeck::write_jsonl(out / "noisy.jsonl", documents(corrupted));
  limbeck::write_jsonl(out / "stretches.jsonl", documents(stretches));
  limbeck::write_jsonl(out / "text.jsonl", documents(others));
  fmt::print(
      "{} dialogues are the origin of traces, left out; {} others, {} stretches about {}\n"
      "test: {} turns; train: {} of traces, {} with the stretches; noisy: {}\n"
      "left out, calls that their definition does not allow: {}, noisy: {}\n",
      origin, others.size(), stretches.size(), kService, tests.size(), trace_rows.size(),
      all.size(), noisy_rows.size(), invalid, noise);
}

}  // namespace
}  // namespace tool_calling

int main(int argc, char** argv) try {
  if (argc != 4) {
    fmt::print(stderr, "usage: tool_calling_data TFT SGD OUT\n");
    return 2;
  }
  tool_calling::write_all(argv[1], argv[2], argv[3]);
  return 0;
} catch (const limbeck::Error& error) {
  fmt::print(stderr, "tool_calling_data: {}\n", error.what());
  return limbeck::exit_code(error.kind());
} catch (const limbeck::Json::exception& error) {
  fmt::print(stderr, "tool_calling_data: not the form of these data sets: {}\n", error.what());
  return 3;
}
