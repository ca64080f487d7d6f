#include "limbeck/pipeline/quantized_form.h"

#include <gtest/gtest.h>

#include "limbeck/base/error.h"

namespace limbeck::pipeline {
namespace {

QuantizedForm of_type(const char* type) { return {.type = type}; }

TEST(QuantizedForm, LabelsTellFormsApart) {
  EXPECT_EQ(of_type("q4_k_m").label(), "q4_k_m");
  EXPECT_EQ(QuantizedForm{.bits_per_weight = 3.5}.label(), "3.5bpw");
  EXPECT_EQ(QuantizedForm{.size = 300'000'000}.label(), "300MB");
  EXPECT_NE(QuantizedForm{.size = 1'234'567'890}.label(),
            QuantizedForm{.size = 1'234'567'891}.label());
}

TEST(QuantizedForm, ErrorFeedbackBelowEightBitsWhereATextIsThere) {
  const Json none;
  EXPECT_EQ(method_for(of_type("q4_0"), "", true, none), QuantizeMethod::gptq);
  EXPECT_EQ(method_for(of_type("q4_0"), "", false, none), QuantizeMethod::rtn);
  EXPECT_EQ(method_for(of_type("q8_0"), "", true, none), QuantizeMethod::rtn);
  EXPECT_EQ(method_for({.bits_per_weight = 9}, "", false, none), QuantizeMethod::gptq);
  EXPECT_EQ(method_for(of_type("q4_0"), "imatrix", true, none), QuantizeMethod::imatrix);
  EXPECT_THROW(method_for(of_type("q4_0"), "imatrix", false, none), Error);
  EXPECT_THROW(method_for(of_type("q4_0"), "magic", true, none), Error);
}

TEST(QuantizedForm, WhatWasTrainedForATypeIsRoundedPlainlyIntoIt) {
  const Json trained = {{"training", {{"quantize", "q3_k_m"}}}};
  EXPECT_EQ(method_for(of_type("q3_k_m"), "", true, trained), QuantizeMethod::rtn);
  EXPECT_EQ(method_for(of_type("q4_0"), "", true, trained), QuantizeMethod::gptq);
  EXPECT_EQ(method_for(of_type("q3_k_m"), "gptq", true, trained), QuantizeMethod::gptq);
  // Manifests of strangers.
  for (const Json& odd :
       {Json("text"), Json{{"training", 3}}, Json{{"training", {{"quantize", 4}}}}})
    EXPECT_EQ(trained_type(odd), "");
}

}  // namespace
}  // namespace limbeck::pipeline
