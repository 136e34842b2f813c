/// Progress objects of load, import and pull, as Docker's stream formatter writes them (behaviours 250-254).
#include <cstdio>

#include "api/json_write.hpp"
#include "api/system_json.hpp"

namespace gantry::api {

namespace {

namespace json = boost::json;

std::string line(const json::value& v) { return json_text(v) + "\r\n"; }

/// go-units HumanSize: 4 significant digits, powers of 1000.
std::string human_size(std::int64_t bytes) {
  static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double size = double(bytes);
  std::size_t unit = 0;
  while (size >= 1000 && unit + 1 < std::size(units)) {
    size /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.4g%s", size, units[unit]);
  return text;
}

std::string padded(const std::string& text, std::size_t width) {
  std::string out(text.size() < width ? width - text.size() : 0, ' ');
  return out.append(text);
}

/// "[=====>      ]  1.2MB/3MB"
std::string bar(std::int64_t current, std::int64_t total) {
  if (current <= 0 && total <= 0) return {};
  auto now = padded(human_size(current), 8);
  if (total <= 0) return now;
  auto done = std::size_t(std::min<double>(50, double(std::max<std::int64_t>(current, 0)) / double(total) * 50));
  std::string out = "[";
  out.append(done, '=').append(">").append(50 - done, ' ').append("] ").append(now);
  return current > total ? out : out + "/" + human_size(total);
}

} // namespace

std::string render_stream_message(std::string_view stream) { return line(json::object{{"stream", stream}}); }

std::string render_status_message(std::string_view status, std::string_view id, std::int64_t current,
                                  std::int64_t total) {
  json::object out{{"status", status}};
  if (!id.empty() && total >= 0) {
    json::object detail;
    if (current > 0) detail["current"] = current;
    if (total > 0) detail["total"] = total;
    out["progressDetail"] = std::move(detail);
    if (auto text = bar(current, total); !text.empty()) out["progress"] = text;
  }
  if (!id.empty()) out["id"] = id;
  return line(out);
}

std::string render_stream_error(std::string_view message) {
  return line(json::object{{"errorDetail", json::object{{"message", message}}}, {"error", message}});
}

} // namespace gantry::api
