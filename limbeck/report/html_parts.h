// The sections of the HTML report; each is empty where there is nothing to show. All foreign text
// is escaped here.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::report {

// A value as text: "" where it is absent; at most 400 characters, escaped.
std::string cell_at(const Json& json, std::initializer_list<std::string_view> path);

// <div class="scroll"> that the keyboard can reach, around <table> with its caption and a head row.
// `columns` are escaped; the first is the row's name.
std::string table_begin(std::string_view label, std::string_view caption,
                        std::initializer_list<std::string_view> columns,
                        const std::string& more_columns = {});
std::string table_end();
std::string model_columns(const Json& results);  // <th scope="col">name</th>...

std::string verdict_section(const Json& results);
std::string ways_table(const Json& results);        // one model a row: the decision at a glance
std::string dimensions_table(const Json& results);  // the seven dimensions, one model a column
std::string plots_section(const Json& results);
std::string classes_section(const Json& results);
std::string confusions_section(const Json& results);
std::string disagreements_section(const Json& results);
std::string not_measured_section(const Json& results);
std::string reproduction_section(const Json& results);

}  // namespace limbeck::report
