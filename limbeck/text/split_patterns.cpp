// Names and behaviour: the pre-tokenizer switch of llama.cpp's src/llama-vocab.cpp. Patterns: the
// tokenizer.json files of the models.
#include "limbeck/text/split_patterns.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace limbeck {
namespace {

constexpr std::string_view kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kLlama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kQwen2 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kTekken =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
    "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kGpt4o =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kDigit = "\\p{N}";
constexpr std::string_view kBloom = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";
constexpr std::string_view kDeepseekCjk = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";

constexpr std::array kGpt2Steps = {kGpt2};
constexpr std::array kSmollmSteps = {kDigit, kGpt2};
constexpr std::array kLlama3Steps = {kLlama3};
constexpr std::array kQwen2Steps = {kQwen2};
constexpr std::array kTekkenSteps = {kTekken};
constexpr std::array kGpt4oSteps = {kGpt4o};
constexpr std::array kBloomSteps = {kBloom};
constexpr std::array kVikingSteps = {kBloom, kDigit};
constexpr std::array<std::string_view, 4> kDefaultSteps = {"[\\p{P}\\$\\+<=>\\^~\\|]+", kGpt2,
                                                           "\\p{N}+", "[0-9][0-9][0-9]"};
constexpr std::array<std::string_view, 3> kFalconSteps = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2,
                                                          "[0-9][0-9][0-9]"};
constexpr std::array<std::string_view, 5> kDeepseekCoderSteps = {
    "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kDeepseekCjk, kDigit};
constexpr std::array<std::string_view, 6> kDeepseekLlmSteps = {
    "[\\r\\n]",
    // The letters of Unicode's Latin, Greek, Cyrillic, Georgian, ... that have two cases.
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-"
    "\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
    "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-"
    "\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d"
    "\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943]+",
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", "\\s+$", kDeepseekCjk,
    "\\p{N}+"};
constexpr std::array<std::string_view, 3> kDeepseek3Steps = {
    "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{"
    "M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};

struct Named {
  std::string_view name;
  std::span<const std::string_view> steps;
  bool ignore_merges = false, add_bos = false;
};

// Of several names for the same patterns the first is the one we write.
const std::array kNamed = {
    Named{"gpt-2", kGpt2Steps},
    Named{"phi-2", kGpt2Steps},
    Named{"mpt", kGpt2Steps},
    Named{"olmo", kGpt2Steps},
    Named{"jais", kGpt2Steps},
    Named{"gigachat", kGpt2Steps},
    Named{"roberta-bpe", kGpt2Steps},
    Named{"jina-es", kGpt2Steps},
    Named{"jina-de", kGpt2Steps},
    Named{"jina-v1-en", kGpt2Steps},
    Named{"jina-v2-es", kGpt2Steps},
    Named{"jina-v2-de", kGpt2Steps},
    Named{"jina-v2-code", kGpt2Steps},
    Named{"smollm", kSmollmSteps},
    Named{"starcoder", kSmollmSteps},
    Named{"refact", kSmollmSteps},
    Named{"command-r", kSmollmSteps},
    Named{"codeshell", kSmollmSteps},
    Named{"exaone", kSmollmSteps},
    Named{"minerva-7b", kSmollmSteps},
    Named{"llama-bpe", kLlama3Steps, true, true},
    Named{"llama3", kLlama3Steps, true, true},
    Named{"llama-v3", kLlama3Steps, true, true},
    Named{"falcon3", kLlama3Steps, true, true},
    Named{"dbrx", kLlama3Steps},
    Named{"smaug-bpe", kLlama3Steps},
    Named{"chatglm-bpe", kLlama3Steps},
    Named{"qwen2", kQwen2Steps},
    Named{"stablelm2", kQwen2Steps},
    Named{"deepseek-r1-qwen", kQwen2Steps},
    Named{"megrez", kQwen2Steps},
    Named{"tekken", kTekkenSteps, true, true},
    Named{"gpt-4o", kGpt4oSteps},
    Named{"llama4", kGpt4oSteps},
    Named{"deepseek-llm", kDeepseekLlmSteps},
    Named{"deepseek-coder", kDeepseekCoderSteps},
    Named{"deepseek-v3", kDeepseek3Steps},
    Named{"falcon", kFalconSteps},
    Named{"bloom", kBloomSteps},
    Named{"poro-chat", kBloomSteps},
    Named{"gpt3-finnish", kBloomSteps},
    Named{"viking", kVikingSteps},
    Named{"default", kDefaultSteps},
};

Json byte_level_json(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer_json(std::span<const std::string_view> steps) {
  const bool ends_as_gpt2 = steps.back() == kGpt2;  // then ByteLevel cuts itself
  Json parts = Json::array();
  for (const auto step : steps.first(steps.size() - (ends_as_gpt2 ? 1 : 0))) {
    if (step == kDigit) {
      parts.push_back({{"type", "Digits"}, {"individual_digits", true}});
    } else {
      parts.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", step}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
  }
  parts.push_back(byte_level_json(ends_as_gpt2));
  if (parts.size() == 1) return parts[0];
  return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

// The patterns of a pre-tokenizer, flattened; false if it does anything else.
bool read_steps(const Json& json, std::vector<std::string>& steps) {
  const std::string type = json.value("type", "");
  if (type == "Sequence") {
    for (const Json& part : json.at("pretokenizers")) {
      if (!read_steps(part, steps)) return false;
    }
    return true;
  }
  if (type == "Digits") {
    steps.emplace_back(json.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+");
    return true;
  }
  if (type == "ByteLevel") {
    if (json.value("use_regex", true)) steps.emplace_back(kGpt2);
    return !json.value("add_prefix_space", true);
  }
  if (type != "Split") return false;
  const Json& pattern = json.at("pattern");
  if (!pattern.contains("Regex")) return false;
  steps.push_back(pattern.at("Regex").get<std::string>());
  const std::string behavior = json.value("behavior", "");
  const bool invert = json.value("invert", false);
  // Patterns that match all of a text: dropping what does not match drops nothing.
  return behavior == "Isolated" || (behavior == "Removed" && invert);
}

}  // namespace

std::optional<SplitRecipe> find_split_recipe(std::string_view name) {
  for (const Named& named : kNamed) {
    if (named.name == name) {
      return SplitRecipe{pre_tokenizer_json(named.steps), named.ignore_merges, named.add_bos};
    }
  }
  return std::nullopt;
}

std::optional<std::string> name_split_recipe(const Json& pre_tokenizer, bool ignore_merges) {
  std::vector<std::string> steps;
  if (pre_tokenizer.is_null() || !read_steps(pre_tokenizer, steps)) return std::nullopt;
  for (const Named& named : kNamed) {
    if (named.ignore_merges == ignore_merges && std::ranges::equal(named.steps, steps)) {
      return std::string(named.name);
    }
  }
  return std::nullopt;
}

}  // namespace limbeck
