// main() for builds without libFuzzer: runs the target on each file given, on each file cut short
// at every byte, and on copies with one bit flipped, so the corpus is an ordinary test under any
// compiler. LIMBECK_FLIPS: how many flips (400). Any run may take 0.2 s of processor time, and all
// of them 64 MiB.
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

#ifdef NDEBUG
constexpr double kPatience = 1;
#else
constexpr double kPatience = 10;  // sanitizers
#endif

double slowest = 0;

// From a copy of just these bytes, so that a sanitizer sees a read past them.
void run(std::string_view bytes) {
  const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  const std::clock_t start = std::clock();
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
  slowest = std::max(slowest, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// The same for every run: a failure can be repeated.
void flip_bits(const std::vector<std::string>& files, long flips) {
  std::mt19937_64 random(1);
  for (long i = 0; i < flips; ++i) {
    std::string bytes = files[random() % files.size()];
    if (bytes.empty()) continue;
    char& byte = bytes[random() % bytes.size()];
    byte = static_cast<char>(byte ^ 1 << random() % 8);
    run(bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const long before = peak_kib();
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file) return std::printf("%s: cannot read\n", argv[i]), 1;
    for (std::size_t size = 0; size <= files.back().size(); ++size) {
      run(std::string_view(files.back()).substr(0, size));
    }
  }
  if (files.empty()) return std::printf("an empty corpus tests nothing\n"), 1;
  const char* const wish = std::getenv("LIMBECK_FLIPS");
  const long flips = wish ? std::atol(wish) : 400;
  flip_bits(files, flips);
  const double grown = static_cast<double>(peak_kib() - before) / 1024;
  std::printf("%zu files cut at every byte, %ld bits flipped: slowest %.0f ms, %.0f MiB\n",
              files.size(), flips, 1000 * slowest, grown);
  return slowest <= 0.2 * kPatience && grown <= 64 * kPatience ? 0 : 1;
}
