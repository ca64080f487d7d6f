// Masks of a vocabulary of 50,000 tokens: the first time at a state, and again.
#include <benchmark/benchmark.h>

#include <random>

#include "limbeck/text/grammar.h"

namespace {

using namespace limbeck;

constexpr const char* kSchema =
    R"({"type": "object", "properties": {"name": {"type": "string"}, "kind": {"enum": ["question",
    "complaint", "praise"]}, "score": {"type": "integer", "minimum": 0, "maximum": 100}, "note":
    {"type": "string", "maxLength": 120}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "kind", "score"], "additionalProperties": false})";

// As a byte-level BPE has them: bytes, words with and without a blank, numbers, punctuation.
std::vector<std::string> vocabulary() {
  std::mt19937 random(1);
  std::vector<std::string> tokens;
  for (int c = 0; c < 256; ++c) tokens.emplace_back(1, static_cast<char>(c));
  const std::string letters = "etaoinshrdlucmfwypvbgkjqxz", marks = "\"{}[],:.!?-_ \n\\/()";
  while (tokens.size() < 50'000) {
    std::string token = random() % 2 ? " " : "";
    const auto kind = random() % 20;
    const std::size_t length = 2 + random() % 8;
    for (std::size_t i = 0; i < length; ++i) {
      if (kind == 0)
        token += marks[random() % marks.size()];
      else if (kind == 1)
        token += static_cast<char>('0' + random() % 10);
      else
        token += letters[std::min<std::size_t>(random() % 26, random() % 26)];
    }
    tokens.push_back(token);
  }
  return tokens;
}

const std::vector<std::string>& tokens() {
  static const std::vector<std::string> all = vocabulary();
  return all;
}

struct Place {
  const char *name, *text;
};
constexpr Place kPlaces[] = {
    {"start", ""},
    {"in_string", "{\"name\": \"An"},
    {"in_enum", "{\"name\": \"Ann\", \"kind\": \""},
    {"in_integer", "{\"name\": \"Ann\", \"kind\": \"praise\", \"score\": 1"},
    {"in_short_string",
     "{\"name\": \"Ann\", \"kind\": \"praise\", \"score\": 1, \"note\": \"a b c"},
    {"in_list", "{\"name\": \"Ann\", \"kind\": \"praise\", \"score\": 1, \"tags\": [\"a\", "}};

GrammarState state_at(const Grammar& grammar, const char* text) {
  GrammarState state(grammar);
  if (!state.advance(text)) std::abort();
  return state;
}

void fill_again(benchmark::State& bench, const Place& place) {
  const Grammar grammar = Grammar::from_json_schema(Json::parse(kSchema));
  const TokenMask mask(tokens());
  const GrammarState state = state_at(grammar, place.text);
  std::vector<std::uint64_t> words(mask.n_words());
  mask.fill(state, words);
  for (auto _ : bench) mask.fill(state, words);
}

void fill_first(benchmark::State& bench, const Place& place) {
  const TokenMask mask(tokens());
  std::vector<std::uint64_t> words(mask.n_words());
  for (auto _ : bench) {
    bench.PauseTiming();
    const Grammar grammar = Grammar::from_json_schema(Json::parse(kSchema));  // nothing known of it
    const GrammarState state = state_at(grammar, place.text);
    bench.ResumeTiming();
    mask.fill(state, words);
  }
}

void compile(benchmark::State& bench) {
  const Json schema = Json::parse(kSchema);
  for (auto _ : bench) benchmark::DoNotOptimize(Grammar::from_json_schema(schema));
}

void make_mask(benchmark::State& bench) {
  for (auto _ : bench) benchmark::DoNotOptimize(TokenMask(tokens()).n_words());
}

}  // namespace

int main(int argc, char** argv) {
  for (const Place& place : kPlaces) {
    benchmark::RegisterBenchmark(("fill_again/" + std::string(place.name)).c_str(), fill_again,
                                 place)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("fill_first/" + std::string(place.name)).c_str(), fill_first,
                                 place)
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark("compile", compile)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("make_mask", make_mask)->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
