// random_model SHAPE TYPE TOKENIZER OUT.gguf: random weights in a known model's shape with another
// model's tokenizer, which servers need; its vocabulary is padded.
#include "limbeck/runtime/random_model.h"

#include <cstdio>
#include <exception>

#include "limbeck/base/error.h"
#include "limbeck/text/tokenizer.h"

int main(int argc, char** argv) {
  using namespace limbeck;
  try {
    if (argc != 5) fail(ErrorKind::usage, "usage: random_model SHAPE TYPE TOKENIZER OUT.gguf");
    const Tokenizer tokenizer = Tokenizer::open(argv[3]);
    const TensorTypeInfo* type = find_tensor_type(argv[2]);
    if (type == nullptr) fail(ErrorKind::usage, "there is no tensor type '{}'", argv[2]);
    write_random_model(argv[4], known_shape(argv[1]), type->type, 1, &tokenizer);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "random_model: %s\n", error.what());
    return 1;
  }
}
