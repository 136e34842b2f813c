/// GET /containers/json. Source: spec/engine-api-v1.51.yaml, definition ContainerSummary. Lists of ten thousand are
/// normal here, so the text is written straight into one string.
#include "api/container_json_parts.hpp"
#include "api/duration.hpp"
#include "api/exposed_ports.hpp"

#include <unordered_map>

namespace gantry::api {
namespace {

constexpr std::size_t summary_bytes_typical = 1u << 10;
constexpr std::int64_t nanos_per_second = 1'000'000'000;

/// Path and arguments as they would be typed, roughly: an argument with a blank is put in quotes (behaviours 44).
void write_command(json_out& out, const container_definition& d) {
  std::string command = d.path;
  for (const auto& arg : d.args) {
    const bool quoted = arg.find(' ') != std::string::npos;
    command += quoted ? " '" : " ";
    command += arg;
    if (quoted) command.push_back('\'');
  }
  out.member("Command", command);
}

void write_ports(json_out& out, const container_view& view) {
  out.key("Ports").begin_array();
  for (const auto& port : live_ports(view)) {
    out.begin_object();
    out.member("PrivatePort", port.number);
    out.member("Type", port.protocol);
    out.end_object();
  }
  out.end_array();
}

void write_host_config(json_out& out, const host_config& h, api_version version) {
  out.key("HostConfig").begin_object();
  if (!h.network_mode.empty()) out.member("NetworkMode", h.network_mode);
  if (version >= api_version{1, 46} && !h.annotations.empty()) out.member("Annotations", h.annotations);
  out.end_object();
}

/// Asks for each image name once a list.
class image_names {
public:
  explicit image_names(const list_context& context) : context_(context) {}

  /// The name given at create, or the image's id when the name now points elsewhere (behaviours 223).
  const std::string& shown(const container_definition& d) {
    if (d.image_name == d.image_id || !context_.image_id_of) return d.image_name;
    auto [found, added] = ids_.try_emplace(d.image_name);
    if (added) found->second = context_.image_id_of(d.image_name);
    return found->second == d.image_id ? d.image_name : d.image_id;
  }

private:
  const list_context& context_;
  std::unordered_map<std::string_view, std::string> ids_; ///< the keys live in the definitions
};

void write_summary(json_out& out, const container_view& view, api_version version, const list_context& context,
                   image_names& images) {
  const auto& d = *view.definition;
  out.begin_object();
  out.member("Id", d.id);
  out.key("Names").begin_array();
  if (!view.name.empty()) out.value("/" + view.name);
  out.end_array();
  out.member("Image", images.shown(d));
  out.member("ImageID", d.image_id);
  write_command(out, d);
  out.member("Created", d.created / nanos_per_second);
  write_ports(out, view);
  if (context.sizes_of) {
    const auto [rw, root_fs] = context.sizes_of(view);
    if (rw != 0) out.member("SizeRw", rw); // Go's omitempty
    if (root_fs != 0) out.member("SizeRootFs", root_fs);
  }
  out.member("Labels", d.config.labels);
  out.member("State", to_string(view.state.status));
  out.member("Status", status_text(view.state, context.now));
  write_host_config(out, d.host, version);
  out.key("NetworkSettings").begin_object();
  out.key("Networks");
  write_networks(out, view, version);
  out.end_object();
  out.key("Mounts");
  write_mount_points(out, d.mounts);
  out.end_object();
}

} // namespace

std::string status_text(const container_state& state, unix_nanos now) {
  const auto since = [&](unix_nanos t) { return human_duration(now > t ? now - t : 0); };
  const auto code = [&] { return std::string("(").append(std::to_string(state.exit_code)).append(") "); };
  switch (state.status) {
  case container_status::running:
    return "Up " + since(state.started_at);
  case container_status::paused:
    return "Up " + since(state.started_at) + " (Paused)";
  case container_status::restarting:
    return "Restarting " + code() + since(state.finished_at) + " ago";
  case container_status::removing:
    return "Removal In Progress";
  case container_status::dead:
    return "Dead";
  case container_status::created:
    return "Created";
  case container_status::exited:
    return state.finished_at == 0 ? "" : "Exited " + code() + since(state.finished_at) + " ago";
  }
  return "";
}

std::string render_list(const std::vector<container_view_ptr>& views, api_version version,
                        const list_context& context) {
  std::string text;
  text.reserve(views.size() * summary_bytes_typical + 16);
  json_out out(text);
  image_names images(context);
  out.begin_array();
  for (const auto& view : views) write_summary(out, *view, version, context, images);
  out.end_array();
  return text += '\n';
}

} // namespace gantry::api
