#include "limbeck/model/hf_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/model/families.h"

namespace limbeck {
namespace {

// One published configuration per family, shortened to the keys that matter; the parameter counts
// are those of the model cards or of transformers' num_parameters().
struct Case {
  const char* name;
  const char* json;
  std::int64_t parameters;
  void (*expect)(const Architecture& a);
};

constexpr Case kCases[] = {
    {"smollm2_135m",
     R"({"model_type": "llama", "hidden_act": "silu", "hidden_size": 576, "intermediate_size": 1536,
         "max_position_embeddings": 8192, "num_attention_heads": 9, "num_hidden_layers": 30,
         "num_key_value_heads": 3, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 100000,
         "tie_word_embeddings": true, "vocab_size": 49152})",
     134'515'008,
     [](const Architecture& a) {
       EXPECT_EQ(a.head_dim, 64);
       EXPECT_EQ(a.kv_heads, 3);
       EXPECT_EQ(a.rope_theta, 100000);
       EXPECT_EQ(a.attention_scale, 0.125);
       EXPECT_FALSE(a.qkv_bias);
     }},
    {"llama_3_2_1b",
     R"({"model_type": "llama", "attention_bias": false, "head_dim": 64, "hidden_act": "silu",
         "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072,
         "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
         "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
         "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
         "rope_theta": 500000.0, "tie_word_embeddings": true, "vocab_size": 128256})",
     1'235'814'400,
     [](const Architecture& a) {
       EXPECT_EQ(a.rope_scaling.kind, RopeScaling::Kind::llama3);
       EXPECT_EQ(a.rope_scaling.factor, 32);
       EXPECT_EQ(a.rope_scaling.original_context, 8192);
     }},
    {"mistral_7b",
     R"({"model_type": "mistral", "hidden_act": "silu", "hidden_size": 4096,
         "intermediate_size": 14336, "max_position_embeddings": 32768, "num_attention_heads": 32,
         "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
         "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false,
         "vocab_size": 32000})",
     7'241'732'096,
     [](const Architecture& a) {
       EXPECT_EQ(a.sliding_window, 4096);
       EXPECT_TRUE(a.slides(0) && a.slides(31));
       EXPECT_FALSE(a.tied_embeddings);
     }},
    {"qwen2_5_0_5b",
     R"({"model_type": "qwen2", "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
         "max_position_embeddings": 32768, "max_window_layers": 24, "num_attention_heads": 14,
         "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
         "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true,
         "use_sliding_window": false, "vocab_size": 151936})",
     494'032'768,
     [](const Architecture& a) {
       EXPECT_TRUE(a.qkv_bias);
       EXPECT_FALSE(a.attn_output_bias);
       EXPECT_EQ(a.sliding_window, 0);
     }},
    {"qwen3_0_6b",
     R"({"model_type": "qwen3", "attention_bias": false, "head_dim": 128, "hidden_act": "silu",
         "hidden_size": 1024, "intermediate_size": 3072, "max_position_embeddings": 40960,
         "max_window_layers": 28, "num_attention_heads": 16, "num_hidden_layers": 28,
         "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
         "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": true,
         "use_sliding_window": false, "vocab_size": 151936})",
     596'049'920,
     [](const Architecture& a) {
       EXPECT_TRUE(a.qk_norm);
       EXPECT_EQ(a.head_dim, 128);
       EXPECT_EQ(a.rope_dim, 128);
     }},
    {"gemma_2_2b",
     R"({"model_type": "gemma2", "attention_bias": false, "attn_logit_softcapping": 50.0,
         "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
         "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "intermediate_size": 9216,
         "max_position_embeddings": 8192, "num_attention_heads": 8, "num_hidden_layers": 26,
         "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
         "rope_theta": 10000.0, "sliding_window": 4096, "vocab_size": 256000})",
     2'614'341'888,
     [](const Architecture& a) {
       EXPECT_EQ(a.norm, NormKind::rms_plus_one);
       EXPECT_EQ(a.embedding_scale, 48);
       EXPECT_EQ(a.attention_scale, 0.0625);
       EXPECT_EQ(a.attention_softcap, 50);
       EXPECT_EQ(a.logit_softcap, 30);
       EXPECT_EQ(a.activation, Activation::gelu_tanh);
       EXPECT_TRUE(a.slides(0));
       EXPECT_FALSE(a.slides(1));
       EXPECT_TRUE(a.tied_embeddings && a.post_norms);
     }},
    {"gemma_3_1b",
     R"({"model_type": "gemma3_text", "attention_bias": false, "attn_logit_softcapping": null,
         "final_logit_softcapping": null, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
         "hidden_size": 1152, "intermediate_size": 6912, "max_position_embeddings": 32768,
         "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
         "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
         "rope_scaling": null, "rope_theta": 1000000, "sliding_window": 512,
         "sliding_window_pattern": 6, "vocab_size": 262144})",
     999'885'952,
     [](const Architecture& a) {
       EXPECT_EQ(a.family, Family::gemma3);
       EXPECT_EQ(a.rope_theta_local, 10000);
       EXPECT_EQ(a.logit_softcap, 0);
       EXPECT_TRUE(a.slides(4));
       EXPECT_FALSE(a.slides(5));
       EXPECT_TRUE(a.qk_norm);
     }},
    {"gemma_3_270m_new_form",
     R"({"model_type": "gemma3_text", "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
         "hidden_size": 640, "intermediate_size": 2048, "layer_types": ["sliding_attention",
         "sliding_attention", "full_attention", "sliding_attention", "sliding_attention",
         "full_attention"], "max_position_embeddings": 32768, "num_attention_heads": 4,
         "num_hidden_layers": 6, "num_key_value_heads": 1, "query_pre_attn_scalar": 256,
         "rms_norm_eps": 1e-06, "rope_parameters": {"full_attention": {"rope_theta": 1e6,
         "rope_type": "linear", "factor": 8.0}, "sliding_attention": {"rope_theta": 5000.0,
         "rope_type": "default"}}, "sliding_window": 512, "vocab_size": 1000})",
     34'082'432,
     [](const Architecture& a) {
       EXPECT_EQ(a.sliding_pattern, 3);
       EXPECT_EQ(a.rope_theta, 1e6);
       EXPECT_EQ(a.rope_theta_local, 5000);
       EXPECT_EQ(a.rope_scaling.kind, RopeScaling::Kind::linear);
       EXPECT_EQ(a.rope_scaling.factor, 8);
     }},
    {"phi_3_mini_4k",
     R"({"model_type": "phi3", "hidden_act": "silu", "hidden_size": 3072,
         "intermediate_size": 8192, "max_position_embeddings": 4096, "num_attention_heads": 32,
         "num_hidden_layers": 32, "num_key_value_heads": 32,
         "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "rope_scaling": null,
         "rope_theta": 10000.0, "sliding_window": 2047, "tie_word_embeddings": false,
         "vocab_size": 32064})",
     3'821'079'552,
     [](const Architecture& a) {
       EXPECT_EQ(a.head_dim, 96);
       EXPECT_EQ(a.sliding_window, 2047);
     }},
    {"phi_longrope",
     R"({"model_type": "phi3", "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 128,
         "max_position_embeddings": 131072, "num_attention_heads": 4, "num_hidden_layers": 2,
         "num_key_value_heads": 2, "original_max_position_embeddings": 4096,
         "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_scaling": {"type": "longrope",
         "short_factor": [1, 1.5, 2, 2.5], "long_factor": [1, 2, 4, 8]}, "rope_theta": 10000.0,
         "sliding_window": null, "vocab_size": 100})",
     86'848,
     [](const Architecture& a) {
       EXPECT_EQ(a.rope_dim, 8);
       EXPECT_EQ(a.rope_scaling.kind, RopeScaling::Kind::longrope);
       EXPECT_EQ(a.rope_scaling.original_context, 4096);
       EXPECT_EQ(a.rope_scaling.long_factors.at(3), 8);
       EXPECT_EQ(a.sliding_window, 0);
     }},
    {"gpt2",
     R"({"model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05,
         "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
         "vocab_size": 50257})",
     124'439'808,
     [](const Architecture& a) {
       EXPECT_EQ(a.positions, Positions::learned);
       EXPECT_EQ(a.norm, NormKind::layer);
       EXPECT_EQ(a.ffn, 3072);
       EXPECT_EQ(a.activation, Activation::gelu_tanh);
       EXPECT_TRUE(a.qkv_bias && a.attn_output_bias && a.ffn_bias && a.tied_embeddings);
       EXPECT_FALSE(a.gated_ffn);
     }},
    {"pythia_70m",
     R"({"model_type": "gpt_neox", "hidden_act": "gelu", "hidden_size": 512,
         "intermediate_size": 2048, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048,
         "num_attention_heads": 8, "num_hidden_layers": 6, "rotary_emb_base": 10000,
         "rotary_pct": 0.25, "tie_word_embeddings": false, "use_parallel_residual": true,
         "vocab_size": 50304})",
     70'426'624,
     [](const Architecture& a) {
       EXPECT_EQ(a.rope_dim, 16);
       EXPECT_TRUE(a.parallel_residual);
       EXPECT_EQ(a.activation, Activation::gelu);
     }},
};

