/// JSON from clients and images: create requests, configs in their record form, image configs, filters.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/container_json.hpp"
#include "api/filters.hpp"
#include "api/image_json.hpp"

using namespace gantry::api;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto request = parse_create_request(text, api_version_max); request.has_value()) {
    host_facts host;
    host.memory_bytes = 1 << 30;
    // What is written of a config must read back as the same.
    auto written = render_container_config(request->config);
    auto again = parse_container_config(written);
    if (again.has_error() || render_container_config(*again) != written) std::abort();
    (void)validate_and_complete(*request, host, api_version_max);
  }
  if (auto config = parse_image_config(text); config.has_value()) {
    image_view view;
    view.config = *config;
    render_image_inspect(view, api_version_max);
    render_image_history(view);
  }
  if (auto f = parse_filters(text); f.has_value()) (void)pattern_filter(*f, "name").matches("some-name");
  return 0;
}
