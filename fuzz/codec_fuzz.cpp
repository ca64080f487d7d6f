// Blocks of any bytes (the first picks the type) decoded, taken apart and re-laid.
#include <vector>

#include "fuzz/target.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/grid_format.h"
#include "limbeck/kernels/panels.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (size == 0) return 0;
  const auto types = tensor_types();
  const TensorTypeInfo& type = types[data[0] % types.size()];
  const std::size_t blocks = (size - 1) / type.block_bytes;
  const auto bytes = fuzz::as_bytes(data + 1, blocks * type.block_bytes);
  std::vector<float> weights(blocks * type.block_weights);
  return fuzz::value_or_error([&] {
    decode_row(type.type, bytes, weights);
    if (const GridFormat* format = find_grid_format(type.type)) {
      for (std::size_t b = 0; b < blocks; ++b) {
        UnpackedBlock block;
        unpack_block(*format, bytes.data() + b * type.block_bytes, block);
      }
    }
    if (const PanelLayout* layout = panel_layout(type.type)) {
      std::vector<std::uint8_t> panel(panel_bytes(*layout, weights.size()));
      pack_panel(*layout, bytes, 1, weights.size(), panel);
    }
  });
}
