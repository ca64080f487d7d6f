// Every field of every endpoint, wrong in every way: a 400 that names it.
#include "limbeck/serve/request.h"

#include <gtest/gtest.h>

#include "limbeck/serve/api_error.h"

namespace limbeck::serve {
namespace {

constexpr std::int64_t kVocab = 1000;

Json chat(const char* extra) {
  Json body = parse_json(extra, "test");
  if (!body.contains("messages")) {
    body["messages"] = Json::array({{{"role", "user"}, {"content", "hi"}}});
  }
  return body;
}
Json completion(const char* extra) {
  Json body = parse_json(extra, "test");
  if (!body.contains("prompt")) body["prompt"] = "hi";
  return body;
}

template <typename Read>
void expect_blamed(const Read& read, const std::string& param, const std::string& text) {
  try {
    read();
    ADD_FAILURE() << "accepted: " << text;
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400) << text;
    EXPECT_EQ(error.param(), param) << text << ": " << error.what();
    const Json shown = error.to_json()["error"];
    EXPECT_EQ(shown["type"], "invalid_request_error");
    EXPECT_FALSE(shown["message"].get<std::string>().empty());
  }
}

struct Row {
  const char* param;
  std::vector<const char*> values;
};

// What both endpoints read.
const Row kSampling[] = {
    {"temperature", {"-1", "-0.001", "101", "1e308", "\"1\"", "true", "[]", "{}"}},
    {"top_p", {"-0.1", "1.1", "\"a\"", "[1]", "false"}},
    {"top_k",
     {"-2", "1001", "1.5", "\"1\"", "9223372036854775807", "18446744073709551615", "1e300"}},
    {"min_p", {"-0.1", "1", "\"x\""}},
    {"repetition_penalty", {"0", "-1", "101", "\"x\""}},
    {"presence_penalty", {"-2.1", "2.1", "\"x\"", "[]"}},
    {"frequency_penalty", {"-2.1", "2.1", "\"x\"", "{}"}},
    {"seed", {"\"a\"", "1.5", "[]", "18446744073709551615"}},
    {"n", {"0", "-1", "33", "1000000000", "1.5", "\"2\"", "true"}},
    {"stream", {"1", "\"true\"", "[]"}},
    {"stream_options", {"1", "true", "\"x\"", "[]"}},
    {"ignore_eos", {"1", "\"x\""}},
    {"model", {"1", "[]", "{}"}},
    {"stop",
     {"1", "[1]", "[\"\"]", "\"\"", "{}", "[[]]",
      "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\","
      "\"p\",\"q\"]"}},
    {"logit_bias",
     {"[]", "1", "{\"a\": 1}", "{\"-1\": 1}", "{\"1000\": 1}", "{\"99999999999\": 1}",
      "{\"1\": 101}", "{\"1\": -101}", "{\"1\": \"x\"}", "{\"1\": null}", "{\"\": 1}"}},
    {"max_tokens", {"-1", "1048577", "9223372036854775807", "1e308", "\"5\"", "1.5", "[]"}},
    {"max_completion_tokens", {"-5", "\"5\"", "1.5", "2000000"}},
    {"response_format",
     {"1", "\"json\"", "[]", "{}", "{\"type\": 1}", "{\"type\": \"xml\"}",
      "{\"type\": \"json_schema\"}", "{\"type\": \"json_schema\", \"json_schema\": 1}",
      "{\"type\": \"json_schema\", \"json_schema\": {}}",
      "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"x\"}}}",
      "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"not\": {}}}}",
      "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"$ref\": \"#/a\"}}}",
      "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"allOf\": [{\"$ref\": "
      "\"#\"}]}}}",
      "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"pattern\": \"((((\"}}}"}},
};

const Row kChat[] = {
    {"messages",
     {"1", "\"hi\"", "[]", "{}", "[1]", "[{}]", "[{\"role\": 1}]", "[{\"role\": \"king\"}]",
      "[{\"role\": \"user\"}]", "[{\"role\": \"user\", \"content\": 1}]",
      "[{\"role\": \"user\", \"content\": null}]", "[{\"role\": \"user\", \"content\": {}}]",
      "[{\"role\": \"user\", \"content\": [1]}]", "[{\"role\": \"user\", \"content\": [{}]}]",
      "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": \"x\"}]}]",
      "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": 1}]}]",
      "[{\"role\": \"assistant\", \"tool_calls\": 1}]"}},
    {"max_tokens", {"0"}},
    {"logprobs", {"1", "\"x\""}},
    {"top_logprobs", {"-1", "21", "\"x\"", "1.5", "5"}},
    {"tools",
     {"1", "{}", "\"x\"", "[1]", "[{}]", "[{\"type\": \"function\"}]",
      "[{\"type\": \"function\", \"function\": {}}]",
      "[{\"type\": \"function\", \"function\": {\"name\": 1}}]"}},
    {"tool_choice", {"\"required\"", "{\"type\": \"function\", \"function\": {\"name\": \"f\"}}"}},
    {"parallel_tool_calls", {"1", "\"x\""}},
};

