#include "limbeck/distill/student.h"

#include <algorithm>

namespace limbeck::distill {

Student starting_student(const Start& start, const Tokenizer& tokenizer,
                         const TrainOptions& options, at::Device device,
                         const std::vector<TensorSpec>& more) {
  const auto products = options.bf16 ? at::kBFloat16 : at::kFloat;
  const bool lora = options.lora.r > 0;
  const ParameterOptions trained{at::kFloat, products, device, true,
                                 !options.quantize.type.empty()};
  const ParameterOptions how = lora ? ParameterOptions{products, products, device, false} : trained;
  const auto make = [&](const Architecture& a) {
    auto specs = tensor_specs(a);
    if (!lora) specs.insert(specs.end(), more.begin(), more.end());
    return std::make_shared<Parameters>(a, std::move(specs), how);
  };
  Student student;
  if (start.model.empty()) {
    Architecture shape = start.shape;
    shape.vocab_size = std::max<std::int64_t>(shape.vocab_size, tokenizer.vocab_size());
    student.base = make(shape);
    student.base->randomize(options.seed);
  } else {
    const auto checkpoint = Checkpoint::open(start.model);
    student.base = make(checkpoint.architecture());
    student.base->load(checkpoint);
  }
  if (lora) {
    student.adapters = std::make_shared<Adapters>(student.base->architecture(), options.lora, more,
                                                  trained, options.seed);
  }
  return student;
}

std::shared_ptr<Parameters> frozen_model(const std::filesystem::path& model, bool bf16,
                                         at::Device device) {
  const auto checkpoint = Checkpoint::open(model);
  const auto type = bf16 ? at::kBFloat16 : at::kFloat;
  auto parameters = std::make_shared<Parameters>(checkpoint.architecture(),
                                                 ParameterOptions{type, type, device, false});
  parameters->load(checkpoint);
  return parameters;
}

}  // namespace limbeck::distill
