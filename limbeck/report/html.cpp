#include "limbeck/report/html.h"

#include <fmt/core.h>

#include <array>

#include "limbeck/base/sha256.h"
#include "limbeck/report/html_parts.h"
#include "limbeck/report/html_style.h"
#include "limbeck/report/results.h"
#include "limbeck/report/svg.h"

namespace limbeck::report {
namespace {

constexpr std::size_t kMostBytes = 1'000'000;

// Base64 of a SHA-256, as the Content-Security-Policy names a style sheet.
std::string base64_sha256(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = sha256_hex(text);
  std::array<std::uint32_t, 33> bytes{};  // 32, and one of padding
  for (std::size_t i = 0; i < 32; ++i)
    bytes[i] = static_cast<std::uint32_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[group >> shift & 63];
  }
  out.back() = '=';
  return out;
}

std::string head(const std::string& title) {
  return fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" "
      "content=\"no-referrer\"><link rel=\"icon\" href=\"data:,\"><title>{}</title>"
      "<style>{}</style></head>",
      base64_sha256(style_sheet()), html_escape(title), style_sheet());
}

struct Section {
  std::string_view id, title;
  std::string html;
};

std::string links(const std::vector<Section>& sections) {
  std::string out;
  for (const Section& section : sections) {
    if (!section.html.empty() && !section.title.empty())
      out += fmt::format("<a href=\"#{}\">{}</a>", section.id, section.title);
  }
  return "<nav aria-label=\"Sections\">" + out + "</nav>";
}

}  // namespace

std::string html_page(const Json& results) {
  const std::string task = cell_at(results, {"task", "name"});
  const std::string title =
      task.empty() ? "Model comparison"
                   : "Model comparison: " + at(results, {"task", "name"}).get<std::string>();
  std::vector<Section> sections = {
      {"verdict", "", verdict_section(results)},
      {"ways", "Side by side", ways_table(results)},
      {"plots", "Trade-offs", plots_section(results)},
      {"dimensions", "Seven dimensions", dimensions_table(results)},
      {"classes", "Classes", classes_section(results)},
      {"confusions", "Confusions", confusions_section(results)},
      {"disagreements", "Disagreements", disagreements_section(results)},
      {"missing", "Not measured", not_measured_section(results)},
      {"reproduce", "Reproduce", reproduction_section(results)}};
  // What does not fit into one page is in results.json; the largest parts go first.
  std::size_t bytes = 0;
  for (const Section& section : sections) bytes += section.html.size();
  for (const std::string_view id : {"disagreements", "classes", "confusions"}) {
    for (Section& section : sections) {
      if (section.id != id || bytes + style_sheet().size() + 8192 < kMostBytes) continue;
      bytes -= section.html.size();
      section.html = fmt::format(
          "<h2 id=\"{}\">{}</h2><p class=\"note\">Too large for this page: see results.json.</p>",
          section.id, section.title);
    }
  }
  const std::string n =
      at(results, {"task", "n"}).is_number()
          ? fmt::format("{}, {} test items, 95 % intervals. ", cell_at(results, {"task", "kind"}),
                        count(at(results, {"task", "n"})))
          : "";
  std::string body = fmt::format(
      "<body><a class=\"skip\" href=\"#verdict\">To the verdict</a><main><header><h1>{}</h1><p "
      "class=\"sub\">{}Size, speed, accuracy, general ability and training, measured side by side "
      "on one machine.</p>{}</header>",
      html_escape(title), n, links(sections));
  for (const Section& section : sections) body += section.html;
  return head(title) + body + "</main></body></html>\n";
}

}  // namespace limbeck::report
