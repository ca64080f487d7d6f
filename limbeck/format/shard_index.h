// model.safetensors.index.json: which tensor is in which file of the folder.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace limbeck {

struct ShardIndex {
  std::vector<std::string> shards;                        // sorted, each once
  std::unordered_map<std::string, std::string> shard_of;  // tensor -> shard
};

// Throws Error{format} on bad JSON, a missing weight_map, over 64 MiB or 10,000 shards, and on
// names that are not bare: [A-Za-z0-9._-]{1,255} without a leading dot, so none leaves the folder.
ShardIndex parse_shard_index(std::string_view text, std::string_view origin);

}  // namespace limbeck
