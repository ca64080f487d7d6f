#include "limbeck/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"

namespace limbeck {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRedraw{100};  // on a terminal
constexpr std::chrono::seconds kNewLine{5};        // elsewhere
constexpr std::size_t kBarColumns = 12;

std::atomic<Verbosity> g_verbosity{Verbosity::normal};
std::mutex g_mutex;        // over standard error
bool g_line_open = false;  // a progress line stands on the terminal

void write_error(const std::string& text) {
  // Best effort: there is nowhere to report that standard error is gone.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void write_line(std::string_view line) {
  const std::lock_guard lock(g_mutex);
  write_error((std::exchange(g_line_open, false) ? "\r\x1b[K" : "") + safe_tty(line, true) + '\n');
}

std::string bar(double fraction) {
  std::string out = "\u2595";
  const auto filled = static_cast<std::size_t>(fraction * static_cast<double>(kBarColumns));
  for (std::size_t i = 0; i < kBarColumns; ++i) out += i < filled ? "\u2588" : " ";
  return out + "\u258f";
}

std::string amount(std::uint64_t n, const std::string& unit) {
  return unit == "B" ? human_bytes(static_cast<double>(n)) : fmt::format("{}", n);
}

std::string rate_text(double rate, const std::string& unit) {
  if (unit == "B") return human_bytes(rate) + "/s";
  return fmt::format("{:.{}f} {}/s", rate, rate < 10 ? 2 : rate < 100 ? 1 : 0, unit);
}

}  // namespace

void set_verbosity(Verbosity verbosity) noexcept { g_verbosity = verbosity; }
Verbosity verbosity() noexcept { return g_verbosity; }

void say(std::string_view line) {
  if (verbosity() != Verbosity::quiet) write_line(line);
}

void say_verbose(std::string_view line) {
  if (verbosity() == Verbosity::verbose) write_line(line);
}

struct Progress::State {
  std::string label;
  std::uint64_t total;
  std::string unit;
  bool terminal = is_terminal(STDERR_FILENO);
  Clock::time_point start = Clock::now(), drawn = start;
  std::mutex mutex;
  std::uint64_t done = 0,
                first = 0;  // `first`: done at the first update, which a resumed run skips
  bool seen = false, finished = false;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start).count(); }

  std::string line(bool last, std::string_view note) const {
    std::string out = label;
    if (total > 0) {
      const double fraction = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
      out += fmt::format(" {}/{}", amount(done, unit), amount(total, unit));
      if (terminal && !last) out += ' ' + bar(fraction);
      out += fmt::format(" {:.0f} %", 100 * fraction);
    } else {
      out += ' ' + amount(done, unit);
      if (unit != "B") out += ' ' + unit;
    }
    if (!note.empty()) out += "  " + std::string(note);
    const double rate = static_cast<double>(done - first) / std::max(seconds(), 1e-9);
    if (done > first && seconds() > 0.05) out += "  " + rate_text(rate, unit);
    if (last) {
      out += "  in " + human_seconds(seconds());
    } else if (total > done && done > first) {
      out += "  eta " + human_seconds(static_cast<double>(total - done) / rate);
    }
    return out;
  }

  void draw(std::string_view note) {
    const std::lock_guard lock(g_mutex);
    const std::string text = safe_tty(line(false, note));
    g_line_open = terminal;
    write_error(terminal ? "\r" + cut(text) + "\x1b[K" : text + '\n');
  }

  // A line longer than the terminal would wrap and could not be redrawn.
  static std::string cut(std::string text) {
    const int columns = terminal_columns(STDERR_FILENO) - 1;
    while (display_width(text) > columns && !text.empty()) {
      do text.pop_back();
      while (!text.empty() && (text.back() & '\xc0') == '\x80');
    }
    return text;
  }
};

Progress::Progress(std::string label, std::uint64_t total, std::string unit)
    : state_(std::make_unique<State>()) {
  state_->label = std::move(label);
  state_->total = total;
  state_->unit = std::move(unit);
}

Progress::~Progress() {
  if (state_->seen) finish();
}

void Progress::update(std::uint64_t done, std::string_view note) {
  if (verbosity() == Verbosity::quiet) return;
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  if (!std::exchange(s.seen, true) && done > 1) s.first = done;
  s.done = std::max(s.done, done);  // totals never shrink
  const auto now = Clock::now();
  if (s.finished || now - s.drawn < (s.terminal ? Clock::duration(kRedraw) : kNewLine)) return;
  s.drawn = now;
  s.draw(note);
}

void Progress::finish(std::string_view note) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  if (!std::exchange(s.finished, true) && verbosity() != Verbosity::quiet) {
    write_line(s.line(true, note));
  }
}

}  // namespace limbeck
