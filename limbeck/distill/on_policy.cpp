#include "limbeck/distill/on_policy.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "limbeck/base/random.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kRolloutStream = 0x706f6c6963790000;  // a stream for each step

std::int64_t targets_of(const TrainRow& row) {
  return static_cast<std::int64_t>(row.tokens.size()) - row.first_target;
}

}  // namespace

OnPolicy::OnPolicy(const TrainOptions& options, std::span<const TrainRow> rows,
                   const std::vector<StepPlan>& plan, std::int64_t context)
    : options_(options), rows_(rows), plan_(plan), context_(context) {
  const auto steps = static_cast<double>(plan.size());
  first_ = static_cast<std::int64_t>(std::floor(steps * (1 - options.on_policy.share)));
}

std::vector<OnPolicy::Choice> OnPolicy::choices(std::int64_t step) const {
  const OnPolicyOptions& o = options_.on_policy;
  Random random(options_.seed, kRolloutStream + static_cast<std::uint64_t>(step));
  std::vector<Choice> out;
  for (const auto& micro : plan_[static_cast<std::size_t>(step)].micro) {
    for (const auto row : micro.rows) {
      const bool drawn = random.uniform() < o.lambda, again = random.uniform() < o.replay;
      out.push_back({row, drawn, o.pair || !drawn, again});
    }
  }
  return out;
}

std::vector<std::uint32_t> OnPolicy::wanted(std::int64_t step) const {
  const auto total = static_cast<std::int64_t>(plan_.size());
  const auto refresh = options_.on_policy.refresh > 0 ? options_.on_policy.refresh : total;
  if (!covers(step) || (step - first_) % refresh != 0) return {};
  std::set<std::uint32_t> rows;
  for (auto s = step; s < std::min(total, step + refresh); ++s) {
    for (const auto& choice : choices(s)) {
      if (choice.student && !(choice.again && buffer_.contains(choice.row)))
        rows.insert(choice.row);
    }
  }
  return {rows.begin(), rows.end()};
}

std::vector<TokenId> OnPolicy::prompt(std::uint32_t row) const {
  const TrainRow& from = rows_[row];
  return {from.tokens.begin(), from.tokens.begin() + from.first_target};
}

void OnPolicy::keep(std::uint32_t row, std::vector<TokenId> answer) {
  const auto room = static_cast<std::size_t>(context_ - rows_[row].first_target);
  if (answer.size() > room) answer.resize(room);
  buffer_[row] = std::move(answer);
}

OnPolicy::Mix OnPolicy::mix(std::int64_t step) const {
  Mix mix;
  std::vector<std::uint32_t> teacher;
  for (const auto& choice : choices(step)) {
    const auto found = buffer_.find(choice.row);
    const bool answered = choice.student && found != buffer_.end() && !found->second.empty();
    if (answered) {
      TrainRow row;
      row.tokens = prompt(choice.row);
      row.first_target = rows_[choice.row].first_target;
      row.tokens.insert(row.tokens.end(), found->second.begin(), found->second.end());
      row.teacher_prompt = rows_[choice.row].teacher_prompt;
      mix.tokens += static_cast<std::int64_t>(row.tokens.size());
      mix.targets += targets_of(row);
      mix.student_rows.push_back(std::move(row));
    }
    if (choice.teacher || !answered) {
      teacher.push_back(choice.row);
      mix.tokens += static_cast<std::int64_t>(rows_[choice.row].tokens.size());
      mix.targets += targets_of(rows_[choice.row]);
    }
  }
  mix.teacher = cut(rows_, std::move(teacher), options_.micro_tokens);
  mix.student = plan_pass(mix.student_rows, options_.micro_tokens);
  return mix;
}

Json OnPolicy::answers() const {
  Json out = Json::object();
  for (const auto& [row, answer] : buffer_) out[std::to_string(row)] = answer;
  return out;
}

void OnPolicy::restore(const Json& answers) {
  buffer_.clear();
  for (const auto& [row, answer] : answers.items()) {
    buffer_[static_cast<std::uint32_t>(std::stoul(row))] = answer.get<std::vector<TokenId>>();
  }
}

}  // namespace limbeck::distill