const Row kCompletion[] = {
    {"prompt",
     {"1", "{}", "[]", "true", "[true]", "[[]]", "[[\"a\"]]", "[-1]", "[1000]", "[1.5]",
      "[1, \"a\"]", "[[1], 2]", "[[99999999999]]", "[null]"}},
    {"logprobs", {"-1", "21", "\"x\"", "1.5", "[]"}},
    {"echo", {"1", "\"x\""}},
};

const Row kEmbedding[] = {
    {"input", {"1", "{}", "[]", "[true]", "[[]]", "[-1]", "[1000]"}},
    {"encoding_format", {"1", "\"hex\""}},
};

std::string object(const Row& row, const char* value) {
  return fmt::format("{{\"{}\": {}}}", row.param, value);
}

TEST(BadFields, OfChat) {
  int tried = 0;
  for (const auto& rows : {std::span<const Row>(kSampling), std::span<const Row>(kChat)}) {
    for (const Row& row : rows) {
      for (const char* value : row.values) {
        const std::string text = object(row, value);
        expect_blamed([&] { read_chat_request(chat(text.c_str()), kVocab); }, row.param, text);
        ++tried;
      }
    }
  }
  EXPECT_GE(tried, 120);
  expect_blamed([] { read_chat_request(Json::object(), kVocab); }, "messages", "{}");
  expect_blamed([] { read_chat_request(Json::array(), kVocab); }, "", "[]");
}

TEST(BadFields, OfCompletions) {
  for (const auto& rows : {std::span<const Row>(kSampling), std::span<const Row>(kCompletion)}) {
    for (const Row& row : rows) {
      for (const char* value : row.values) {
        const std::string text = object(row, value);
        expect_blamed([&] { read_completion_request(completion(text.c_str()), kVocab); }, row.param,
                      text);
      }
    }
  }
  expect_blamed(
      [] { read_completion_request(completion(R"({"echo": true, "stream": true})"), kVocab); },
      "echo", "echo and stream");
}

TEST(BadFields, OfTheOthers) {
  for (const Row& row : kEmbedding) {
    for (const char* value : row.values) {
      Json body = parse_json(object(row, value), "test");
      if (!body.contains("input")) body["input"] = "hi";
      expect_blamed([&] { read_embedding_request(body, kVocab); }, row.param, value);
    }
  }
  for (const char* text :
       {"{}", "{\"prompt\": 1}", "{\"prompt\": \"a\", \"add_special_tokens\": 1}"}) {
    EXPECT_THROW(read_tokenize_request(parse_json(text, "t")), ApiError) << text;
  }
  for (const char* text :
       {"{}", "{\"tokens\": 1}", "{\"tokens\": [\"a\"]}", "{\"tokens\": [1000]}"}) {
    EXPECT_THROW(read_detokenize_request(parse_json(text, "t"), kVocab), ApiError) << text;
  }
}

constexpr const char* kTools =
    R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";

TEST(Requests, ToolChoices) {
  const auto read = [](const std::string& choice) {
    return read_chat_request(chat(fmt::format("{{{}{}}}", kTools, choice).c_str()), kVocab);
  };
  EXPECT_FALSE(read("").tools.is_null());
  EXPECT_FALSE(read("").grammar);
  EXPECT_TRUE(read(R"(, "tool_choice": "none")").tools.is_null());
  EXPECT_TRUE(read(R"(, "tool_choice": "required")").must_call);
  EXPECT_TRUE(read(R"(, "tool_choice": "required")").grammar);
  EXPECT_TRUE(read(R"(, "tool_choice": {"type": "function", "function": {"name": "f"}})").grammar);
  EXPECT_THROW(read(R"(, "tool_choice": {"type": "function", "function": {"name": "g"}})"),
               ApiError);
  EXPECT_THROW(read(R"(, "tool_choice": "maybe")"), ApiError);
}

TEST(Requests, Defaults) {
  const ChatRequest request = read_chat_request(chat("{\"user\": \"x\", \"store\": true}"), kVocab);
  EXPECT_EQ(request.options.sampling.temperature, 1);
  EXPECT_EQ(request.n, 1);
  EXPECT_FALSE(request.stream);
  EXPECT_NE(request.options.sampling.seed,
            read_chat_request(chat("{}"), kVocab).options.sampling.seed);
  EXPECT_EQ(read_completion_request(completion("{\"max_tokens\": 0}"), kVocab).options.max_tokens,
            0);
  EXPECT_EQ(
      read_completion_request(completion("{\"prompt\": [[1, 2], [3]]}"), kVocab).prompts.size(),
      2u);
  const Json parts = parse_json(
      R"({"messages": [{"role": "developer", "content": [{"type": "text", "text": "a"},
          {"type": "text", "text": "b"}]}]})",
      "t");
  const Json message = read_chat_request(parts, kVocab).messages[0];
  EXPECT_EQ(message["role"], "system");
  EXPECT_EQ(message["content"], "ab");
}

}  // namespace
}  // namespace limbeck::serve
