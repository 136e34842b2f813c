/// Calls of the Engine API.
#include "cli/engine_client.hpp"

#include <cstdlib>

#include "api/calls.hpp"
#include "cli/flags.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

/// The newest version that this client knows.
constexpr const char* newest_version = "1.51";
static_assert(api::api_version_max == api::api_version{1, 51});

/// Whether "1.43" is older than "1.51".
bool older(const std::string& a, const std::string& b) {
  const auto minor = [](const std::string& v) {
    const auto point = v.find('.');
    return point == std::string::npos ? 0 : parse_integer(v.substr(point + 1)).value_or(0);
  };
  const auto major = [](const std::string& v) { return parse_integer(v.substr(0, v.find('.'))).value_or(0); };
  return std::pair(major(a), minor(a)) < std::pair(major(b), minor(b));
}

errc class_of(unsigned status) {
  switch (status) {
  case 304:
    return errc::not_modified;
  case 400:
    return errc::invalid_parameter;
  case 401:
    return errc::unauthorized;
  case 403:
    return errc::forbidden;
  case 404:
    return errc::not_found;
  case 409:
    return errc::conflict;
  case 501:
    return errc::not_implemented;
  case 429:
  case 503:
    return errc::unavailable;
  default:
    return errc::internal;
  }
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

result<json::value> parse_body(const std::string& body) {
  if (trimmed(body).empty()) return json::value();
  json::parse_options options;
  options.max_depth = 128;
  boost::system::error_code code;
  json::value value = json::parse(body, code, {}, options);
  if (code) return error{errc::internal, 0, "the engine's reply is no JSON: " + code.message()};
  return value;
}

} // namespace

target::target(std::initializer_list<std::string_view> pieces) {
  bool encode = false;
  for (const auto piece : pieces) {
    text_ += encode ? url_encode(piece) : std::string(piece);
    encode = !encode;
  }
}

target& target::with(std::string_view key, std::string_view value) {
  text_ += has_query_ ? '&' : '?';
  has_query_ = true;
  text_ += url_encode(key) + "=" + url_encode(value);
  return *this;
}

target& target::with_if(bool condition, std::string_view key, std::string_view value) {
  return condition ? with(key, value) : *this;
}

error daemon_error(const http_reply& reply) {
  std::string message = trimmed(reply.body);
  boost::system::error_code code;
  const json::value body = json::parse(reply.body, code);
  if (!code && body.is_object())
    if (const auto text = member::text(body, {"message"}); !text.empty()) message = trimmed(text);
  if (message.empty()) message = "status " + std::to_string(reply.status) + " without a message";
  return error{class_of(reply.status), 0, "Error response from daemon: " + message};
}

result<std::string> engine_client::api_version() {
  if (!version_.empty()) return version_;
  if (const char* pinned = std::getenv("DOCKER_API_VERSION"); pinned != nullptr && *pinned != '\0') {
    version_ = engine_version_ = pinned;
    return version_;
  }
  http_request ping;
  ping.method = "HEAD";
  ping.target = "/_ping";
  GANTRY_TRY(reply, http_.request(ping));
  engine_version_ = reply.header("api-version");
  if (engine_version_.empty()) engine_version_ = "1.24"; // an engine that does not say is that old (behaviours 9)
  version_ = older(engine_version_, newest_version) ? engine_version_ : newest_version;
  return version_;
}

engine_client engine_client::another() const {
  engine_client other(address_);
  other.version_ = version_;
  other.engine_version_ = engine_version_;
  return other;
}

result<http_request> engine_client::prepare(std::string method, const target& where) {
  GANTRY_TRY(version, api_version());
  http_request r;
  r.method = std::move(method);
  r.target = "/v" + version + where.text();
  return r;
}

result<json::value> engine_client::call(std::string method, const target& where, const json::value* body) {
  GANTRY_TRY(r, prepare(std::move(method), where));
  if (body != nullptr) {
    r.content_type = "application/json";
    r.body = json::serialize(*body);
  }
  GANTRY_TRY(reply, http_.request(r));
  if (reply.status == 304) return json::value();
  if (reply.status / 100 != 2) return daemon_error(reply);
  return parse_body(reply.body);
}

result<json::value> engine_client::get(const target& where) { return call("GET", where, nullptr); }
result<json::value> engine_client::remove(const target& where) { return call("DELETE", where, nullptr); }
result<json::value> engine_client::post(const target& where) { return call("POST", where, nullptr); }
result<json::value> engine_client::post(const target& where, const json::value& body) {
  return call("POST", where, &body);
}

result<std::string> engine_client::get_text(const target& where) {
  GANTRY_TRY(r, prepare("GET", where));
  GANTRY_TRY(reply, http_.request(r));
  if (reply.status / 100 != 2) return daemon_error(reply);
  return std::move(reply.body);
}

result<> engine_client::stream(std::string method, const target& where, const body_sink& sink) {
  GANTRY_TRY(r, prepare(std::move(method), where));
  GANTRY_TRY(reply, http_.stream(r, sink));
  if (reply.status / 100 != 2) return daemon_error(reply);
  return {};
}

result<> engine_client::upload(const target& where, const std::string& content_type, const body_source& source,
                               const body_sink& sink) {
  GANTRY_TRY(r, prepare("POST", where));
  r.content_type = content_type;
  r.source = source;
  GANTRY_TRY(reply, http_.stream(r, sink));
  if (reply.status / 100 != 2) return daemon_error(reply);
  return {};
}

result<hijacked> engine_client::hijack(const target& where) {
  GANTRY_TRY(r, prepare("POST", where));
  GANTRY_TRY(h, http_.hijack(r));
  if (!h.socket) return daemon_error(h.head);
  return h;
}

std::string choose_host(const std::string& flag) {
  if (!flag.empty()) return flag;
  for (const char* name : {"GANTRY_HOST", "DOCKER_HOST"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return "unix:///var/run/docker.sock";
}

namespace member {

const json::value* at(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* here = &v;
  for (const auto name : path) {
    if (!here->is_object()) return nullptr;
    here = here->as_object().if_contains(name);
    if (here == nullptr) return nullptr;
  }
  return here;
}

std::string text(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::int64_t number(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  if (found == nullptr) return 0;
  if (found->is_int64()) return found->as_int64();
  if (found->is_uint64()) return static_cast<std::int64_t>(found->as_uint64());
  return found->is_double() ? static_cast<std::int64_t>(found->as_double()) : 0;
}

bool is_true(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  return found != nullptr && found->is_bool() && found->as_bool();
}

const json::array* list(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  return found != nullptr && found->is_array() ? &found->as_array() : nullptr;
}

const json::object* object(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  return found != nullptr && found->is_object() ? &found->as_object() : nullptr;
}

} // namespace member

} // namespace gantry::cli
