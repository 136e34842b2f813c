/// See json_in.hpp.
#include "storage/json_in.hpp"

namespace gantry::storage {

namespace {
error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }
} // namespace

result<json_document> json_document::parse(std::string_view text, std::string_view name) {
  if (text.size() > json_bytes_max) return bad("`" + std::string(name) + "`: larger than 8 MiB");
  json_document self;
  self.parser_ = std::make_unique<simdjson::dom::parser>();
  auto code = self.parser_->allocate(text.size(), json_depth_max);
  if (!code) code = self.parser_->parse(text.data(), text.size()).get(self.root_);
  if (code) return bad("`" + std::string(name) + "`: not JSON: " + simdjson::error_message(code));
  return self;
}

std::string json_string(simdjson::dom::element object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get(text)) return {};
  return std::string(text);
}

std::int64_t json_number(simdjson::dom::element object, std::string_view key) {
  std::int64_t number = 0;
  if (object.at_key(key).get(number)) return 0;
  return number;
}

result<std::vector<std::string>> json_strings(simdjson::dom::element object, std::string_view key, std::size_t max) {
  std::vector<std::string> texts;
  simdjson::dom::element member;
  if (object.at_key(key).get(member) || member.is_null()) return texts;
  simdjson::dom::array items;
  if (member.get(items)) return bad("`" + std::string(key) + "` is not a list");
  for (const auto item : items) {
    std::string_view text;
    if (item.get(text)) return bad("`" + std::string(key) + "` holds something else than texts");
    if (texts.size() == max) return bad("`" + std::string(key) + "` has more than " + std::to_string(max) + " items");
    texts.emplace_back(text);
  }
  return texts;
}

} // namespace gantry::storage
