// What an endpoint sends, and soft labels as the store keeps them ('s' first).
#include "fuzz/target.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/endpoint_reply.h"

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
      for (const char c : read_completion(text, nullptr).text) {
        fuzz::require(c != '\x1b' && c != '\0', "no control character");
      }
    } catch (const Error& error) {
      fuzz::require(error.kind() == ErrorKind::network, "a bad reply is the network's fault");
    }
  });
}
