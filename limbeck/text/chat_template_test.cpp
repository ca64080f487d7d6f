#include "limbeck/text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"

namespace limbeck {
namespace {

std::filesystem::path golden_folder() {
  return std::filesystem::path(LIMBECK_SOURCE_DIR) / "tests/golden/templates";
}

std::filesystem::path shared_folder() {
  const char* data = std::getenv("LIMBECK_TEST_DATA");
  const std::filesystem::path root =
      data ? std::filesystem::path(data)
           : std::filesystem::path(LIMBECK_SOURCE_DIR) / "../shared/data";
  return root / "tokenizers";
}

std::string render(std::string_view source, const Json& context = Json::object()) {
  return ChatTemplate::parse(source, "test").render_text(context);
}

ErrorKind kind_of(std::string_view source, const Json& context = Json::object(),
                  std::string* message = nullptr) {
  try {
    const std::string text = render(source, context);
    ADD_FAILURE() << "no error, but: " << text;
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.kind();
  }
  return ErrorKind::usage;
}

class GoldenTemplates : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);  // as the golden files were made
    tzset();
  }
};

TEST_F(GoldenTemplates, SnippetsEqualJinja2) {
  const Json golden = read_json_file(golden_folder() / "snippets.json");
  for (const Json& entry : golden["cases"]) {
    const std::string source = entry["template"];
    SCOPED_TRACE(source);
    try {
      const auto text = ChatTemplate::parse(source, "test")
                            .render_text(golden["context"], golden["now"].get<std::int64_t>());
      ASSERT_FALSE(entry["text"].is_null()) << "jinja2 refuses this, we render " << text;
      EXPECT_EQ(text, entry["text"].get<std::string>());
    } catch (const Error& error) {
      EXPECT_TRUE(entry["text"].is_null()) << error.what();
    }
  }
}

std::string template_at(const std::filesystem::path& path) {
  if (path.extension() == ".json") return read_json_file(path)["chat_template"];
  return read_file(path, 1u << 20);
}

TEST_F(GoldenTemplates, RealTemplatesEqualJinja2) {
  if (!std::filesystem::exists(shared_folder()))
    GTEST_SKIP() << "no real templates at " << shared_folder()
                 << " (LIMBECK_TEST_DATA names another place)";
  const Json golden = read_json_file(golden_folder() / "shared.json");
  int rendered = 0;
  for (const auto& [name, hashes] : golden["hashes"].items()) {
    const auto source = ChatTemplate::parse(template_at(shared_folder() / name), name);
    for (const auto& [conversation, hash] : hashes.items()) {
      SCOPED_TRACE(name + ", " + conversation);
      try {
        const std::string text = source.render_text(golden["conversations"][conversation],
                                                    golden["now"].get<std::int64_t>());
        ASSERT_FALSE(hash.is_null()) << "jinja2 refuses this";
        EXPECT_EQ(sha256_hex(text).substr(0, 16), hash.get<std::string>());
        ++rendered;
      } catch (const Error& error) {
        EXPECT_TRUE(hash.is_null()) << error.what();
      }
    }
  }
  EXPECT_GE(rendered, 200);
}

// The text with untrusted stretches in brackets.
std::string marked(std::string_view source, const Json& context) {
  std::string out;
  for (const PromptSegment& segment : ChatTemplate::parse(source, "test").render(context))
    out += segment.trusted ? segment.text : "[" + segment.text + "]";
  return out;
}

