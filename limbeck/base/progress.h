// One progress line: redrawn in place on a terminal, a plain line every few seconds elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace limbeck {

// How much a command says on standard error. Set once by the command line.
enum class Verbosity { quiet, normal, verbose };
void set_verbosity(Verbosity verbosity) noexcept;
Verbosity verbosity() noexcept;

// A line of human text on standard error (control characters escaped); nothing when quiet.
void say(std::string_view line);
// As say, only when verbose.
void say_verbose(std::string_view line);

class Progress {
 public:
  // `unit` names what is counted ("steps", "items", "B"). total 0: unknown.
  Progress(std::string label, std::uint64_t total, std::string unit);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` follows the rate: "loss 1.374 (kd 1.02 ce 0.35)". Cheap: draws at most 10 times a
  // second.
  void update(std::uint64_t done, std::string_view note = {});
  // The final line with the total time. Called by the destructor if not before.
  void finish(std::string_view note = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace limbeck
