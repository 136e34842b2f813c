#include "api/json_write.hpp"

#include "io/base/utf8.hpp"

namespace gantry::api {

std::string valid_utf8(std::string text) {
  std::string_view rest = text;
  std::string out;
  bool broken = false;
  std::size_t good = 0; // bytes of `text` known to be well formed, while nothing is broken
  while (!rest.empty()) {
    auto step = static_cast<unsigned char>(rest[0]) < 0x80 ? utf8_step{0, 1, true} : decode_utf8(rest);
    if (!step.valid && !broken) {
      broken = true;
      out.assign(text, 0, good);
    }
    if (broken) out.append(step.valid ? rest.substr(0, step.bytes) : std::string_view("\xEF\xBF\xBD"));
    rest.remove_prefix(step.bytes);
    good += step.bytes;
  }
  return broken ? out : text;
}

std::string json_text(const boost::json::value& v) { return valid_utf8(boost::json::serialize(v)); }

std::string json_line(const boost::json::value& v) {
  std::string out = json_text(v);
  out.push_back('\n');
  return out;
}

} // namespace gantry::api
