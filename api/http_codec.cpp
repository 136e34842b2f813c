/// The reading half of the codec: Beast's basic_parser tells what the bytes mean, we keep what it cannot use yet.
#include "api/http_codec.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

#include "api/http_target.hpp"

namespace gantry::api {

namespace {

namespace http = boost::beast::http;
using beast_error = boost::beast::error_code;
using beast_view = boost::beast::string_view;

/// What a chunk's size line with its extensions, or the trailer, may take. [400]
constexpr std::size_t chunk_line_bytes_max = 16u << 10;

std::string_view to_std(beast_view v) noexcept { return {v.data(), v.size()}; }

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return out;
}

/// Receives what Beast finds: the head's parts into `head`, body bytes into `body`.
class collector final : public http::basic_parser<true> {
public:
  collector() {
    header_limit(std::uint32_t(request_head_bytes_max));
    body_limit(boost::none); // bodies stream; whoever reads one whole has a limit of its own
    eager(false);
  }

  request_head head;
  std::string body;
  error target_error{errc::ok, 0, {}};
  bool bad_coding = false;

private:
  void on_request_impl(http::verb, beast_view method, beast_view target, int version, beast_error& ec) override {
    if (version != 10 && version != 11) {
      ec = http::error::bad_version;
      return;
    }
    head.method = to_std(method);
    head.http_minor = unsigned(version - 10);
    auto done = split_target(to_std(target), head);
    if (done.has_error()) {
      target_error = done.error();
      ec = http::error::bad_target;
    }
  }
  void on_response_impl(int, beast_view, int, beast_error&) override {}
  void on_field_impl(http::field field, beast_view name, beast_view value, beast_error&) override {
    if (in_body_) return; // trailers tell us nothing
    // A coding other than chunked alone leaves the body's end open to argument (RFC 9112 6.1).
    if (field == http::field::transfer_encoding && lower_case(to_std(value)) != "chunked") bad_coding = true;
    auto [it, fresh] = head.headers.try_emplace(lower_case(to_std(name)), to_std(value));
    if (!fresh) it->second.append(", ").append(to_std(value));
  }
  void on_header_impl(beast_error& ec) override {
    in_body_ = true;
    if (bad_coding) ec = http::error::bad_transfer_encoding;
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, beast_error&) override {}
  std::size_t on_body_impl(beast_view bytes, beast_error&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast_view, beast_error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast_view bytes, beast_error&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(beast_error&) override {}

  bool in_body_ = false;
};

void complete_head(collector& parser) {
  auto& head = parser.head;
  head.chunked = parser.chunked();
  if (auto length = parser.content_length(); length && !head.chunked) head.content_length = *length;
  head.has_body = head.chunked || head.content_length.value_or(0) != 0;
  // HTTP/1.0 persistence is an extension of its own; such a connection serves one request.
  head.keep_alive = head.http_minor == 1 && parser.keep_alive();
  head.expect_continue = head.http_minor == 1 && head.has_body && lower_case(head.header("expect")) == "100-continue";
}

} // namespace

std::string_view request_head::header(const std::string& lower_case_name) const {
  auto it = headers.find(lower_case_name);
  return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

std::string_view request_head::query_value(std::string_view key) const {
  for (const auto& [k, v] : query)
    if (k == key) return v;
  return {};
}

bool request_head::has_query(std::string_view key) const {
  return std::any_of(query.begin(), query.end(), [&](const auto& pair) { return pair.first == key; });
}

struct request_parser::state {
  std::unique_ptr<collector> parser; ///< none between requests
  std::string held;                  ///< bytes Beast wants to see again together with what follows
  std::size_t head_bytes = 0;        ///< of the present request's head, as far as parsed
  bool head_given = false;
  unsigned status = 0;

  error fail(unsigned http_status_code, std::string message) {
    status = http_status_code;
    return error{errc::invalid_parameter, 0, std::move(message)};
  }

  /// One call of Beast on `bytes`; gives how many it used. `more`: it cannot go on without further bytes.
  result<std::size_t> put(std::string_view bytes, bool& more) {
    beast_error ec;
    auto used = parser->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
    more = ec == http::error::need_more;
    if (ec && !more) {
      if (ec == http::error::header_limit) return head_too_large();
      if (parser->target_error.code != errc::ok) return fail(400, "400 Bad Request: " + parser->target_error.message);
      return fail(400, "400 Bad Request: " + ec.message());
    }
    return used;
  }

  error head_too_large() { return fail(431, "431 Request Header Fields Too Large"); }

  /// Everything of `bytes` up to the request's end.
  result<step> run(std::string_view bytes) {
    step out;
    std::string_view rest = bytes;
    std::size_t held_before = held.size();
    if (held_before != 0) {
      held.append(bytes);
      rest = held;
    }
    std::size_t used = 0;
    bool more = false;
    while (!more && !rest.empty() && !parser->is_done()) {
      GANTRY_TRY(n, put(rest, more));
      used += n;
      rest.remove_prefix(n);
      if (!head_given) head_bytes += n;
      if (parser->is_header_done() && !head_given) {
        if (head_bytes > request_head_bytes_max) return head_too_large();
        complete_head(*parser);
        out.head = std::move(parser->head);
        head_given = true;
      }
    }
    if (!head_given && head_bytes + rest.size() > request_head_bytes_max) return head_too_large();
    out.body = std::move(parser->body);
    parser->body.clear();
    if (parser->is_done()) {
      out.done = true;
      out.consumed = used - held_before;
      reset();
      return out;
    }
    // Not done, so all that is left waits for more bytes.
    if (head_given && rest.size() > chunk_line_bytes_max) return fail(400, "400 Bad Request: chunk header too long");
    if (held_before != 0)
      held.erase(0, used);
    else
      held.assign(rest);
    out.consumed = bytes.size();
    return out;
  }

  void reset() {
    parser.reset();
    held.clear();
    if (held.capacity() > (4u << 10)) held.shrink_to_fit();
    head_bytes = 0;
    head_given = false;
  }
};

request_parser::request_parser() : state_(std::make_unique<state>()) {}
request_parser::~request_parser() = default;
request_parser::request_parser(request_parser&&) noexcept = default;
request_parser& request_parser::operator=(request_parser&&) noexcept = default;

result<request_parser::step> request_parser::feed(std::string_view bytes) {
  auto& s = *state_;
  if (s.status != 0) return s.fail(s.status, "400 Bad Request: the connection has already failed");
  std::size_t skipped = 0;
  if (!s.parser) {
    // RFC 9112 2.2: an empty line before a request line is to be ignored.
    while (skipped < bytes.size() && (bytes[skipped] == '\r' || bytes[skipped] == '\n')) ++skipped;
    if (skipped == bytes.size()) {
      step nothing;
      nothing.consumed = skipped;
      return nothing;
    }
    s.parser = std::make_unique<collector>();
  }
  if (skipped == bytes.size()) return step{};
  auto out = s.run(bytes.substr(skipped));
  if (out.has_value()) out->consumed += skipped;
  return out;
}

unsigned request_parser::error_status() const noexcept { return state_->status; }

bool request_parser::idle() const noexcept { return !state_->parser; }

} // namespace gantry::api
