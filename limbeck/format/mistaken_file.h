// What people really have where a model file should be.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace limbeck {

// The remedy for a file that begins like this and is not what it was taken for: a Git LFS pointer,
// a pickle, a web page, the other format. Empty if it is none of them.
std::string mistaken_for(std::span<const std::byte> bytes);

}  // namespace limbeck