TEST(TemplateTrust, FollowsTextThroughEverything) {
  const Json context = {{"messages", {{{"role", "user"}, {"content", " <s>Hi, x "}}}},
                        {"bos_token", "<s>"},
                        {"other", "<s>"}};
  EXPECT_EQ(marked("{{ bos_token }}<u>{{ messages[0].content }}</u>", context),
            "<s><u>[ <s>Hi, x ]</u>");
  EXPECT_EQ(marked("{{ other }}", context), "[<s>]");
  EXPECT_EQ(marked("{{ '<a>' + messages[0].content | trim + '</a>' }}", context),
            "<a>[<s>Hi, x]</a>");
  EXPECT_EQ(marked("{{ ('<a>' ~ messages[0].content ~ '</a>')[2:7] }}", context), ">[ <s>]");
  EXPECT_EQ(marked("{{ messages[0].content.split(',') | join('<sep>') }}", context),
            "[ <s>Hi]<sep>[ x ]");
  EXPECT_EQ(marked("{{ 'aXb'.replace('X', messages[0].content) }}", context), "a[ <s>Hi, x ]b");
  EXPECT_EQ(marked("{{ messages[0].content.replace('Hi', '<im>') }}", context), "[ <s>]<im>[, x ]");
  EXPECT_EQ(marked("{{ messages[0] | tojson }}", context),
            "[{\"role\": \"user\", \"content\": \" <s>Hi, x \"}]");
  EXPECT_EQ(marked("{{ {'a': 1} | tojson }}", context), "{\"a\": 1}");
  EXPECT_EQ(marked("{{ messages[0].content.upper() ~ ('<b>' | upper) }}", context),
            "[ <S>HI, X ]<B>");
  EXPECT_EQ(marked("{% set x %}<q>{{ messages[0].content }}{% endset %}{{ x }}", context),
            "<q>[ <s>Hi, x ]");
  EXPECT_EQ(marked("{% macro f(c) %}<q>{{ c }}{% endmacro %}{{ f(messages[0].content) }}", context),
            "<q>[ <s>Hi, x ]");
  EXPECT_EQ(marked("{{ '%s|%s' | format(messages[0].content, 'z') }}", context), "[ <s>Hi, x ]|z");
  EXPECT_EQ(marked("{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}", context),
            "[role]=[user];[content]=[ <s>Hi, x ];");
  EXPECT_EQ(marked("{{ messages[0].content[::-1] }}", context), "[ x ,iH>s< ]");
}

TEST(TemplateErrors, NameTheLineAndTheThing) {
  std::string message;
  EXPECT_EQ(kind_of("a\n{{ x | frobnicate }}", Json::object(), &message), ErrorKind::unsupported);
  EXPECT_NE(message.find("test:2: the filter 'frobnicate'"), std::string::npos) << message;
  EXPECT_EQ(kind_of("\n\n{% include 'x' %}", Json::object(), &message), ErrorKind::unsupported);
  EXPECT_NE(message.find("test:3: the tag 'include'"), std::string::npos) << message;
  EXPECT_EQ(kind_of("{% for x in y recursive %}{% endfor %}"), ErrorKind::unsupported);
  EXPECT_EQ(kind_of("{{ cycler(1) }}"), ErrorKind::unsupported);
  EXPECT_EQ(kind_of("{{ raise_exception('no system role') }}", Json::object(), &message),
            ErrorKind::format);
  EXPECT_NE(message.find("no system role"), std::string::npos) << message;
  EXPECT_EQ(kind_of("{{ 1 + }}"), ErrorKind::format);
  EXPECT_EQ(kind_of("{{ messages.append(1) }}", {{"messages", Json::array()}}), ErrorKind::format);
  EXPECT_EQ(kind_of("{{ x.y }}"), ErrorKind::format);
  EXPECT_EQ(kind_of("{{ 9223372036854775807 + 1 }}"), ErrorKind::unsupported);
}

TEST(ChatTemplate, RendersAgainAndMoves) {
  ChatTemplate first = ChatTemplate::parse("{{ x }}", "test");
  ChatTemplate second = std::move(first);
  EXPECT_EQ(second.render_text({{"x", 1}}), "1");
  EXPECT_EQ(second.render_text({{"x", "\xff"}}), "\xef\xbf\xbd");
  EXPECT_THROW(second.render_text(Json::array()), Error);
}

}  // namespace
}  // namespace limbeck
