// The linears that can have adapters, by every name they go by. Sees no libtorch.
#pragma once

#include <string_view>

namespace limbeck::distill {

// "q", "q_proj", "attn_q" -> "attn_q"; empty if it names no linear.
std::string_view lora_target(std::string_view name) noexcept;

}  // namespace limbeck::distill
