/// The Engine API as the commands use it: which engine, which version of the API, JSON in and out, errors in words.
#pragma once

#include <boost/json.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "cli/http_client.hpp"

namespace gantry::cli {

/// A target with its query, everything encoded: `target("/containers/", id, "/kill").with("signal", s)`.
class target {
public:
  /// Even pieces are taken as they stand, odd ones are encoded.
  target(std::initializer_list<std::string_view> pieces);
  target(const char* path) : text_(path) {}
  target& with(std::string_view key, std::string_view value);
  target& with_if(bool condition, std::string_view key, std::string_view value);
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
  std::string text_;
  bool has_query_ = false;
};

class engine_client {
public:
  explicit engine_client(host_address address) : http_(address), address_(std::move(address)) {}

  /// Errors of all calls: unavailable (no engine there) · the class of the reply's status, with the message
  /// `Error response from daemon: X`. 304 is no error: the reply is null.
  result<boost::json::value> get(const target& where);
  result<boost::json::value> remove(const target& where);
  result<boost::json::value> post(const target& where);
  result<boost::json::value> post(const target& where, const boost::json::value& body);
  /// The reply as it came, for those who print it.
  result<std::string> get_text(const target& where);
  /// Streams the reply's body to `sink`.
  result<> stream(std::string method, const target& where, const body_sink& sink);
  /// Sends a body in pieces, and gives the reply's body in pieces.
  result<> upload(const target& where, const std::string& content_type, const body_source& source,
                  const body_sink& sink);
  result<hijacked> hijack(const target& where);

  /// The version both sides know: asked once, unless DOCKER_API_VERSION says it.
  result<std::string> api_version();
  /// What the engine itself offers at most.
  [[nodiscard]] const std::string& engine_version() const noexcept { return engine_version_; }
  /// A second connection to the same engine.
  [[nodiscard]] engine_client another() const;
  [[nodiscard]] const host_address& address() const noexcept { return address_; }

private:
  result<http_request> prepare(std::string method, const target& where);
  result<boost::json::value> call(std::string method, const target& where, const boost::json::value* body);

  http_client http_;
  host_address address_;
  std::string version_, engine_version_;
};

/// The error a reply means; `Error response from daemon: ` is put before its message.
error daemon_error(const http_reply& reply);
/// Go through -H, GANTRY_HOST, DOCKER_HOST, then the default socket.
std::string choose_host(const std::string& flag);

/// Members of a JSON value by path; the neutral value when one is absent or of another kind.
namespace member {
const boost::json::value* at(const boost::json::value& v, std::initializer_list<std::string_view> path);
std::string text(const boost::json::value& v, std::initializer_list<std::string_view> path);
std::int64_t number(const boost::json::value& v, std::initializer_list<std::string_view> path);
bool is_true(const boost::json::value& v, std::initializer_list<std::string_view> path);
/// Null pointer when it is no array.
const boost::json::array* list(const boost::json::value& v, std::initializer_list<std::string_view> path);
const boost::json::object* object(const boost::json::value& v, std::initializer_list<std::string_view> path);
} // namespace member

} // namespace gantry::cli
