// A template, parsed and rendered with a small conversation.
#include <string>

#include "fuzz/target.h"
#include "limbeck/text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  static const Json context = {{"messages",
                                {{{"role", "system"}, {"content", "Be <b> é 😀"}},
                                 {{"role", "user"}, {"content", " a,b\n c "}},
                                 {{"role", "assistant"},
                                  {"content", nullptr},
                                  {"tool_calls", {{{"id", "x"}, {"n", 1.5}}}}}}},
                               {"tools", {{{"name", "f"}, {"parameters", {{"type", "object"}}}}}},
                               {"add_generation_prompt", true},
                               {"numbers", {-1, 2, 18446744073709551615u}},
                               {"bos_token", "<s>"}};
  return fuzz::value_or_error([&] {
    const auto chat = ChatTemplate::parse(fuzz::as_text(data, size), "fuzz");
    const auto segments = chat.render(context, 1'750'000'000);
    std::string text;
    for (const auto& segment : segments) text += segment.text;
    if (size % 16 == 0) fuzz::require(chat.render_text(context, 1'750'000'000) == text, "text");
    for (std::size_t i = 0; i < segments.size(); ++i) {
      fuzz::require(!segments[i].text.empty(), "no segment is empty");
      fuzz::require(i == 0 || segments[i].trusted != segments[i - 1].trusted, "neighbours differ");
    }
  });
}
