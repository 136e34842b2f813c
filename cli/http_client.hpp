/// A small blocking HTTP/1.1 client over unix and tcp sockets: keep-alive, chunked both ways, streamed bodies, and
/// hijacked connections (attach). One object is one connection at a time. Thread: one.
/// Not here: what the Engine API means by any of it (engine_client.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::cli {

/// What a peer may send: a head or a whole reply just over these ends the connection with an error.
inline constexpr std::uint32_t reply_head_bytes_max = 64u << 10;
inline constexpr std::size_t reply_body_bytes_max = 256u << 20; ///< of replies that are kept whole, not of streams

struct host_address {
  enum class kind { unix_socket, tcp };
  kind how = kind::unix_socket;
  std::string path; ///< of a unix socket
  std::string host, port;
  std::string text; ///< as given: "unix:///var/run/docker.sock"
};
/// "unix:///path", "tcp://host:port" (port 2375 when absent). Errors: invalid_parameter.
result<host_address> parse_host_address(const std::string& text);
/// Errors: unavailable `Cannot connect to the Docker daemon at ...`, forbidden (no permission for the socket).
result<unique_fd> dial(const host_address& address);

/// Bytes to send as a body, in pieces; an empty piece ends it.
using body_source = std::function<result<std::string>()>;
/// Takes the next piece of a reply's body; false ends the reading and closes the connection.
using body_sink = std::function<bool(std::string_view)>;

struct http_request {
  std::string method = "GET", target = "/";
  std::string content_type;
  std::string body;
  body_source source; ///< instead of `body`: sent chunked
  std::vector<std::pair<std::string, std::string>> headers;
};

struct http_reply {
  unsigned status = 0;
  std::map<std::string, std::string> headers; ///< names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& lower_case_name) const;
};

/// A reply as bytes, fed in any pieces.
class reply_reader {
public:
  enum class request_kind { ordinary, head, hijack };
  explicit reply_reader(request_kind kind);
  ~reply_reader();
  reply_reader(reply_reader&&) noexcept;
  reply_reader& operator=(reply_reader&&) noexcept;

  struct step {
    std::size_t consumed = 0; ///< of the bytes given; feed the rest again
    std::string body;         ///< decoded
    bool done = false;        ///< of a hijack: the head is complete
  };
  /// Errors: internal `malformed HTTP response`.
  result<step> feed(std::string_view bytes);
  /// The peer closed. Errors: internal `unexpected EOF`.
  result<> end_of_stream();
  [[nodiscard]] bool head_done() const noexcept;
  /// Status and headers, once `head_done`.
  [[nodiscard]] http_reply head() const;
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] bool is_hijack() const noexcept;
  /// A hijack that the peer refused: what follows the head is an ordinary body.
  void continue_as_ordinary() noexcept;

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// A connection that stopped being HTTP.
struct hijacked {
  unique_fd socket;
  std::string early; ///< bytes that came with the head
  http_reply head;
};

class http_client {
public:
  explicit http_client(host_address address) : address_(std::move(address)) {}

  /// The whole reply. A connection that the peer closed while idle is opened again once.
  result<http_reply> request(const http_request& r);
  /// Bodies of 2xx go to `sink` as they come; of others they are in the reply.
  result<http_reply> stream(const http_request& r, const body_sink& sink);
  /// Asks for an upgrade to tcp. When the peer refuses, `socket` is closed and head.body says why.
  result<hijacked> hijack(const http_request& r);

  /// Sends a request and waits until the head of its reply is there: an engine that sends the head first and the answer
  /// when something happens (wait) has then registered the waiter.
  result<> begin(const http_request& r);
  /// Takes what has arrived of the reply begun, without waiting: the reply when it is complete.
  result<std::optional<http_reply>> advance();
  /// To poll between calls of `advance`.
  [[nodiscard]] int socket_fd() const noexcept { return socket_.get(); }

  [[nodiscard]] const host_address& address() const noexcept { return address_; }

private:
  /// A reply that is being read.
  struct begun {
    reply_reader reader;
    http_reply reply;
    bool have_head = false;
  };
  /// Takes in what `inbox_` holds. True when the reply is complete.
  result<bool> consume(begun& b, const body_sink* sink);
  result<> ensure_connected();
  result<> send(const http_request& r);
  result<> send_bytes(std::string_view bytes);
  result<bool> receive();
  result<http_reply> exchange(const http_request& r, const body_sink* sink);
  result<http_reply> read_reply(begun& b, const body_sink* sink);
  void disconnect() noexcept;

  host_address address_;
  unique_fd socket_;
  std::string inbox_;
  std::optional<begun> begun_;
  bool reused_ = false;
};

/// Percent-encodes everything but unreserved characters, for a path segment or a query value.
std::string url_encode(std::string_view text);

} // namespace gantry::cli
