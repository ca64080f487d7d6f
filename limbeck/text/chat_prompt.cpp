#include "limbeck/text/chat_prompt.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/text/chat_template.h"

namespace limbeck {

const std::string_view kDefaultChatTemplate = R"({%- set with_tools = tools is defined and tools %}
{%- if with_tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages and messages[0].role == 'system' %}{{ messages[0].content + '\n' }}{% endif %}
    {{- 'Tools:' }}
    {%- for tool in tools %}{{ '\n' }}{{ tool.function | default(tool) | tojson }}{% endfor %}
    {{- '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if with_tools and loop.first and message.role == 'system' %}{% continue %}{% endif %}
    {{- '<|im_start|>' ~ message.role ~ '\n' }}
    {%- if message.tool_calls %}
        {%- set many = message.tool_calls | length > 1 %}
        {{- '[' if many }}
        {%- for call in message.tool_calls %}
            {%- set call = call.function | default(call) %}
            {{- '{"name": ' }}{{ call.name | tojson }}{{ ', "arguments": ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}
            {{- '}' }}{{ ', ' if not loop.last }}
        {%- endfor %}
        {{- ']' if many }}
    {%- else %}
        {{- message.content or '' }}
    {%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
)";

namespace {

std::string piece_of(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? tokenizer.token_piece(*id) : std::string();
}

std::vector<PromptSegment> render(const Tokenizer& tokenizer, const std::string& source,
                                  const Json& messages, const Json& tools, bool generate) {
  Json context = Json::object();
  context["messages"] = messages;
  context["tools"] = tools;
  context["documents"] = nullptr;
  context["add_generation_prompt"] = generate;
  context.update(special_token_names(tokenizer));
  return ChatTemplate::parse(source, "chat template").render(context);
}

const std::string& template_of(const Tokenizer& tokenizer, const Json& tools) {
  if (!tools.is_null() && !tokenizer.chat_template("tool_use").empty())
    return tokenizer.chat_template("tool_use");
  return tokenizer.chat_template();
}

// What a model without a template is shown.
std::string plain_text(const Json& messages) {
  std::string text;
  for (const Json& message : messages) {
    const auto content = message.is_object() ? message.find("content") : message.end();
    if (!message.is_object() || content == message.end() || !content->is_string())
      fail(ErrorKind::format, "messages: a message without text content");
    text += content->get_ref<const std::string&>() + "\n";
  }
  return text;
}

bool ends_answers(const Tokenizer& tokenizer, TokenId id) {
  const auto stops = tokenizer.stop_tokens();
  return tokenizer.kind(id) == TokenKind::control ||
         std::find(stops.begin(), stops.end(), id) != stops.end();
}

// The first control token behind an assistant's content, as the template writes a conversation.
std::optional<TokenId> template_end(const Tokenizer& tokenizer, const std::string& source) {
  constexpr std::string_view kMarker = "limbeck-answer";
  const Json messages = {{{"role", "user"}, {"content", "question"}},
                         {{"role", "assistant"}, {"content", kMarker}}};
  std::string text;
  try {
    for (const auto& segment : render(tokenizer, source, messages, nullptr, false))
      text += segment.text;
  } catch (const Error&) {
    return std::nullopt;  // a template that refuses a plain conversation says nothing about its end
  }
  const std::size_t at = text.rfind(kMarker);
  if (at == std::string::npos) return std::nullopt;
  for (const TokenId id :
       tokenizer.encode_trusted(std::string_view(text).substr(at + kMarker.size()), false))
    if (ends_answers(tokenizer, id)) return id;
  return std::nullopt;
}

}  // namespace

Json special_token_names(const Tokenizer& tokenizer) {
  return {{"bos_token", piece_of(tokenizer, tokenizer.bos())},
          {"eos_token", piece_of(tokenizer, tokenizer.eos())},
          {"pad_token", piece_of(tokenizer, tokenizer.pad())},
          {"unk_token", piece_of(tokenizer, tokenizer.unknown())}};
}

std::vector<TokenId> chat_prompt(const Tokenizer& tokenizer, const Json& messages,
                                 const Json& tools) {
  if (!messages.is_array()) fail(ErrorKind::format, "messages: expected a list");
  const std::string& source = template_of(tokenizer, tools);
  if (source.empty()) return tokenizer.encode(plain_text(messages));
  return tokenizer.encode_segments(render(tokenizer, source, messages, tools, true), false);
}

TokenId answer_end(const Tokenizer& tokenizer) {
  if (const std::string& source = tokenizer.chat_template(); !source.empty())
    if (const auto id = template_end(tokenizer, source)) return *id;
  if (tokenizer.eos()) return *tokenizer.eos();
  fail(ErrorKind::unsupported,
       "the model has neither an end-of-text token nor a chat template that ends an answer");
}

}  // namespace limbeck
