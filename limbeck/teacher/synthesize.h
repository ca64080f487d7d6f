// New training rows from a few: a teacher writes inputs like the seeds, answers them, and what is
// invalid, doubtful, or said already is left out, with its reason.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "limbeck/teacher/label.h"

namespace limbeck {

struct SynthesisOptions {
  std::int64_t count = 1000;        // rows wanted
  std::int64_t seeds = 50;          // of the training rows with an output, spread over them
  double temperature = 0.7;         // of inputs, and of the answers that must agree
  int votes = 3;                    // answers of one teacher to each input; with several, one each
  double agreement = 1;             // share of the votes that the answer needs
  double duplicate = 0.8;           // similarity (near_duplicates.h) from which a text is a repeat
  double balance = 1.5;             // classification: no label above this times its even share
  std::int64_t max_tokens = 256;    // of a call
  double give_up = 20;              // calls, as a multiple of those that would do if all were good
  std::vector<std::string> topics;  // one is asked for in each call; empty: none
  std::uint64_t seed = 1;
  std::filesystem::path store;  // of all answers, so that a killed run goes on; empty: none
};

struct Synthesized {
  std::vector<Json> rows;     // {"input", "output"}
  std::vector<Json> rejects;  // {"input", "output", "reason", "detail"}
  // {"asked", "accepted", "rejected": {reason: n}, "labels": {label: n}, "leakage": {..}, "usage"}
  Json report;
};

// Rows for `task` from its training rows that have outputs. The first teacher writes the inputs;
// all of them vote on the answers. Nothing near a test input is kept. Throws Error{usage} without
// seeds, as Teacher::answer; Error{quality} when hardly anything is acceptable.
Synthesized synthesize(std::span<OpenTeacher* const> teachers, const Task& task,
                       const SynthesisOptions& options);

}  // namespace limbeck
