// limbeck template: messages to the prompt that a chat template makes of them.
#include <iostream>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/text/chat_prompt.h"
#include "limbeck/text/chat_template.h"

namespace limbeck::cli {
namespace {

struct TemplateOptions {
  std::string source, messages;
  std::int64_t now = 0;
  bool generate = true, lines = false;
};

struct Source {
  ChatTemplate chat;
  Json tokens;  // bos_token, eos_token, ... of the model; empty for a template alone
};

Source open_source(const std::string& source) {
  if (source.ends_with(".jinja"))
    return {ChatTemplate::parse(read_file(source, TemplateLimits().source_bytes), source),
            Json::object()};
  const Tokenizer tokenizer = Tokenizer::open(source);
  if (tokenizer.chat_template().empty())
    fail(ErrorKind::usage, "{}: the model has no chat template", source);
  return {ChatTemplate::parse(tokenizer.chat_template(), source + " (chat template)"),
          special_token_names(tokenizer)};
}

// A list of messages, or an object with "messages" and whatever else the template reads.
Json context_of(const Json& input, const Source& source, const TemplateOptions& options) {
  Json context = source.tokens;
  context["tools"] = nullptr;
  context["documents"] = nullptr;
  context["add_generation_prompt"] = options.generate;
  if (input.is_array()) {
    context["messages"] = input;
  } else if (input.is_object()) {
    context.update(input);
  } else {
    fail(ErrorKind::usage, "{}: expected a list of messages or an object with \"messages\"",
         options.messages);
  }
  return context;
}

Json rendered(const Source& source, const Json& context, std::int64_t now) {
  std::string text;
  Json segments = Json::array();
  for (const PromptSegment& segment : source.chat.render(context, now)) {
    text += segment.text;
    segments.push_back({{"text", segment.text}, {"trusted", segment.trusted}});
  }
  return {{"text", std::move(text)}, {"segments", std::move(segments)}};
}

// Each line of standard input is one input; a template's refusal is an answer like any other.
void run_lines(const Source& source, const TemplateOptions& options) {
  std::string line;
  for (std::size_t n = 1; std::getline(std::cin, line); ++n) {
    const Json input = parse_json(line, fmt::format("standard input, line {}", n));
    try {
      print_json(rendered(source, context_of(input, source, options), options.now));
    } catch (const Error& error) {
      print_json({{"error", {{"kind", name(error.kind())}, {"message", error.what()}}}});
    }
  }
}

}  // namespace

int run_template(int argc, char** argv) {
  TemplateOptions options;
  Arguments arguments("template",
                      "Render messages with a chat template, as the model will see them.",
                      "limbeck template ./SmolLM2-135M-Instruct --messages chat.json\n"
                      "limbeck template chat.jinja --messages chat.json --json");
  CLI::App& app = arguments.app();
  app.add_option("source", options.source, "Hugging Face folder, .gguf or .jinja file")->required();
  const auto* messages = app.add_option(
      "--messages", options.messages, "JSON file: messages, or {\"messages\": .., \"tools\": ..}");
  app.add_flag("--lines", options.lines, "one such JSON value a line, from standard input")
      ->excludes("--messages");
  app.add_flag("!--no-generation-prompt", options.generate, "do not begin the answer");
  app.add_option("--now", options.now, "seconds since 1970 for the template's clock");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  if (messages->count() == 0 && !options.lines)
    fail_try(ErrorKind::usage, "limbeck template --help",
             "template: --messages or --lines is needed");

  const Source source = open_source(options.source);
  if (options.lines) {
    run_lines(source, options);
    return 0;
  }
  const Json result =
      rendered(source, context_of(read_json_file(options.messages), source, options), options.now);
  if (arguments.common().json) {
    print_json(result);
  } else {
    const auto& text = result.at("text").get_ref<const std::string&>();
    print(is_terminal(1) ? safe_tty(text, true) : text);
  }
  return 0;
}

}  // namespace limbeck::cli