class HfConfig : public testing::TestWithParam<Case> {};

TEST_P(HfConfig, ReadsAndWritesBack) {
  const Architecture a = from_hf_config(parse_json(GetParam().json, "config.json"), "config.json");
  EXPECT_EQ(parameter_count(a), GetParam().parameters);
  GetParam().expect(a);
  const Json written = hf_config(a);
  const Architecture again = from_hf_config(written, "written");
  EXPECT_TRUE(again == a) << written.dump(2);
}

INSTANTIATE_TEST_SUITE_P(Families, HfConfig, testing::ValuesIn(kCases),
                         [](const auto& row) { return row.param.name; });

// The message of the error that reading gives; empty if it reads.
std::string error_of(const Json& config, ErrorKind* kind = nullptr) {
  try {
    from_hf_config(config, "config.json");
  } catch (const Error& error) {
    if (kind != nullptr) *kind = error.kind();
    return error.what();
  }
  return "";
}

Json tiny_llama() {
  return parse_json(R"({"model_type": "llama", "hidden_act": "silu", "hidden_size": 64,
      "intermediate_size": 96, "max_position_embeddings": 128, "num_attention_heads": 4,
      "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": 100})",
                    "config.json");
}

TEST(HfConfig, EveryMissingDimensionIsNamed) {
  ASSERT_EQ(error_of(tiny_llama()), "");
  for (const char* key :
       {"model_type", "hidden_size", "intermediate_size", "max_position_embeddings",
        "num_attention_heads", "num_hidden_layers", "vocab_size"}) {
    Json config = tiny_llama();
    config.erase(key);
    ErrorKind kind{};
    const std::string message = error_of(config, &kind);
    EXPECT_EQ(kind, ErrorKind::format) << key;
    EXPECT_NE(message.find("config.json"), std::string::npos) << message;
    EXPECT_NE(message.find(key), std::string::npos) << message;
  }
}

