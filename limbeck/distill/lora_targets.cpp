#include "limbeck/distill/lora_targets.h"

namespace limbeck::distill {
namespace {

struct Names {
  std::string_view canonical, hugging_face, brief;
};
constexpr Names kNames[] = {{"attn_q", "q_proj", "q"},         {"attn_k", "k_proj", "k"},
                            {"attn_v", "v_proj", "v"},         {"attn_output", "o_proj", "o"},
                            {"ffn_gate", "gate_proj", "gate"}, {"ffn_up", "up_proj", "up"},
                            {"ffn_down", "down_proj", "down"}};

}  // namespace

std::string_view lora_target(std::string_view name) noexcept {
  for (const auto& n : kNames) {
    if (name == n.canonical || name == n.hugging_face || name == n.brief) return n.canonical;
  }
  return {};
}

}  // namespace limbeck::distill
