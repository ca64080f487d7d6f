// Chat templates: messages -> prompt, by a bounded interpreter of the Jinja subset that models use.
// Oracle: python3-jinja2 with trim_blocks, lstrip_blocks and the loop-control extension, as
// transformers sets it up.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/limits.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

struct TemplateLimits {
  std::size_t source_bytes = limits().template_source_bytes, nodes = limits().template_nodes;
  std::size_t parse_depth = limits().template_parse_depth;
  std::size_t call_depth = limits().template_call_depth, steps = limits().template_steps;
  std::size_t output_bytes = limits().template_output_bytes, range = limits().template_range;
  // As counted; the allocator's share keeps it below 64 MiB.
  std::size_t heap_bytes = limits().template_heap_bytes;
  // Of the thread's processor time; bombs end within 250 ms.
  double seconds = static_cast<double>(limits().template_milliseconds) / 1000;
};

class ChatTemplate {
 public:
  // Throws Error{format} with the line on bad syntax, Error{unsupported} on Jinja it does not know.
  static ChatTemplate parse(std::string_view source, std::string_view origin,
                            const TemplateLimits& limits = {});
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `context`: messages, tools, add_generation_prompt, bos_token, eos_token, ... The template's
  // own text and the values named "..._token" are trusted; every other text of the context is not,
  // nor is what is made of it (JSON written from it as a whole). Throws Error{format} on
  // raise_exception(...) (its message), on what Python refuses (undefined values used, types that
  // do not fit) and when a limit is exceeded; Error{unsupported} on functions it does not know.
  // `now`: seconds since the epoch for strftime_now; 0 means the clock.
  std::vector<PromptSegment> render(const Json& context, std::int64_t now = 0) const;
  std::string render_text(const Json& context, std::int64_t now = 0) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace limbeck
