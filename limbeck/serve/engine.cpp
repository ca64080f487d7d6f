#include "limbeck/serve/engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>

#include "limbeck/serve/slot.h"

namespace limbeck::serve {
namespace {

constexpr std::int64_t kDefaultContext = 8192;
constexpr std::size_t kStepItems = 512;  // tokens of a step, prompts and answers together
constexpr std::size_t kEchoItems = 64;   // of a step where each needs logits of its own
constexpr std::size_t kWorthACopy = 32;  // positions that another sequence must hold more

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

EngineOptions checked(EngineOptions options, const Architecture& architecture) {
  if (options.parallel < 1 || options.parallel > 256) {
    fail(ErrorKind::usage, "--parallel {}: it must be in [1, 256]", options.parallel);
  }
  if (options.context == 0) {
    options.context = std::min(architecture.context_length, kDefaultContext);
  }
  if (options.queue < 1) fail(ErrorKind::usage, "--queue 0: it must be at least 1");
  return options;
}

}  // namespace

struct Engine::Impl {
  Impl(const Model& m, const Tokenizer& t, ThreadPool& pool, const EngineOptions& o)
      : model(m),
        tokenizer(t),
        options(checked(o, m.architecture())),
        decoder(m, pool,
                {.context = options.context,
                 .n_sequences = options.parallel,
                 .cache = options.cache,
                 .batch = kStepItems}),
        mask(token_texts(t)),
        slots(static_cast<std::size_t>(options.parallel)),
        thread([this] { run(); }) {}

