#include "limbeck/base/fields.h"

#include <gtest/gtest.h>

#include <functional>

namespace limbeck {
namespace {

const Json kJson = Json::parse(
    R"({"t":"x","f":true,"i":7,"n":0.5,"l":["a","b"],"big":18446744073709551615,"null":null})");

std::string refusal(const std::function<void(Fields&)>& read) {
  Fields fields(kJson, "r.yaml");
  try {
    read(fields);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what()) + "|" + error.remedy();
  }
  return "accepted";
}

TEST(Fields, ReadsValuesAndFallbacks) {
  Fields fields(kJson, "r.yaml");
  EXPECT_EQ(fields.text("t"), "x");
  EXPECT_EQ(fields.text("absent", "y"), "y");
  EXPECT_TRUE(fields.flag("f"));
  EXPECT_EQ(fields.integer("i", 1), 7);
  EXPECT_EQ(fields.integer("null", 3), 3);
  EXPECT_EQ(fields.number("i", 0), 7.0);
  EXPECT_EQ(fields.number("n", 0), 0.5);
  EXPECT_EQ(fields.texts("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fields.texts("t"), std::vector<std::string>{"x"});
  EXPECT_FALSE(fields.has("null"));
  EXPECT_EQ(fields.required_integer("i"), 7);
  EXPECT_EQ(fields.find("absent"), nullptr);
}

TEST(Fields, NamesTheFieldInErrors) {
  EXPECT_EQ(refusal([](Fields& f) { f.text("i"); }), "r.yaml: 'i' must be text, found 7|");
  EXPECT_EQ(refusal([](Fields& f) { f.integer("i", 0, 1, 5); }),
            "r.yaml: 'i' must be from 1 to 5, found 7|");
  EXPECT_EQ(refusal([](Fields& f) { f.required_text("z"); }), "r.yaml: 'z' is missing|");
  for (const auto& read : std::vector<std::function<void(Fields&)>>{
           [](Fields& f) { f.integer("n", 0); }, [](Fields& f) { f.integer("big", 0); },
           [](Fields& f) { f.flag("i"); }, [](Fields& f) { f.number("t", 0); },
           [](Fields& f) { f.number("n", 0, 1); }, [](Fields& f) { f.texts("i"); },
           [](Fields& f) { f.number("i", 0, 0, 1); },
           [](Fields& f) { f.required_integer("null"); }}) {
    EXPECT_NE(refusal(read), "accepted");
  }
  EXPECT_THROW(Fields(Json::array(), "r.yaml"), Error);
}

TEST(Fields, UnknownKeysGetTheNearestName) {
  const Json json = Json::parse(R"({"epochs": 1, "learing_rate": 2})");
  Fields fields(json, "r.yaml");
  fields.integer("epochs", 0);
  fields.number("learning_rate", 0);
  try {
    fields.refuse_unknown();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "r.yaml: unknown key 'learing_rate'");
    EXPECT_EQ(error.remedy(), "did you mean 'learning_rate'?");
  }
  fields.number("learing_rate", 0);
  fields.refuse_unknown();
}

TEST(Nearest, SlipsOnly) {
  const std::vector<std::string> names = {"quantize", "distill", "compare"};
  EXPECT_EQ(nearest("quantise", names), "quantize");
  EXPECT_EQ(nearest("distil", names), "distill");
  EXPECT_EQ(nearest("comapre", names), "compare");
  EXPECT_EQ(nearest("xyz", names), "");
  EXPECT_EQ(nearest("", names), "");
}

}  // namespace
}  // namespace limbeck
