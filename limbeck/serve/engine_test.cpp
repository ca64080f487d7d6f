#include "limbeck/serve/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "limbeck/serve/fixture_test.h"

namespace limbeck::serve {
namespace {

std::vector<TokenId> ids(std::string_view text) {
  return loaded().checkpoint.tokenizer().encode(text);
}

struct Submitted {
  Engine::Ticket ticket;
  std::future<Outcome> outcome;
};

Submitted submit(Engine& engine, std::vector<TokenId> prompt, const GenerateOptions& options,
                 const std::function<void(Job& job)>& change = {}) {
  auto job = std::make_unique<Job>();
  job->prompt = std::move(prompt);
  job->options = options;
  auto promise = std::make_shared<std::promise<Outcome>>();
  job->on_end = [promise](Outcome outcome) { promise->set_value(std::move(outcome)); };
  if (change) change(*job);
  Submitted out{nullptr, promise->get_future()};
  out.ticket = engine.submit(std::move(job));
  return out;
}

std::vector<std::string> prompts() {
  return {"hello", "hello, where is my parcel", "I want to return", "My invoice of the", "a",
          "b c"};
}

// Sampled, so that a difference in a logit's last bit would show sooner or later.
GenerateOptions sampled(std::uint64_t stream) {
  GenerateOptions options;
  options.max_tokens = 24;
  options.sampling = {.temperature = 1.5, .top_p = 0.95, .seed = 7, .stream = stream};
  options.top_logprobs = 2;
  options.ignore_eos = true;
  return options;
}

TEST(Engine, ManyAtOnceAreAsOneByOne) {
  Loaded& l = loaded();
  const auto& tokenizer = l.checkpoint.tokenizer();
  std::vector<Generated> alone;
  for (std::size_t i = 0; i < prompts().size(); ++i) {
    Decoder decoder(l.model, l.pool, {.context = 256});
    alone.push_back(generate(decoder, tokenizer, ids(prompts()[i]), sampled(i)));
  }
  for (const int parallel : {1, 2, 5}) {
    Engine engine(l.model, tokenizer, l.pool, {.parallel = parallel, .context = 256});
    std::vector<Submitted> all;
    for (std::size_t i = 0; i < prompts().size(); ++i) {
      all.push_back(submit(engine, ids(prompts()[i]), sampled(i)));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Outcome outcome = all[i].outcome.get();
      ASSERT_FALSE(outcome.error) << outcome.error->what();
      EXPECT_EQ(outcome.generated.ids, alone[i].ids) << parallel << " at once, prompt " << i;
      EXPECT_EQ(outcome.generated.logprobs, alone[i].logprobs);
      EXPECT_EQ(outcome.generated.text, alone[i].text);
    }
  }
}

TEST(Engine, WhatIsTakenFromTheCacheChangesNothing) {
  Loaded& l = loaded();
  Engine engine(l.model, l.checkpoint.tokenizer(), l.pool, {.parallel = 2, .context = 256});
  const auto long_prompt = ids("I want to return the blue kettle because it leaks, order NW-12345");
  const Outcome first = submit(engine, long_prompt, sampled(1)).outcome.get();
  EXPECT_EQ(first.cached_tokens, 0);
  const Outcome second = submit(engine, long_prompt, sampled(1)).outcome.get();
  EXPECT_EQ(second.cached_tokens, static_cast<std::int64_t>(long_prompt.size()) - 1);
  EXPECT_EQ(second.generated.ids, first.generated.ids);
  EXPECT_EQ(second.generated.logprobs, first.generated.logprobs);
}

TEST(Engine, EchoGivesThePromptsOwnLogprobs) {
  Loaded& l = loaded();
  Engine engine(l.model, l.checkpoint.tokenizer(), l.pool, {.parallel = 2, .context = 256});
  const auto prompt = ids("hello, where is my parcel");
  GenerateOptions options;
  options.max_tokens = 0;
  options.top_logprobs = 1;
  const Outcome outcome =
      submit(engine, prompt, options, [](Job& job) { job.echo = true; }).outcome.get();
  Decoder decoder(l.model, l.pool, {.context = 256});
  const std::vector<TokenId> first(prompt.begin(), prompt.begin() + 1);
  const std::vector<TokenId> rest(prompt.begin() + 1, prompt.end());
  const std::vector<std::vector<TokenId>> continuations(1, rest);
  const auto scores = score_continuations(decoder, first, continuations);
  ASSERT_EQ(outcome.prompt_logprobs.size(), rest.size());
  double sum = 0;
  for (const float logprob : outcome.prompt_logprobs) sum += logprob;
  EXPECT_NEAR(sum, scores[0].logprob, 1e-4);
  EXPECT_EQ(outcome.prompt_top.size(), rest.size());
  EXPECT_TRUE(outcome.generated.ids.empty());
}

TEST(Engine, EmbeddingsHaveLengthOne) {
  Loaded& l = loaded();
  Engine engine(l.model, l.checkpoint.tokenizer(), l.pool, {.parallel = 3, .context = 256});
  const auto embed = [&](std::string_view text) {
    return submit(engine, ids(text), {}, [](Job& job) { job.embed = true; })
        .outcome.get()
        .embedding;
  };
  const auto a = embed("where is my parcel"), b = embed("where is my parcel"),
             c = embed("refund me");
  double squares = 0;
  for (const float x : a) squares += double{x} * x;
  EXPECT_NEAR(squares, 1, 1e-5);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(Engine, ACancelledJobEndsWithinAToken) {
  Loaded& l = loaded();
  Engine engine(l.model, l.checkpoint.tokenizer(), l.pool, {.parallel = 1, .context = 256});
  GenerateOptions options;
  options.max_tokens = 200;
  options.ignore_eos = true;
  std::atomic<int> pieces{0};
  Engine::Ticket ticket;
  std::promise<void> begun;
  std::atomic<bool> cancelled{false};
  auto first = submit(engine, ids("hello"), options, [&](Job& job) {
    job.on_text = [&](const Generated&, std::string_view) {
      if (pieces++ == 0) begun.set_value();
      while (!cancelled) std::this_thread::yield();
    };
  });
  begun.get_future().wait();
  *first.ticket = true;
  cancelled = true;
  auto next = submit(engine, ids("hello"), sampled(1));  // gets the only sequence
  EXPECT_FALSE(next.outcome.get().error);
  EXPECT_LE(pieces, 2);
  EXPECT_EQ(engine.stats().cancelled, 1u);
  EXPECT_EQ(engine.stats().running, 0u);
}

TEST(Engine, RefusesWhatDoesNotFit) {
  Loaded& l = loaded();
  Engine engine(l.model, l.checkpoint.tokenizer(), l.pool,
                {.parallel = 1, .context = 32, .queue = 2});
  EXPECT_THROW(submit(engine, {}, {}), Error);
  EXPECT_THROW(submit(engine, {-1}, {}), Error);
  EXPECT_THROW(submit(engine, {1 << 20}, {}), Error);
  EXPECT_THROW(submit(engine, std::vector<TokenId>(33, 5), {}), Error);
  // Two wait behind the one under way; the fourth is told so.
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  std::vector<Submitted> all;
  std::promise<void> begun;
  bool told = false;
  all.push_back(submit(engine, {5}, sampled(0), [&](Job& job) {
    job.on_text = [&](const Generated&, std::string_view) {
      if (!std::exchange(told, true)) begun.set_value();
      gate.wait();
    };
  }));
  begun.get_future().wait();
  for (int i = 0; i < 2; ++i) all.push_back(submit(engine, {5}, sampled(0)));
  EXPECT_EQ(submit(engine, {5}, sampled(0)).ticket, nullptr);
  EXPECT_EQ(engine.stats().refused, 1u);
  go.set_value();
  for (auto& one : all) EXPECT_FALSE(one.outcome.get().error);
}

TEST(Engine, StopsWithAnErrorForWhatIsLeft) {
  Loaded& l = loaded();
  GenerateOptions options;
  options.max_tokens = 200;
  options.ignore_eos = true;
  Submitted left;
  {
    Engine engine(l.model, l.checkpoint.tokenizer(), l.pool, {.parallel = 1, .context = 256});
    left = submit(engine, ids("hello"), options);
    submit(engine, ids("hello"), options);
  }
  const Outcome outcome = left.outcome.get();
  EXPECT_TRUE(outcome.error || outcome.generated.ids.size() == 200);
}

}  // namespace
}  // namespace limbeck::serve
