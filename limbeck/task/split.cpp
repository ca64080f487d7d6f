// Splits of the training data, and what test and train share.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/task/task.h"
#include "limbeck/task/words.h"

namespace limbeck {

Split split_dev(const std::vector<Example>& examples, double fraction, std::uint64_t seed) {
  if (!(fraction > 0 && fraction < 1)) {
    fail(ErrorKind::usage, "the dev split must be a fraction between 0 and 1, not {}", fraction);
  }
  std::vector<std::string> hashes;
  for (const Example& example : examples) {
    hashes.push_back(sha256_hex(std::to_string(seed) + "\n" + to_text(example.input)));
  }
  std::vector<std::string> sorted = hashes;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty() || sorted.front() == sorted.back()) {
    fail(ErrorKind::usage, "a dev split needs at least two different training inputs, found {}",
         sorted.empty() ? 0 : 1);
  }
  const auto wanted = std::max(1.0, std::round(fraction * static_cast<double>(examples.size())));
  std::string first_dev = sorted[sorted.size() - static_cast<std::size_t>(wanted)];
  // Equal inputs fall on one side; if they fill everything, the smallest hash stays in train.
  if (first_dev == sorted.front()) {
    first_dev = *std::upper_bound(sorted.begin(), sorted.end(), sorted.front());
  }
  Split split;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    (hashes[i] >= first_dev ? split.dev : split.train).push_back(examples[i]);
  }
  return split;
}

std::vector<std::size_t> leaked(const Task& task) {
  std::unordered_set<std::string> seen;
  for (const Example& example : task.train) seen.insert(plain_words(input_text(example.input)));
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < task.test.size(); ++i) {
    if (seen.contains(plain_words(input_text(task.test[i].input)))) indices.push_back(i);
  }
  return indices;
}

}  // namespace limbeck
