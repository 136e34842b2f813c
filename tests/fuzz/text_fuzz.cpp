/// The small languages: WebSocket frames, Dockerfile changes, times, detach keys, patterns.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/detach_keys.hpp"
#include "api/duration.hpp"
#include "api/glob.hpp"
#include "api/image_json.hpp"
#include "api/websocket.hpp"

using namespace gantry::api;

namespace {

std::string frames(std::string_view first, std::string_view second) {
  websocket_reader reader;
  auto a = reader.feed(first), b = reader.feed(second);
  return a.payload + b.payload + "|" + a.reply + b.reply;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto cut = size == 0 ? 0 : data[0] % size;
  if (frames(text, {}) != frames(text.substr(0, cut), text.substr(cut))) std::abort();
  container_config config;
  (void)apply_changes(config, {std::string(text)});
  (void)parse_go_duration(text);
  (void)parse_time_or_duration(text, 0);
  (void)parse_detach_keys(text);
  (void)glob_match(text.substr(0, cut), text.substr(cut));
  (void)glob_valid(text);
  return 0;
}
