/// Images as replies: list, inspect, history, removal. Which members each API version shows: behaviours 283, 284.
#include "api/image_json.hpp"

#include "api/json_write.hpp"

namespace gantry::api {

namespace {

namespace json = boost::json;

constexpr std::int64_t nanos_per_second = 1'000'000'000;

json::object summary(const image_view& v, api_version version) {
  json::array tags = json_array(v.repo_tags), digests = json_array(v.repo_digests);
  if (version < api_version{1, 43} && tags.empty() && digests.empty()) {
    tags.emplace_back("<none>:<none>");
    digests.emplace_back("<none>@<none>");
  }
  json::object out{{"Containers", version < api_version{1, 51} ? -1 : v.containers},
                   {"Created", v.created / nanos_per_second},
                   {"Id", v.id},
                   {"Labels", json_map(v.config.config.labels)},
                   {"ParentId", v.parent},
                   {"RepoDigests", std::move(digests)},
                   {"RepoTags", std::move(tags)},
                   {"SharedSize", v.shared_size},
                   {"Size", v.size_bytes}};
  if (version < api_version{1, 44}) out["VirtualSize"] = v.size_bytes;
  return out;
}

json::value list_or_null(const string_list& list) { return json_array_or_null(list); }

json::value list_or_null(const std::optional<string_list>& list) {
  return list ? json_array_or_null(*list) : json::value(nullptr);
}

json::object healthcheck(const health_config& h) {
  json::object out;
  if (h.test) out["Test"] = json_array(*h.test);
  auto number = [&](const char* name, std::int64_t n) {
    if (n != 0) out[name] = n;
  };
  number("Interval", h.interval_ns);
  number("Timeout", h.timeout_ns);
  number("StartPeriod", h.start_period_ns);
  number("StartInterval", h.start_interval_ns);
  number("Retries", h.retries);
  return out;
}

/// Config of inspect: members sorted by name, those that were never left out before 1.52 always there, and those of a
/// container's configuration below 1.50 (behaviours 231).
json::object inspect_config(const container_config& c, api_version version) {
  bool legacy = version < api_version{1, 50};
  json::object out;
  auto old = [&](const char* name, json::value v) {
    if (legacy) out[name] = std::move(v);
  };
  if (c.args_escaped) out["ArgsEscaped"] = true;
  for (const char* name : {"AttachStderr", "AttachStdin", "AttachStdout"}) old(name, false);
  out["Cmd"] = list_or_null(c.cmd);
  old("Domainname", "");
  out["Entrypoint"] = list_or_null(c.entrypoint);
  out["Env"] = list_or_null(c.env);
  if (!c.exposed_ports.empty()) out["ExposedPorts"] = json_key_set(c.exposed_ports);
  if (c.healthcheck) out["Healthcheck"] = healthcheck(*c.healthcheck);
  old("Hostname", "");
  old("Image", "");
  out["Labels"] = c.labels.empty() ? json::value(nullptr) : json::value(json_map(c.labels));
  out["OnBuild"] = list_or_null(c.on_build);
  old("OpenStdin", false);
  if (c.shell && !c.shell->empty()) out["Shell"] = json_array(*c.shell);
  old("StdinOnce", false);
  if (!c.stop_signal.empty()) out["StopSignal"] = c.stop_signal;
  old("Tty", false);
  out["User"] = c.user;
  out["Volumes"] = c.volumes.empty() ? json::value(nullptr) : json::value(json_key_set(c.volumes));
  out["WorkingDir"] = c.working_dir;
  return out;
}

json::object graph_driver(const image_view& v) {
  json::object data;
  if (!v.lower_dirs.empty()) {
    data["UpperDir"] = v.lower_dirs.front();
    std::string lower;
    for (std::size_t i = 1; i < v.lower_dirs.size(); ++i) lower += (i == 1 ? "" : ":") + v.lower_dirs[i];
    if (!lower.empty()) data["LowerDir"] = lower;
  }
  return {{"Data", std::move(data)}, {"Name", "overlay2"}};
}

/// The time as written when nanoseconds cannot hold it (1970-01-01T00:00:00Z is a common one in images).
std::string created_text(const image_view& v) {
  return v.created != 0 ? format_rfc3339_nano(v.created) : v.config.created;
}

json::array removed_rows(const string_list& untagged, const string_list& deleted) {
  json::array out;
  for (const auto& name : untagged) out.push_back(json::object{{"Untagged", name}});
  for (const auto& id : deleted) out.push_back(json::object{{"Deleted", id}});
  return out;
}

} // namespace

std::string render_image_list(const std::vector<image_view>& views, api_version version) {
  json::array out;
  out.reserve(views.size());
  for (const auto& v : views) out.push_back(summary(v, version));
  return json_line(out);
}

std::string render_image_inspect(const image_view& v, api_version version) {
  json::object out{{"Id", v.id},
                   {"RepoTags", json_array(v.repo_tags)},
                   {"RepoDigests", json_array(v.repo_digests)},
                   {"Parent", v.parent},
                   {"Comment", v.config.comment}};
  if (auto created = created_text(v); !created.empty()) {
    out["Created"] = created;
  } else if (version < api_version{1, 44}) {
    out["Created"] = format_rfc3339_nano(0);
  }
  if (version < api_version{1, 45}) {
    out["Container"] = "";
    out["ContainerConfig"] = inspect_config({}, version);
  }
  out["DockerVersion"] = v.config.docker_version;
  out["Author"] = v.config.author;
  out["Config"] = inspect_config(v.config.config, version);
  out["Architecture"] = v.config.architecture;
  if (!v.config.variant.empty()) out["Variant"] = v.config.variant;
  out["Os"] = v.config.os;
  if (!v.config.os_version.empty()) out["OsVersion"] = v.config.os_version;
  out["Size"] = v.size_bytes;
  if (version < api_version{1, 44}) out["VirtualSize"] = v.size_bytes;
  out["GraphDriver"] = graph_driver(v);
  out["RootFS"] = json::object{{"Type", "layers"}, {"Layers", json_array(v.config.diff_ids)}};
  out["Metadata"] = json::object{{"LastTagTime", format_rfc3339_nano(v.last_tagged)}};
  return json_line(out);
}

std::string render_image_history(const image_view& v) {
  json::array rows;
  std::size_t layer = 0;
  for (const auto& h : v.config.history) {
    std::int64_t size = 0;
    if (!h.empty_layer && layer < v.layer_sizes.size()) size = v.layer_sizes[layer++];
    rows.push_back(json::object{{"Comment", h.comment},
                                {"Created", h.created_ns / nanos_per_second},
                                {"CreatedBy", h.created_by},
                                {"Id", "<missing>"},
                                {"Size", size},
                                {"Tags", nullptr}});
  }
  std::reverse(rows.begin(), rows.end());
  if (!rows.empty()) {
    auto& newest = rows.front().as_object();
    newest["Id"] = v.id;
    newest["Tags"] = json_array_or_null(v.repo_tags);
  }
  return json_line(rows);
}

std::string render_image_removed(const string_list& untagged, const string_list& deleted) {
  return json_line(removed_rows(untagged, deleted));
}

std::string render_images_pruned(const string_list& untagged, const string_list& deleted,
                                 std::int64_t reclaimed_bytes) {
  auto rows = removed_rows(untagged, deleted);
  json::object out;
  out["ImagesDeleted"] = rows.empty() ? json::value(nullptr) : json::value(std::move(rows));
  out["SpaceReclaimed"] = reclaimed_bytes;
  return json_line(out);
}

} // namespace gantry::api
