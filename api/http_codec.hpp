/// HTTP/1.1 as bytes in, bytes out, on Beast's parser and serializer over our own buffers: no socket here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/calls.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// Limits on what a client may send. A request just over one gets the status in brackets, and the connection closes.
inline constexpr std::size_t request_head_bytes_max = 64u << 10; ///< request line and headers [431]
inline constexpr std::size_t json_body_bytes_max = 8u << 20;     ///< bodies that are read whole [413]
inline constexpr std::size_t json_depth_max = 64;                ///< [400]

struct request_head {
  std::string method;                                     ///< "GET"
  std::string target;                                     ///< as sent
  std::string path;                                       ///< percent-decoded, without version prefix or query
  std::vector<std::pair<std::string, std::string>> query; ///< decoded, in order; keys may repeat
  std::optional<std::string> version_text;                ///< "1.43" of a /v1.43 prefix
  std::map<std::string, std::string> headers;             ///< names in lower case
  bool keep_alive = true;
  bool expect_continue = false;
  bool has_body = false; ///< a length other than 0, or chunked
  bool chunked = false;
  std::optional<std::uint64_t> content_length; ///< absent when there is none, or chunked
  unsigned http_minor = 1;                     ///< 0: the client cannot read chunked replies

  [[nodiscard]] std::string_view header(const std::string& lower_case_name) const;
  /// First value of a query key; "" when absent.
  [[nodiscard]] std::string_view query_value(std::string_view key) const;
  [[nodiscard]] bool has_query(std::string_view key) const;
};

/// One connection's requests, fed in any pieces. After `head` and until `done`, body bytes come through `body`.
class request_parser {
public:
  request_parser();
  ~request_parser();
  request_parser(request_parser&&) noexcept;
  request_parser& operator=(request_parser&&) noexcept;

  struct step {
    std::size_t consumed = 0;         ///< of the bytes given; feed the rest again
    std::optional<request_head> head; ///< set once, when the head is complete
    std::string body;                 ///< decoded body bytes that came with these
    bool done = false;                ///< the request is complete; the next feed starts the next one
  };
  /// Errors: invalid_parameter; `http_status` then says which (400, 413, 431). The connection must close.
  result<step> feed(std::string_view bytes);
  [[nodiscard]] unsigned error_status() const noexcept;
  /// True between requests: an end of stream here is a clean close.
  [[nodiscard]] bool idle() const noexcept;

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// A whole reply, or the head of one whose body is streamed.
struct reply {
  unsigned status = 200;
  std::string content_type = "application/json"; ///< "" for none
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers; ///< besides the common ones
  bool common_headers = true; ///< false for page-not-found, which is answered before routing
};

/// The headers that every routed reply carries (behaviours 6).
struct server_identity {
  std::string server = "Docker/28.5.2 (linux)";
  bool experimental = false;
};

/// Status line, common headers, content length, body. `head_only` for HEAD.
std::string serialize(const reply& r, const server_identity& who, bool keep_alive, bool head_only);
/// The head of a chunked reply; follow it with `chunk`s and `last_chunk`.
/// `chunked` false is for HTTP/1.0 clients: the body then ends with the connection, and goes out as it is.
std::string serialize_stream_head(const reply& r, const server_identity& who, bool keep_alive, bool chunked = true);
std::string chunk(std::string_view bytes);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
inline constexpr std::string_view continue_100 = "HTTP/1.1 100 Continue\r\n\r\n";

/// The head of a hijacked connection: 101 UPGRADED when the request had an Upgrade header, else 200 (behaviours 22-24).
std::string serialize_hijack_head(bool upgraded, std::string_view content_type);

inline constexpr std::string_view raw_stream_type = "application/vnd.docker.raw-stream";
inline constexpr std::string_view multiplexed_stream_type = "application/vnd.docker.multiplexed-stream";
/// The type announced for attach (behaviours 23): multiplexed only when upgraded, not a TTY, and from 1.42 on.
std::string_view hijack_content_type(bool upgraded, bool tty, api_version version) noexcept;
/// attach refused (behaviours 27): head in the stream's type, the bare message, CRLF; then the connection closes.
std::string serialize_hijack_error(unsigned status, std::string_view content_type, std::string_view message);

/// "Not Found" for 404; never empty.
std::string_view reason_phrase(unsigned status) noexcept;

} // namespace gantry::api