TEST(HfConfig, HostileValuesAreRefused) {
  const std::pair<const char*, Json> bad[] = {
      {"hidden_size", -64},
      {"hidden_size", 0},
      {"hidden_size", 1.5},
      {"hidden_size", "64"},
      {"hidden_size", std::int64_t{1} << 62},
      {"num_attention_heads", 0},
      {"num_attention_heads", 7},
      {"num_key_value_heads", 3},
      {"num_key_value_heads", 8},
      {"num_hidden_layers", 1'000'000'000},
      {"vocab_size", std::int64_t{1} << 40},
      {"head_dim", 3},
      {"head_dim", 0},
      {"rms_norm_eps", -1},
      {"rms_norm_eps", "small"},
      {"rope_theta", 0},
      {"rope_theta", -5},
      {"tie_word_embeddings", "yes"},
      {"rope_scaling", 4},
      {"rope_scaling", {{"rope_type", "linear"}}},
      {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}},
      {"rope_parameters", {1, 2}},
      {"model_type", 7},
  };
  for (const auto& [key, value] : bad) {
    Json config = tiny_llama();
    config[key] = value;
    ErrorKind kind{};
    EXPECT_NE(error_of(config, &kind), "") << key << " = " << value;
    EXPECT_EQ(kind, ErrorKind::format) << key << " = " << value;
  }
}

TEST(HfConfig, WhatItCannotDoIsSaid) {
  const std::pair<const char*, Json> unsupported[] = {
      {"model_type", "mamba"},
      {"hidden_act", "relu"},
      {"num_local_experts", 8},
      {"quantization_config", {{"quant_method", "fp8"}}},
      {"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2}}},
  };
  for (const auto& [key, value] : unsupported) {
    Json config = tiny_llama();
    config[key] = value;
    ErrorKind kind{};
    EXPECT_NE(error_of(config, &kind), "");
    EXPECT_EQ(kind, ErrorKind::unsupported) << key;
  }
  Json config = tiny_llama();
  config["model_type"] = "mamba";
  EXPECT_NE(error_of(config).find(known_families()), std::string::npos);
  EXPECT_NE(error_of(Json::array()), "");
}

TEST(HfConfig, ExplicitNullSwitchesGemmaCapsOff) {
  Json config = parse_json(kCases[5].json, "config.json");
  config["attn_logit_softcapping"] = nullptr;
  config["sliding_window"] = nullptr;
  const Architecture a = from_hf_config(config, "config.json");
  EXPECT_EQ(a.attention_softcap, 0);
  EXPECT_EQ(a.logit_softcap, 30);
  EXPECT_EQ(a.sliding_window, 0);
}

}  // namespace
}  // namespace limbeck
