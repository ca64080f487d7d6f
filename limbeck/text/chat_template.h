// Chat templates: messages -> prompt, by a bounded interpreter of the Jinja subset that models use.
// Oracle: python3-jinja2 with trim_blocks, lstrip_blocks and the loop-control extension, as
// transformers sets it up.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

struct TemplateLimits {
  std::size_t source_bytes = 256u << 10, nodes = 200'000, parse_depth = 128, call_depth = 64;
  std::size_t steps = 2'000'000, output_bytes = 4u << 20, range = 100'000;
  std::size_t heap_bytes = 40u << 20;  // as counted; the allocator's share keeps it below 64 MiB
  double seconds = 0.2;                // of the thread's processor time; bombs end within 250 ms
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
