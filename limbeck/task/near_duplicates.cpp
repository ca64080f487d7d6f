#include "limbeck/task/near_duplicates.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

constexpr std::size_t kGram = 5, kBands = 32, kRows = 4;

// splitmix64 (Vigna): a permutation of 64-bit numbers that looks random.
std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// FNV-1a.
std::uint64_t hash_of(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mixed(hash);
}

// The distinct grams of a text; a text shorter than a gram is one.
std::vector<std::uint64_t> grams_of(std::string_view text) {
  const std::string words = plain_words(text);
  std::vector<std::uint64_t> grams;
  if (words.size() <= kGram) grams.push_back(hash_of(words));
  for (std::size_t i = 0; i + kGram < words.size() + 1 && words.size() > kGram; ++i) {
    grams.push_back(hash_of(std::string_view(words).substr(i, kGram)));
  }
  std::ranges::sort(grams);
  grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
  return grams;
}

double jaccard(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::size_t common = 0;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (*i == *j)
      ++common, ++i, ++j;
    else if (*i < *j)
      ++i;
    else
      ++j;
  }
  return static_cast<double>(common) / static_cast<double>(a.size() + b.size() - common);
}

std::array<std::uint64_t, kBands> bands_of(const std::vector<std::uint64_t>& grams) {
  std::array<std::uint64_t, kBands> bands{};
  for (std::size_t band = 0; band < kBands; ++band) {
    std::uint64_t key = band;
    for (std::size_t row = 0; row < kRows; ++row) {
      std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
      const std::uint64_t salt = mixed(band * kRows + row);
      for (const std::uint64_t gram : grams) least = std::min(least, mixed(gram ^ salt));
      key = mixed(key ^ least);
    }
    bands[band] = key;
  }
  return bands;
}

}  // namespace

NearDuplicates::NearDuplicates(double threshold) : threshold_(threshold) {
  if (!(threshold > 0 && threshold <= 1)) {
    fail(ErrorKind::usage, "the similarity of duplicates must be in (0, 1], not {}", threshold);
  }
}

double NearDuplicates::similarity(std::string_view a, std::string_view b) {
  return jaccard(grams_of(a), grams_of(b));
}

std::optional<NearDuplicates::Match> NearDuplicates::find(std::string_view text) const {
  const auto grams = grams_of(text);
  std::vector<std::uint32_t> candidates;
  for (const std::uint64_t band : bands_of(grams)) {
    const auto [first, last] = bands_.equal_range(band);
    for (auto it = first; it != last; ++it) candidates.push_back(it->second);
  }
  std::ranges::sort(candidates);
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  std::optional<Match> best;
  for (const std::uint32_t index : candidates) {
    const double similar = jaccard(grams, texts_[index]);
    if (similar >= threshold_ && (!best || similar > best->similarity)) best = {index, similar};
  }
  return best;
}

std::size_t NearDuplicates::add(std::string_view text) {
  const auto index = static_cast<std::uint32_t>(texts_.size());
  texts_.push_back(grams_of(text));
  for (const std::uint64_t band : bands_of(texts_.back())) bands_.emplace(band, index);
  return index;
}

}  // namespace limbeck
