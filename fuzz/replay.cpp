// main() for builds without libFuzzer: runs the target on each file given, and on each file cut
// short at every byte, so the corpus is an ordinary test under any compiler.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (!file) return std::printf("%s: cannot read\n", argv[i]), 1;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      // A copy of just these bytes, so that a sanitizer sees a read past them.
      const auto cut = std::make_unique<std::uint8_t[]>(size);
      std::copy_n(bytes.begin(), size, cut.get());
      LLVMFuzzerTestOneInput(cut.get(), size);
    }
  }
  std::printf("replayed %d files\n", argc - 1);
  return argc > 1 ? 0 : 1;  // an empty corpus tests nothing
}
