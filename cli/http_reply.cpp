/// Replies from bytes, on Beast's parser: no socket here.
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "cli/http_client.hpp"

namespace gantry::cli {

namespace http = boost::beast::http;

struct reply_reader::state {
  request_kind kind;
  http::response_parser<http::string_body> parser;
};

reply_reader::reply_reader(request_kind kind) : state_(std::make_unique<state>()) {
  state_->kind = kind;
  state_->parser.header_limit(reply_head_bytes_max);
  state_->parser.body_limit(boost::none); // streams have no end; the caller limits what it keeps
  state_->parser.skip(kind == request_kind::head);
}
reply_reader::~reply_reader() = default;
reply_reader::reply_reader(reply_reader&&) noexcept = default;
reply_reader& reply_reader::operator=(reply_reader&&) noexcept = default;

result<reply_reader::step> reply_reader::feed(std::string_view bytes) {
  auto& parser = state_->parser;
  step s;
  while (s.consumed < bytes.size() && !parser.is_done()) {
    if (state_->kind == request_kind::hijack && parser.is_header_done()) break;
    const auto rest = bytes.substr(s.consumed);
    boost::system::error_code code;
    const std::size_t used = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), code);
    s.consumed += used;
    if (code == http::error::need_more) break;
    if (code) return error{errc::internal, 0, "malformed HTTP response: " + code.message()};
    if (used == 0) break;
  }
  s.body = std::move(parser.get().body());
  parser.get().body().clear();
  s.done = parser.is_done() || (state_->kind == request_kind::hijack && parser.is_header_done());
  return s;
}

result<> reply_reader::end_of_stream() {
  auto& parser = state_->parser;
  if (parser.is_done()) return {};
  boost::system::error_code code;
  if (parser.got_some()) parser.put_eof(code);
  if (!parser.got_some() || code) return error{errc::internal, 0, "unexpected EOF"};
  return {};
}

bool reply_reader::head_done() const noexcept { return state_->parser.is_header_done(); }

http_reply reply_reader::head() const {
  http_reply reply;
  reply.status = state_->parser.get().result_int();
  for (const auto& field : state_->parser.get()) {
    std::string name(field.name_string());
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    reply.headers.insert_or_assign(std::move(name), std::string(field.value()));
  }
  return reply;
}

bool reply_reader::is_hijack() const noexcept { return state_->kind == request_kind::hijack; }
void reply_reader::continue_as_ordinary() noexcept { state_->kind = request_kind::ordinary; }

bool reply_reader::keep_alive() const { return state_->parser.is_done() && state_->parser.get().keep_alive(); }

std::string http_reply::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string() : found->second;
}

} // namespace gantry::cli
