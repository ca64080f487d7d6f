#include "limbeck/text/chat_template.h"

#include "limbeck/base/utf8.h"
#include "limbeck/text/template_evaluator.h"

namespace limbeck {
namespace {

using jinja::Heap;
using jinja::Value;

constexpr std::size_t kInputDepth = 100;

Value from_json(Heap& heap, const Json& json, bool trusted, std::size_t depth) {
  if (depth > kInputDepth) heap.error(fmt::format("the messages nest deeper than {}", kInputDepth));
  heap.budget().step();
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::of(json.get<bool>()).with_trust(trusted);
    case Json::value_t::number_integer:
      return Value::of(json.get<std::int64_t>()).with_trust(trusted);
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
        return Value::of(json.get<double>()).with_trust(trusted);
      return Value::of(json.get<std::int64_t>()).with_trust(trusted);
    case Json::value_t::number_float:
      return Value::of(json.get<double>()).with_trust(trusted);
    case Json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      return heap.string(is_utf8(text) ? text : replace_invalid_utf8(text), trusted);
    }
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) heap.push(items, from_json(heap, item, trusted, depth + 1));
      return heap.list(std::move(items));
    }
    case Json::value_t::object: {
      auto* dict = heap.make<jinja::Dict>();
      for (const auto& [key, item] : json.items()) {
        Value name = heap.string(is_utf8(key) ? key : replace_invalid_utf8(key), trusted);
        heap.set(*dict, std::move(name), from_json(heap, item, trusted, depth + 1));
      }
      return Value::of(jinja::Kind::dict, dict);
    }
    default:
      return Value::none();
  }
}

// The special tokens of the model are the template's own words; all else comes from outside.
bool is_token_name(std::string_view name) { return name.ends_with("_token"); }

}  // namespace

struct ChatTemplate::Impl {
  jinja::Template source;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate ChatTemplate::parse(std::string_view source, std::string_view origin,
                                 const TemplateLimits& limits) {
  return ChatTemplate(std::make_unique<Impl>(Impl{jinja::parse_template(source, origin, limits)}));
}

std::vector<PromptSegment> ChatTemplate::render(const Json& context, std::int64_t now) const {
  if (!context.is_object())
    fail(ErrorKind::usage, "{}: the context of a chat template must be an object",
         impl_->source.origin);
  jinja::Budget budget(impl_->source.limits, impl_->source.origin);
  Heap heap(budget);
  jinja::TextBuilder out(budget);
  std::vector<std::pair<std::string, Value>> variables;
  for (const auto& [name, value] : context.items())
    variables.emplace_back(name, from_json(heap, value, is_token_name(name), 0));
  jinja::Evaluator(impl_->source, heap, now).run(variables, out);

  std::vector<PromptSegment> segments;
  std::size_t at = 0;
  for (const jinja::Run& run : out.runs()) {
    segments.push_back({out.bytes().substr(at, run.end - at), run.trusted});
    at = run.end;
  }
  return segments;
}

std::string ChatTemplate::render_text(const Json& context, std::int64_t now) const {
  std::string text;
  for (const PromptSegment& segment : render(context, now)) text += segment.text;
  return text;
}

}  // namespace limbeck
