// A stranger's program: uses installed headers and libraries of low and high modules.
#include <limbeck/base/error.h>
#include <limbeck/base/sha256.h>
#include <limbeck/base/yaml.h>
#include <limbeck/format/gguf.h>
#include <limbeck/model/checkpoint.h>

int main() {
  if (limbeck::parse_yaml("a: 1", "t")["a"] != 1 || limbeck::sha256_hex("").size() != 64) return 1;
  try {
    limbeck::Checkpoint::open("/nonexistent");
  } catch (const limbeck::Error& error) {
    return error.kind() == limbeck::ErrorKind::usage ? 0 : 2;
  }
  return 3;
}
