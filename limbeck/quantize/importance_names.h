// Names of tensors in llama.cpp's importance files; for those files' reader and writer.
#pragma once

#include <string_view>

namespace limbeck {

inline constexpr std::string_view kImportanceSums = ".in_sum2", kImportanceCounts = ".counts";

}  // namespace limbeck