  ~Impl() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = closing = true;
    }
    changed.notify_all();
    if (thread.joinable()) thread.join();
  }

  void run() {
    while (wait_for_work()) {
      try {
        admit();
        step();
      } catch (const std::bad_alloc&) {
        fail_all(Error(ErrorKind::io, "out of memory"));
      }
    }
    const Error stopped(ErrorKind::interrupted, "the server is stopping");
    for (Slot& slot : slots) {
      if (slot.job) end(slot, stopped);
    }
    for (Waiting& waiting : queue) tell(waiting.job->on_end, {.error = stopped});
  }

  // A callback that throws has no memory to tell its client; the client's exchange goes with it.
  static void tell(const std::function<void(Outcome)>& on_end, Outcome outcome) noexcept {
    try {
      if (on_end) on_end(std::move(outcome));
    } catch (...) {
    }
  }

  bool wait_for_work() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return closing || !queue.empty() || stats.running > 0; });
    return !closing;
  }

  // Gives free sequences to jobs, the one that holds most of the prompt already.
  void admit() {
    for (std::size_t free = 0; free < slots.size(); ++free) {
      if (slots[free].job) continue;
      std::optional<Waiting> next = take_waiting();
      if (!next) return;
      std::size_t best = free;
      for (std::size_t s = free + 1; s < slots.size(); ++s) {
        if (slots[s].job) continue;
        if (slots[s].reusable(*next->job) > slots[best].reusable(*next->job)) best = s;
      }
      start(*std::move(next), best);
      if (best != free) --free;  // it is still free
    }
  }

  std::optional<Waiting> take_waiting() {
    const std::lock_guard lock(mutex);
    while (!queue.empty()) {
      Waiting next = std::move(queue.front());
      queue.pop_front();
      if (!*next.cancelled) return next;
      ++stats.cancelled;
    }
    return std::nullopt;
  }

  void start(Waiting next, std::size_t s) {
    Slot& slot = slots[s];
    std::size_t shared = slot.reusable(*next.job);
    for (std::size_t other = 0; other < slots.size(); ++other) {
      const std::size_t more = slots[other].reusable(*next.job);
      if (other == s || more < shared + kWorthACopy) continue;
      decoder.copy(static_cast<std::int32_t>(other), static_cast<std::int32_t>(s));
      slot.held = slots[other].held;
      shared = more;
    }
    decoder.truncate(static_cast<std::int32_t>(s), static_cast<std::int64_t>(shared));
    slot.held.resize(shared);
    slot.begun = shared;
    slot.outcome = {};
    slot.outcome.cached_tokens = static_cast<std::int64_t>(shared);
    slot.hidden_sum.clear();
    slot.job = std::move(next.job);
    slot.cancelled = std::move(next.cancelled);
    slot.submitted = next.submitted;
    Job& job = *slot.job;
    job.options.grammar = job.grammar ? &*job.grammar : nullptr;
    {
      const std::lock_guard lock(mutex);
      ++stats.jobs;
      ++stats.running;
      stats.queue_s.add(since(slot.submitted));
      stats.cached_tokens += shared;
      stats.prompt_tokens += job.prompt.size();
    }
    if (job.embed) return;
    try {
      slot.generation = std::make_unique<Generation>(
          &tokenizer, job.options, &mask, job.prompt, [&slot](std::string_view piece) {
            if (slot.job->on_text) slot.job->on_text(slot.generation->so_far(), piece);
            return true;
          });
    } catch (const Error& error) {
      end(slot, error);
    }
  }

  struct Wanted {
    std::size_t slot;
    std::size_t position;  // in the prompt; at its end or behind: the answer's next token
  };

  // The next token of each answer, and as much of the prompts as fits.
  void fill_batch() {
    batch.items.clear();
    wanted.clear();
    for (std::size_t s = 0; s < slots.size(); ++s) {
      Slot& slot = slots[s];
      if (slot.job && *slot.cancelled) release(slot, true);
      if (!slot.job || slot.in_prompt()) continue;
      batch.items.push_back({slot.token, static_cast<std::int32_t>(s), true});
      wanted.push_back({s, slot.job->prompt.size()});
    }
    for (std::size_t s = 0; s < slots.size() && batch.items.size() < kStepItems; ++s) {
      if (slots[s].job && slots[s].in_prompt()) add_prompt(s);
    }
  }

  void add_prompt(std::size_t s) {
    Slot& slot = slots[s];
    const Job& job = *slot.job;
    const bool all = job.echo || job.embed;
    std::size_t room = kStepItems - batch.items.size();
    if (all) room = std::min(room, kEchoItems);
    const std::size_t end = std::min(job.prompt.size(), slot.begun + room);
    for (std::size_t i = slot.begun; i < end; ++i) {
      const bool want = all || i + 1 == job.prompt.size();
      batch.items.push_back({job.prompt[i], static_cast<std::int32_t>(s), want});
      if (want) wanted.push_back({s, i});
    }
  }

  void step() {
    fill_batch();
    if (batch.items.empty()) return;
    std::span<const float> logits;
    try {
      logits = decoder.forward(batch);
    } catch (const Error& error) {
      return fail_all(error);
    } catch (const std::bad_alloc&) {
      return fail_all(Error(ErrorKind::io, "out of memory"));
    }
    for (const Batch::Item& item : batch.items) {
      Slot& slot = slots[static_cast<std::size_t>(item.sequence)];
      slot.held.push_back(item.token);
      if (slot.in_prompt()) ++slot.begun;
    }
    {
      const std::lock_guard lock(mutex);
      ++stats.steps;
    }
    if (wanted.empty()) return;
    const std::size_t vocab = logits.size() / wanted.size();
    for (std::size_t i = 0; i < wanted.size(); ++i) take(i, logits.subspan(i * vocab, vocab));
  }

  void take(std::size_t index, std::span<const float> logits) {
    const auto [s, position] = wanted[index];
    Slot& slot = slots[s];
    if (!slot.job) return;  // ended earlier in this step
    const Job& job = *slot.job;
    try {
      if (job.embed) slot.add_hidden(hidden_of(index));
      const bool last = position + 1 >= job.prompt.size();
      if (job.echo && !last) slot.note_prompt(job.prompt[position + 1], logits);
      if (!last) return;
      if (job.embed) {
        slot.finish_embedding();
        return end(slot, std::nullopt);
      }
      note_token(slot, position + 1 == job.prompt.size());
      const auto token = slot.generation->step(logits);
      const auto sequence = static_cast<std::int32_t>(s);
      if (token && decoder.length(sequence) < decoder.context()) {
        slot.token = *token;
        return;
      }
      if (token) slot.generation->cut();
      slot.outcome.generated = slot.generation->take();
      end(slot, std::nullopt);
    } catch (const Error& error) {
      end(slot, error);
    } catch (const std::bad_alloc&) {
      end(slot, Error(ErrorKind::io, "out of memory"));
    }
  }

  void note_token(Slot& slot, bool first) {
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double> seconds = now - (first ? slot.submitted : slot.last_token);
    slot.last_token = now;
    const std::lock_guard lock(mutex);
    (first ? stats.first_token_s : stats.token_s).add(seconds.count());
  }

  std::span<const float> hidden_of(std::size_t index) const {
    const auto width = static_cast<std::size_t>(model.architecture().hidden);
    return decoder.hidden().subspan(index * width, width);
  }

  void fail_all(const Error& error) {
    for (std::size_t s = 0; s < slots.size(); ++s) {
      slots[s].held.clear();  // what the cache holds now is not known
      decoder.truncate(static_cast<std::int32_t>(s), 0);
      if (slots[s].job) end(slots[s], error);
    }
  }

  void end(Slot& slot, std::optional<Error> error) {
    slot.outcome.error = std::move(error);
    const auto on_end = std::move(slot.job->on_end);
    Outcome outcome = std::move(slot.outcome);
    {
      const std::lock_guard lock(mutex);
      stats.generated_tokens += outcome.generated.ids.size();
      stats.answer_s.add(since(slot.submitted));
    }
    release(slot, false);
    tell(on_end, std::move(outcome));
  }

  // The sequence is free again; what it holds stays, for prompts that begin like it.
  void release(Slot& slot, bool was_cancelled) {
    slot.generation.reset();
    slot.job.reset();
    const std::lock_guard lock(mutex);
    --stats.running;
    if (was_cancelled) ++stats.cancelled;
    changed.notify_all();
  }

  const Model& model;
  const Tokenizer& tokenizer;
  EngineOptions options;
  Decoder decoder;
  TokenMask mask;
  std::vector<Slot> slots;  // of the engine's thread alone, as are the next two
  Batch batch;
  std::vector<Wanted> wanted;  // whose logits the batch gives, in order

  mutable std::mutex mutex;  // of what follows
  std::condition_variable changed;
  std::deque<Waiting> queue;
  EngineStats stats;
  bool stopping = false;  // takes no jobs
  bool closing = false;   // ends at once

  std::thread thread;
};

