#include "limbeck/pipeline/model_card.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/yaml.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/report/results.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck::pipeline {
namespace {

namespace fs = std::filesystem;

// What the model hubs ask of the front matter.
const Json& front_matter_schema() {
  static const Json schema = parse_json(R"({
    "type": "object",
    "required": ["license", "library_name", "pipeline_tag", "tags"],
    "properties": {
      "license": {"type": "string", "minLength": 1},
      "license_name": {"type": "string"},
      "base_model": {"type": "string"},
      "base_model_relation": {"enum": ["quantized", "finetune", "adapter", "merge"]},
      "library_name": {"enum": ["gguf", "transformers"]},
      "pipeline_tag": {"type": "string"},
      "tags": {"type": "array", "items": {"type": "string"}},
      "datasets": {"type": "array", "items": {"type": "string"}},
      "model-index": {"type": "array", "items": {
        "type": "object", "required": ["name", "results"],
        "properties": {"results": {"type": "array", "items": {
          "type": "object", "required": ["task", "dataset", "metrics"],
          "properties": {
            "task": {"type": "object", "required": ["type"]},
            "dataset": {"type": "object", "required": ["type", "name"]},
            "metrics": {"type": "array", "minItems": 1, "items": {
              "type": "object", "required": ["type", "value", "name"],
              "properties": {"value": {"type": "number"}}}}}}}}}}},
    "additionalProperties": false})",
                                        "schema");
  return schema;
}

Json front_matter_of(const std::string& card) {
  EXPECT_TRUE(card.starts_with("---\n"));
  const auto end = card.find("\n---\n", 4);
  EXPECT_NE(end, std::string::npos);
  return parse_yaml(card.substr(4, end - 3), "card");
}

class Cards : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("limbeck-cards-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    write_small_model(folder_ / "models" / "student", 1);
    write_colours(folder_ / "colours", 12);
    const Checkpoint checkpoint = Checkpoint::open(folder_ / "models" / "student");
    QuantizeOptions options;
    options.type = "q8_0";
    quantize_model(checkpoint, gguf(), options, pool_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path gguf() const { return folder_ / "models" / "student-q8_0.gguf"; }

  fs::path folder_;
  ThreadPool pool_{1};
};

TEST_F(Cards, EveryModelOfARunHasOne) {
  CompareOptions options;
  options.models = {{"", (folder_ / "models" / "student").string(), "", ""},
                    {"", gguf().string(), "", "student"}};
  options.tasks = {folder_ / "colours"};
  options.speed = false;
  options.command = "limbeck run <script>|`x`";
  const Json results = compare(options, pool_);
  const std::string before = content_hash(folder_ / "models" / "student");
  write_cards(results, folder_);
  EXPECT_EQ(content_hash(folder_ / "models" / "student"), before);
  for (const auto& path : {folder_ / "models" / "student" / "README.md",
                           folder_ / "models" / "student-q8_0.README.md"}) {
    const std::string card = read_file(path, 1 << 20);
    const Json json = front_matter_of(card);
    const auto wrong = validate_json(front_matter_schema(), json);
    EXPECT_FALSE(wrong.has_value()) << *wrong << "\n" << card;
    const Json& metric = json.at("model-index")[0].at("results")[0].at("metrics")[0];
    EXPECT_EQ(metric.at("value"),
              results.at("models")[0].at("tasks")[0].at("metrics").at("accuracy").at("value"));
    EXPECT_NE(metric.at("name").get<std::string>().find("95 % interval"), std::string::npos);
    EXPECT_EQ(card.find("<script"), std::string::npos);
  }
  const Json quantized =
      front_matter_of(read_file(folder_ / "models" / "student-q8_0.README.md", 1 << 20));
  EXPECT_EQ(quantized.at("base_model"), "student");
  EXPECT_EQ(quantized.at("base_model_relation"), "quantized");
  EXPECT_EQ(quantized.at("library_name"), "gguf");
}

TEST_F(Cards, TheModelfileHasThePromptOfTheModel) {
  const std::string text = modelfile(gguf());
  EXPECT_EQ(text.find("FROM ./student-q8_0.gguf\n"), 0u) << text;
  EXPECT_NE(text.find("<|im_start|>user\n{{ .Prompt }}<|im_end|>"), std::string::npos) << text;
  EXPECT_NE(text.find("PARAMETER stop \"<|im_end|>\""), std::string::npos) << text;
  EXPECT_NE(text.find("PARAMETER num_ctx 64"), std::string::npos) << text;
  EXPECT_EQ(text.find(".System"), std::string::npos);  // a bare specialist takes none
}

TEST_F(Cards, TheLicenseIsTheBases) {
  const fs::path student = folder_ / "models" / "student";
  EXPECT_EQ(license_of(student), "");
  write_file(student / "README.md", "---\nlicense: apache-2.0\n---\n# x\n");
  EXPECT_EQ(license_of(student), "apache-2.0");
  write_file(student / "README.md", "---\nlicense: [broken\n---\n");
  EXPECT_EQ(license_of(student), "");
  const Json json = front_matter_of(model_card(gguf(), {.base = "b",
                                                        .base_relation = "quantized",
                                                        .license = "apache-2.0",
                                                        .measured = nullptr,
                                                        .results = nullptr}));
  EXPECT_EQ(json.at("license"), "apache-2.0");
  EXPECT_FALSE(json.contains("model-index"));
}

}  // namespace
}  // namespace limbeck::pipeline
