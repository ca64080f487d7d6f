// How fast this machine multiplies matrices in training, and in which type.
#include <chrono>

#include "limbeck/distill/torch.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {

bool fast_bf16(at::Device device) {
  if (device.is_cuda()) return true;
#if defined(__x86_64__)
  // What oneDNN wants before it takes such products over; without it libtorch's own loop is
  // thirty times slower than fp32.
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

double matmul_flops(int threads) {
  if (threads > 0) at::set_num_threads(threads);
  const auto type = fast_bf16(at::kCPU) ? at::kBFloat16 : at::kFloat;
  const auto a = at::randn({1024, 1024}).to(type), b = at::randn({1024, 1024}).to(type);
  a.matmul(b);  // the first product chooses its kernel
  const auto begin = std::chrono::steady_clock::now();
  double seconds = 0;
  int products = 0;
  while (seconds < 0.2) {
    a.matmul(b);
    ++products;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return products * 2.0 * 1024 * 1024 * 1024 / seconds;
}

}  // namespace limbeck::distill
