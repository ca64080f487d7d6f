// For tests: the ways in which an endpoint can fail, as replies of a FakeServer.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/teacher/fake_server_test.h"

namespace limbeck {

// What becomes of a request that meets the fault.
enum class FaultEnd { asked_again, harmless, no_answer };

struct FaultMode {
  const char* name;
  FaultEnd end;
};
// 22 that can come at any time; a refused certificate and a redirect end a run and have their own
// tests.
std::vector<FaultMode> fault_modes();

// A chat completion that says `text`.
std::string completion_of(const std::string& text);
// The answer that this server gives to a question.
std::string answer_to(const std::string& question);

// Answers each question, and fails at random on the way, by mode; remembers what it did.
class FaultyServer {
 public:
  // `rate`: of the requests that fail (asked_again or harmless), in [0, 1). Questions whose number
  // is a multiple of `refuse_every` get no answer ever (0: none).
  FaultyServer(double rate, std::uint64_t seed, int refuse_every);

  FakeReply reply(int number, const std::string& headers, const std::string& body);
  void set_down(bool down) { down_ = down; }

  std::map<std::string, int> counts;    // of faults, by name
  std::map<std::string, int> answered;  // of each question: whole replies sent
  int early = 0;      // requests that came before Retry-After allowed the same question again
  int early_all = 0;  // requests of anyone during a 429's Retry-After, a moment after it was sent

 private:
  FakeReply fault(const std::string& name, const std::string& question);
  std::mutex mutex_;
  double rate_;
  int refuse_every_;
  Random random_;
  std::atomic<bool> down_ = false;
  std::map<std::string, double> not_before_;
  double limited_at_ = -1, limited_until_ = -1;
};

}  // namespace limbeck
