/// The writing half of the codec: heads, chunks and hijack answers as text.
#include <boost/beast/http/status.hpp>

#include <array>
#include <ctime>

#include "api/http_codec.hpp"

namespace gantry::api {

namespace {

constexpr std::string_view crlf = "\r\n";

/// Header values may quote what a client sent; a line break in one would start a header of the client's choice.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  auto append_clean = [&out](std::string_view text) {
    for (char c : text) out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
  };
  append_clean(name);
  out.append(": ");
  append_clean(value);
  out.append(crlf);
}

/// "Mon, 23 Nov 2026 20:24:41 GMT", made once a second and thread.
std::string_view http_date() {
  struct cache {
    std::time_t second = -1;
    std::array<char, 32> text{};
    std::size_t length = 0;
  };
  thread_local cache c;
  std::time_t now = std::time(nullptr);
  if (now != c.second) {
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    // By hand: strftime's names follow the locale.
    int n = std::snprintf(c.text.data(), c.text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday],
                          utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    c.length = n > 0 ? std::min(std::size_t(n), c.text.size() - 1) : 0;
    c.second = now;
  }
  return {c.text.data(), c.length};
}

void append_status_line(std::string& out, unsigned status, std::string_view reason) {
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason).append(crlf);
}

/// Status line and all headers but those that say where the body ends.
std::string head_of(const reply& r, const server_identity& who, bool keep_alive) {
  std::string out;
  out.reserve(320 + r.body.size());
  append_status_line(out, r.status, reason_phrase(r.status));
  if (r.common_headers) {
    append_header(out, "Api-Version",
                  std::to_string(api_version_max.major) + "." + std::to_string(api_version_max.minor));
    append_header(out, "Docker-Experimental", who.experimental ? "true" : "false");
    append_header(out, "Ostype", "linux");
    append_header(out, "Server", who.server);
  }
  if (!r.content_type.empty()) append_header(out, "Content-Type", r.content_type);
  for (const auto& [name, value] : r.headers) append_header(out, name, value);
  append_header(out, "Date", http_date());
  if (!keep_alive) append_header(out, "Connection", "close");
  return out;
}

bool never_has_body(unsigned status) noexcept { return status < 200 || status == 204 || status == 304; }

} // namespace

std::string_view reason_phrase(unsigned status) noexcept {
  if (status == 431) return "Request Header Fields Too Large";
  auto known = boost::beast::http::int_to_status(status);
  if (known == boost::beast::http::status::unknown) return "Unknown";
  auto text = boost::beast::http::obsolete_reason(known);
  return {text.data(), text.size()};
}

std::string serialize(const reply& r, const server_identity& who, bool keep_alive, bool head_only) {
  if (never_has_body(r.status)) {
    reply bare = r;
    bare.content_type.clear();
    std::string out = head_of(bare, who, keep_alive);
    out.append(crlf);
    return out;
  }
  std::string out = head_of(r, who, keep_alive);
  append_header(out, "Content-Length", std::to_string(r.body.size()));
  out.append(crlf);
  if (!head_only) out.append(r.body);
  return out;
}

std::string serialize_stream_head(const reply& r, const server_identity& who, bool keep_alive, bool chunked) {
  std::string out = head_of(r, who, keep_alive && chunked);
  if (chunked) append_header(out, "Transfer-Encoding", "chunked");
  out.append(crlf);
  return out;
}

std::string chunk(std::string_view bytes) {
  std::string out;
  if (bytes.empty()) return out; // an empty chunk would end the body
  char size[20];
  int n = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  out.reserve(std::size_t(n) + bytes.size() + 2);
  out.append(size, std::size_t(n)).append(bytes).append(crlf);
  return out;
}

std::string serialize_hijack_head(bool upgraded, std::string_view content_type) {
  std::string out;
  if (upgraded) {
    out = "HTTP/1.1 101 UPGRADED\r\n";
    append_header(out, "Content-Type", content_type);
    out.append("Connection: Upgrade\r\nUpgrade: tcp\r\n");
  } else {
    out = "HTTP/1.1 200 OK\r\n";
    append_header(out, "Content-Type", raw_stream_type);
  }
  out.append(crlf);
  return out;
}

std::string_view hijack_content_type(bool upgraded, bool tty, api_version version) noexcept {
  return upgraded && !tty && version >= api_version{1, 42} ? multiplexed_stream_type : raw_stream_type;
}

std::string serialize_hijack_error(unsigned status, std::string_view content_type, std::string_view message) {
  std::string out;
  append_status_line(out, status, reason_phrase(status));
  append_header(out, "Content-Type", content_type);
  out.append(crlf).append(message).append(crlf);
  return out;
}

} // namespace gantry::api
