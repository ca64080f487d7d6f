#include "limbeck/distill/train_job.h"

#include "limbeck/base/byte_reader.h"
#include "limbeck/base/fields.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/model/hf_config.h"

namespace limbeck::distill {
namespace {

constexpr std::string_view kOrigin = "rank 0's job";
constexpr std::uint64_t kHeadBytes = std::uint64_t{1} << 30;

class Packer {
 public:
  template <typename T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view text) {
    number(std::uint64_t{text.size()});
    bytes_ += text;
  }
  template <typename T>
  void list(const std::vector<T>& values) {
    text({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  void rows(std::span<const TrainRow> rows) {
    number(std::uint64_t{rows.size()});
    for (const TrainRow& row : rows) {
      list(row.tokens);
      list(row.teacher_prompt);
      number(row.first_target);
      number(std::uint64_t{row.soft.size()});
      for (const SoftTarget& soft : row.soft) {
        number(static_cast<std::uint8_t>(soft.kind));
        list(soft.ids);
        list(soft.values);
      }
    }
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

template <typename T>
std::vector<T> read_list(ByteReader& reader) {
  const auto bytes = reader.string(reader.left(), "list");
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

// Of things that take at least a byte each.
std::uint64_t read_count(ByteReader& reader) {
  const auto count = reader.number<std::uint64_t>("count");
  if (count > reader.left()) fail(ErrorKind::format, "{}: a count of {}", kOrigin, count);
  return count;
}

std::vector<TrainRow> read_rows(ByteReader& reader) {
  std::vector<TrainRow> rows(read_count(reader));
  for (TrainRow& row : rows) {
    row.tokens = read_list<TokenId>(reader);
    row.teacher_prompt = read_list<TokenId>(reader);
    row.first_target = reader.number<std::int64_t>("first target");
    row.soft.resize(read_count(reader));
    for (SoftTarget& soft : row.soft) {
      soft.kind = static_cast<SoftTarget::Kind>(reader.number<std::uint8_t>("kind"));
      soft.ids = read_list<TokenId>(reader);
      soft.values = read_list<float>(reader);
    }
  }
  return rows;
}

std::string absolute_path(const std::filesystem::path& path) {
  return path.empty() ? std::string() : std::filesystem::absolute(path).string();
}

}  // namespace

std::string pack(TrainJob::Kind kind, const Start& start, const std::filesystem::path& teacher,
                 const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                 std::span<const TrainRow> teacher_rows, const TrainOptions& options) {
  Json head = {{"kind", static_cast<int>(kind)},
               {"model", absolute_path(start.model)},
               {"teacher", absolute_path(teacher)},
               {"seed", options.seed},
               {"options", to_json(options)}};
  head["options"].erase("seed");
  if (start.model.empty()) {
    Architecture shape = start.shape;
    shape.vocab_size = std::max<std::int64_t>(shape.vocab_size, tokenizer.vocab_size());
    head["shape"] = hf_config(shape);
  }
  Packer packer;
  packer.text(to_text(head));
  packer.text(tokenizer.to_tokenizer_json());
  packer.text(tokenizer.to_tokenizer_config_json());
  packer.rows(rows);
  packer.rows(teacher_rows);
  return packer.take();
}

TrainJob unpack(std::string_view bytes) {
  ByteReader reader(std::as_bytes(std::span(bytes)), kOrigin);
  const Json head = parse_json(reader.string(kHeadBytes, "head"), std::string(kOrigin));
  TrainJob job;
  job.kind = static_cast<TrainJob::Kind>(head.at("kind").get<int>());
  job.start.model = head.at("model").get<std::string>();
  job.teacher = head.at("teacher").get<std::string>();
  if (head.contains("shape")) {
    job.start.shape = from_hf_config(head.at("shape"), kOrigin);
  }
  Fields fields(head.at("options"), std::string(kOrigin));
  job.options = read_train_options(fields);
  fields.refuse_unknown();
  job.options.seed = head.at("seed");
  const auto tokenizer = reader.string(reader.left(), "tokenizer");
  const auto tokenizer_config = reader.string(reader.left(), "tokenizer configuration");
  job.tokenizer = Tokenizer::from_json(tokenizer, tokenizer_config, std::string(kOrigin));
  job.rows = read_rows(reader);
  job.teacher_rows = read_rows(reader);
  return job;
}

}  // namespace limbeck::distill
