// How fast this machine multiplies matrices in bfloat16.
#include <chrono>

#include "limbeck/distill/torch.h"
#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

double matmul_flops(int threads) {
  if (threads > 0) at::set_num_threads(threads);
  const auto a = at::randn({1024, 1024}).to(at::kBFloat16),
             b = at::randn({1024, 1024}).to(at::kBFloat16);
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
