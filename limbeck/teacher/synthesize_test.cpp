// Synthesis against a teacher that repeats itself, copies the test set, and contradicts itself.
#include "limbeck/teacher/synthesize.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/teacher/fault_modes_test.h"
#include "limbeck/teacher/synthesis_prompts.h"

namespace limbeck {
namespace {

constexpr const char* kThings[] = {"kettle", "lantern", "bicycle", "umbrella", "violin",
                                   "ladder", "curtain", "blender", "hammock",  "teapot"};
constexpr const char* kPlaces[] = {"garage", "attic",  "harbour", "market", "orchard",
                                   "office", "stable", "cellar",  "museum", "station"};
constexpr const char* kTest = "the green umbrella stands beside the old station";

Task colours() {
  Task task;
  task.name = "colours";
  task.instruction = "Name the colour.";
  task.kind = TaskKind::classification;
  task.labels = {"red", "green"};
  task.train = {{"a red scarf lies on the chair", Json("red"), ""},
                {"my gloves are green", Json("green"), ""},
                {"nothing is known of this one", std::nullopt, ""}};
  task.test = {{kTest, Json("green"), ""}};
  return task;
}

// Writes four inputs a call: a good one of the wanted colour, the test input with another ending, a
// repeat, one without a colour. Says the colour of an input; of none, a different one each time.
std::string speak(const std::string& content, std::map<std::string, int>& asked, int& n) {
  if (content.find("Write 4 new") == content.npos) {
    if (content.find("red") != content.npos) return "red";
    if (content.find("green") != content.npos) return "green";
    if (content.find("blue") != content.npos) return "blue";
    return asked[content]++ % 2 ? "red" : "green";
  }
  const int call = n++;
  const bool red = content.find("answer is 'red'") != content.npos;
  const char *thing = kThings[call % 10], *place = kPlaces[(call / 10) % 10];
  return std::string("1. the ") + (red ? "red " : "green ") + thing + " was left in the " + place +
         "\n2. \"" + kTest + "!\"\n3. my gloves are green.\n- a blue " + place + " has a " + thing +
         "\n- some " + thing + " near " + place + " without any paint";
}

Synthesized run(SynthesisOptions options, const Task& task) {
  int n = 0;
  std::map<std::string, int> asked;
  std::mutex mutex;
  FakeServer server([&](int, const std::string&, const std::string& body) {
    const std::lock_guard lock(mutex);
    const Json request = parse_json(body, "request");
    return http_reply(
        200,
        completion_of(speak(request["messages"].back()["content"].get<std::string>(), asked, n)));
  });
  ThreadPool pool(1);
  EndpointBudget one;
  one.concurrency = 1;
  OpenTeacher teacher(TeacherChoice{server.url(), one, {}}, pool);
  OpenTeacher* teachers[] = {&teacher};
  return synthesize(teachers, task, options);
}

TEST(Synthesize, KeepsWhatIsNewValidAndAgreedOn) {
  SynthesisOptions options;
  options.count = 24;
  const Task task = colours();
  const Synthesized made = run(options, task);
  ASSERT_EQ(made.rows.size(), 24u);
  std::set<std::string> inputs;
  int red = 0;
  for (const Json& row : made.rows) {
    const auto input = row["input"].get<std::string>(), output = row["output"].get<std::string>();
    EXPECT_NE(input.find(output), input.npos) << input;
    EXPECT_TRUE(inputs.insert(input).second) << "twice: " << input;
    EXPECT_NE(input, kTest);
    red += output == "red";
  }
  EXPECT_GE(red, 6);
  EXPECT_LE(red, 18) << "no label above one and a half times its share";
  const Json& rejected = made.report["rejected"];
  EXPECT_GE(rejected.value("near a test input", 0), 8);
  EXPECT_GE(rejected.value("near another", 0), 8);
  EXPECT_GE(rejected.value("invalid answer", 0), 5) << "blue is no label";
  EXPECT_GE(rejected.value("no agreement", 0), 5);
  EXPECT_EQ(made.report["leakage"]["rejected_near_test"], rejected["near a test input"]);
  for (const Json& reject : made.rejects) EXPECT_FALSE(reject["reason"].get<std::string>().empty());
}

TEST(Synthesize, WithoutSeedsOrHopeItSaysSo) {
  Task task = colours();
  SynthesisOptions options;
  options.count = 4000;  // more than the teacher has to say
  options.give_up = 0.02;
  try {
    run(options, task);
    ADD_FAILURE() << "hardly a row was kept";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::quality);
  }
  for (Example& example : task.train) example.output.reset();
  EXPECT_THROW(run(options, task), Error);
}

TEST(Synthesize, InputsAreReadFromListsAndLines) {
  EXPECT_EQ(inputs_in("<think>hm</think>1. one\n2) \"two\"\n\n- three\n* four\n```\n5 apples"),
            (std::vector<std::string>{"one", "two", "three", "four", "5 apples"}));
  EXPECT_EQ(inputs_in(R"(["a", 3, "b"])"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(inputs_in("[not json"), (std::vector<std::string>{"[not json"}));
  EXPECT_TRUE(inputs_in("").empty());
}

}  // namespace
}  // namespace limbeck