Engine::Engine(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
               const EngineOptions& options)
    : impl_(std::make_unique<Impl>(model, tokenizer, pool, options)) {}

Engine::~Engine() = default;

Engine::Ticket Engine::submit(std::unique_ptr<Job> job) {
  const auto vocab = impl_->model.architecture().vocab_size;
  if (job->prompt.empty()) fail(ErrorKind::usage, "the prompt has no tokens");
  if (static_cast<std::int64_t>(job->prompt.size()) > context()) {
    fail(ErrorKind::usage, "the prompt has {} tokens, the context holds {}", job->prompt.size(),
         context());
  }
  for (const TokenId id : job->prompt) {
    if (id < 0 || id >= vocab) {
      fail(ErrorKind::usage, "token id {} is outside the vocabulary of {}", id, vocab);
    }
  }
  check(job->options.sampling);
  auto ticket = std::make_shared<std::atomic<bool>>(false);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->options.queue) {
      ++impl_->stats.refused;
      return nullptr;
    }
    impl_->queue.push_back({std::move(job), ticket, Clock::now()});
  }
  impl_->changed.notify_all();
  return ticket;
}

void Engine::drain(double seconds) {
  std::unique_lock lock(impl_->mutex);
  impl_->stopping = true;
  impl_->changed.wait_for(lock, std::chrono::duration<double>(seconds),
                          [&] { return impl_->queue.empty() && impl_->stats.running == 0; });
}

void Engine::stop() { impl_->stop(); }

EngineStats Engine::stats() const {
  const std::lock_guard lock(impl_->mutex);
  EngineStats stats = impl_->stats;
  stats.waiting = impl_->queue.size();
  return stats;
}

std::int64_t Engine::context() const noexcept { return impl_->decoder.context(); }
const Tokenizer& Engine::tokenizer() const noexcept { return impl_->tokenizer; }

}  // namespace limbeck::serve
