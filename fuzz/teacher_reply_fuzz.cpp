// What an endpoint sends (with 't' first to a student whose vocabulary is known), and soft labels
// as the store keeps them ('s' first).
#include <cmath>

#include "fuzz/target.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/endpoint_reply.h"
#include "limbeck/text/tokenizer.h"

namespace {

const limbeck::Tokenizer& student() {
  static const auto made = limbeck::Tokenizer::from_json(
      R"({"model":{"type":"WordPiece","unk_token":"?","vocab":{"?":0,"yes":1,"no":2,"##s":3}}})",
      "", "made");
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (size == 0) return 0;
  const auto text = fuzz::as_text(data + 1, size - 1);
  return fuzz::value_or_error([&] {
    if (data[0] == 's') {
      for (const SoftLabel& label : unpack_soft_labels(text)) {
        fuzz::require(label.ids.size() == label.values.size(), "a value for each id");
      }
      return;
    }
    for (const char c : error_message(text)) fuzz::require(c != '\x1b', "no escape");
    try {
      const TeacherAnswer answer = read_completion(text, data[0] == 't' ? &student() : nullptr);
      for (const char c : answer.text) {
        fuzz::require(c != '\x1b' && c != '\0', "no control character");
      }
      fuzz::require(answer.prompt_tokens >= 0 && answer.answer_tokens >= 0, "counts can be added");
      fuzz::require(std::isfinite(answer.logprob), "a log-probability is a number");
      fuzz::require(answer.soft.size() == (answer.ids.empty() ? 0 : answer.ids.size() + 1),
                    "a distribution for each token and the end");
    } catch (const Error& error) {
      fuzz::require(error.kind() == ErrorKind::network, "a bad reply is the network's fault");
    }
  });
}
