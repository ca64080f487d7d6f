#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/report/html.h"
#include "limbeck/report/results.h"
#include "limbeck/report/svg.h"
#include "limbeck/report/tables.h"
#include "limbeck/report/verdict.h"

namespace limbeck::report {
namespace {

Json interval_of(double value, double low, double high) {
  return {{"value", value}, {"low", low}, {"high", high}};
}

Json model(const std::string& name, double bytes, double accuracy,
           const Json& difference = nullptr) {
  return {{"name", name},
          {"path", name + ".gguf"},
          {"bytes", bytes},
          {"parameters", bytes / 2},
          {"bits_per_weight", 16},
          {"items_per_s", 1e6 / bytes},
          {"tasks",
           Json::array({{{"task", "routing"},
                         {"kind", "classification"},
                         {"n", 500},
                         {"primary", "accuracy"},
                         {"metrics",
                          {{"accuracy", interval_of(accuracy, accuracy - 0.02, accuracy + 0.02)}}},
                         {"difference", difference}}})},
          {"texts", Json::array()},
          {"not_measured", Json::object()}};
}

Json results_of(Json models) {
  Json results = {{"schema", kSchema},
                  {"task", {{"name", "routing"}, {"n", 500}}},
                  {"models", std::move(models)},
                  {"machine", {{"cpu", "test"}, {"threads", 2}, {"cores", 2}}},
                  {"command", "limbeck compare"}};
  results["verdict"] = verdict(results);
  return results;
}

Json difference_of(double value, double low, double high) {
  return {{"value", value}, {"low", low}, {"high", high}, {"p", 0.5}, {"test", "mcnemar"}};
}

std::string sentence(const Json& results) {
  return results.at("verdict").at("sentence").get<std::string>();
}

TEST(Verdict, TakesTheSmallestModelThatKeepsQuality) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("half", 5e5, 0.95, difference_of(0, -0.01, 0.01)),
       model("tiny", 1e4, 0.945, difference_of(-0.005, -0.015, 0.005))});
  EXPECT_NE(sentence(results).find("use tiny: 100.0x smaller"), std::string::npos)
      << sentence(results);
  EXPECT_EQ(results.at("verdict").at("confidence"), "measured");
}

TEST(Verdict, CallsNoiseNoise) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.93, difference_of(-0.02, -0.05, 0.01))});
  EXPECT_EQ(results.at("verdict").at("confidence"), "within the noise");
  EXPECT_NE(sentence(results).find("cannot tell"), std::string::npos);
}

TEST(Verdict, StaysWithTheOriginalWhenAllAreWorse) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.5, difference_of(-0.45, -0.5, -0.4))});
  EXPECT_NE(sentence(results).find("stay with teacher"), std::string::npos);
}

TEST(Verdict, KeepingIsOnlySaidWhenTheWholeIntervalSupportsIt) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.95, difference_of(0, -0.0201, 0.0201))});
  EXPECT_EQ(results.at("verdict").at("confidence"), "within the noise");
}

TEST(Tables, ShowFactorsAndIntervals) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.93, difference_of(-0.02, -0.05, 0.01))});
  const std::string text = terminal_text(results, 120);
  EXPECT_NE(text.find("(1/100.0)"), std::string::npos) << text;
  EXPECT_NE(text.find("93.0 (91.0-95.0)"), std::string::npos) << text;
  EXPECT_NE(text.find("-2.0 (-5.0..+1.0)"), std::string::npos) << text;
}

