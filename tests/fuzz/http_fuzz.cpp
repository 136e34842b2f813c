/// A connection's bytes: the codec, the routes and every call's parser. What is cut in two must read as what is not.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/routes.hpp"

using namespace gantry::api;

namespace {

/// Complete requests of a stream, and whether it broke.
std::string read(std::string_view first, std::string_view second) {
  request_parser parser;
  request_head head;
  std::string body, complete;
  for (auto piece : {first, second})
    while (!piece.empty()) {
      auto step = parser.feed(piece);
      if (step.has_error()) return complete + "!";
      if (step->consumed == 0 || step->consumed > piece.size()) std::abort();
      piece.remove_prefix(step->consumed);
      if (step->head) head = *step->head;
      body += step->body;
      if (!step->done) continue;
      complete += head.method + head.path + body + "|";
      if (auto where = route(head); where.has_value()) {
        auto made = parse_call(*where, head, body);
        if (made.has_error()) serialize(render_error(made.error(), head), {}, true, false);
      }
      body.clear();
    }
  return complete;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string stream(reinterpret_cast<const char*>(data), size);
  stream += "\r\n\r\n"; // when a bad head is noticed before its end depends on the cut
  std::string_view view = stream;
  auto cut = size == 0 ? 0 : data[0] % stream.size();
  if (read(view, {}) != read(view.substr(0, cut), view.substr(cut))) std::abort();
  return 0;
}
