// --cache, of the commands that hold a decoder.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "limbeck/base/tensor_type.h"

namespace limbeck::cli {

inline void add_cache_option(CLI::App& app, TensorType& cache,
                             const char* help = "Keys and values are kept as f32, f16 or q8_0") {
  static const std::map<std::string, TensorType> kTypes = {
      {"f32", TensorType::f32}, {"f16", TensorType::f16}, {"q8_0", TensorType::q8_0}};
  app.add_option_function<std::string>(
         "--cache", [&cache](const std::string& name) { cache = kTypes.at(name); }, help)
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}))
      ->default_str("f32");
}

}  // namespace limbeck::cli