TEST(Tables, FitNarrowTerminals) {
  const Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.93, difference_of(-0.02, -0.05, 0.01))});
  const std::string text = terminal_text(results, 60);
  EXPECT_NE(text.find("tiny"), std::string::npos);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n');
       end != std::string::npos && !text.substr(begin, 8).starts_with("Hardware");
       end = text.find('\n', begin)) {
    EXPECT_LE(end - begin, 60u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Html, EscapesForeignText) {
  const std::string evil = "<script>alert(1)</script>\x1b]52;c;x";
  Json results = results_of(
      {model(evil, 1e6, 0.95), model("tiny", 1e4, 0.93, difference_of(-0.02, -0.05, 0.01))});
  results["disagreements"] =
      Json::array({{{"input", evil},
                    {"gold", evil},
                    {"answers", Json::array({{{"model", evil}, {"answer", evil}, {"right", true}},
                                             {{"answer", "x"}, {"right", false}}})}}});
  const std::string page = html_page(results);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_LT(page.size(), 1'000'000u);
  EXPECT_EQ(markdown(results).find("<script"), std::string::npos);
  EXPECT_EQ(terminal_text(results, 100).find('\x1b'), std::string::npos);
}

TEST(Html, TheStyleSheetIsAllowedByItsHashAlone) {
  const std::string page = html_page(results_of({model("teacher", 1e6, 0.95)}));
  EXPECT_NE(page.find("default-src 'none'; style-src 'sha256-"), std::string::npos);
  EXPECT_EQ(page.find("unsafe-inline"), std::string::npos);
  EXPECT_EQ(page.find(" style=\""), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(Html, StaysUnderAMegabyte) {
  Json models = Json::array();
  for (int i = 0; i < 40; ++i)
    models.push_back(model(std::string(300, 'm') + std::to_string(i), 1e6 - i, 0.95,
                           difference_of(0, -0.01, 0.01)));
  Json results = results_of(std::move(models));
  const std::string evil(5000, '<');
  Json answers = Json::array(), recall = Json::array();
  for (int i = 0; i < 40; ++i) {
    answers.push_back({{"model", "m"}, {"answer", evil}, {"right", false}});
    recall.push_back(0.5);
  }
  results["disagreements"] = results["classes"] = results["confusions"] = Json::array();
  for (int i = 0; i < 20; ++i)
    results["disagreements"].push_back({{"input", evil}, {"gold", evil}, {"answers", answers}});
  for (int i = 0; i < 2000; ++i) {
    results["classes"].push_back({{"class", evil}, {"n", 3}, {"recall", recall}});
    results["confusions"].push_back(
        {{"model", evil}, {"gold", evil}, {"predicted", evil}, {"n", 1}});
  }
  const std::string page = html_page(results);
  EXPECT_LT(page.size(), 1'000'000u);
  EXPECT_NE(page.find("see results.json"), std::string::npos);
}

TEST(Html, HasWhatScreenReadersAndKeyboardsNeed) {
  Json results = results_of(
      {model("teacher", 1e6, 0.95), model("tiny", 1e4, 0.93, difference_of(-0.02, -0.05, 0.01))});
  const std::string page = html_page(results);
  const auto count_of = [&](std::string_view text) {
    int n = 0;
    for (std::size_t at = page.find(text); at != page.npos; at = page.find(text, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count_of("<table>"), count_of("<caption>"));
  EXPECT_EQ(count_of("<th>"), 0);
  EXPECT_GT(count_of("<svg viewBox=\"0 0 640"), 0);
  EXPECT_EQ(count_of("<svg viewBox=\"0 0 640"), count_of("<desc id="));
  EXPECT_EQ(count_of("<div class=\"scroll\""), count_of("tabindex=\"0\" role=\"region\""));
  EXPECT_NE(page.find("<html lang=\"en\">"), std::string::npos);
}

TEST(Verdict, WhatWasNotMeasuredIsNoVerdict) {
  Json missing = model("tiny", 1e4, 0.9);
  missing["tasks"] = Json::array({{{"task", "routing"}}});
  const Json results = results_of({model("teacher", 1e6, 0.95), missing});
  EXPECT_EQ(results.at("verdict").at("confidence"), "not measured");
  Json endpoint = model("big", 0, 0.95);
  endpoint.erase("bytes");
  const Json against = results_of({endpoint, model("tiny", 1e4, 0.95, difference_of(0, 0, 0.01))});
  EXPECT_EQ(against.at("verdict").at("confidence"), "not measured");
  EXPECT_NE(html_page(against).find("not known"), std::string::npos);
}

TEST(Tables, MarkNoise) {
  EXPECT_EQ(marked_difference(difference_of(-0.02, -0.05, 0.01)), "-2.0 (-5.0..+1.0) noise");
  EXPECT_EQ(marked_difference(difference_of(-0.02, -0.05, -0.01)), "-2.0 (-5.0..-1.0)");
  EXPECT_EQ(marked_difference(nullptr), "-");
}

TEST(Svg, FrontierIsWhatNothingBeats) {
  std::vector<PlotPoint> points = {
      {"big", 100, 95, 94, 96}, {"small", 10, 94, 93, 95}, {"beaten", 50, 90, 89, 91}};
  mark_frontier(points, true);
  EXPECT_TRUE(points[0].frontier);
  EXPECT_TRUE(points[1].frontier);
  EXPECT_FALSE(points[2].frontier);
}

TEST(Svg, OnePointAndNoPointAreFine) {
  EXPECT_EQ(plot_svg({}), "");
  Plot one;
  one.points = {{"only", 10, 1, 1, 1}};
  EXPECT_NE(plot_svg(one).find("<circle"), std::string::npos);
}

TEST(Results, OtherSchemasAreRefused) {
  EXPECT_THROW(check_results(Json::object(), "r.json"), Error);
  EXPECT_THROW(check_results({{"schema", kSchema}, {"models", Json::array()}}, "r.json"), Error);
  EXPECT_NO_THROW(check_results(results_of({model("teacher", 1e6, 0.95)}), "r.json"));
}

}  // namespace
}  // namespace limbeck::report
