/// Devices of a request: nodes and the rules that let the container use them.
#include <cctype>
#include <filesystem>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#undef major // glibc defines these two as macros, and protobuf has them as fields
#undef minor

#include "actors/spec_resources.hpp"
#include "actors/spec_text.hpp"

namespace gantry::actors {

using namespace text;

namespace {

namespace fs = std::filesystem;

/// Below these directories of /dev are no devices of the host's own, or those that each container has for itself.
bool is_skipped(const std::string& name) {
  return name == "pts" || name == "shm" || name == "fd" || name == "mqueue" || name == "console" || name == "ptmx" ||
         name == ".lxc" || name == ".lxd-mounts" || name == ".udev";
}

std::optional<host_device> stat_device(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  host_device d;
  d.path = path;
  if (S_ISCHR(st.st_mode))
    d.type = 'c';
  else if (S_ISBLK(st.st_mode))
    d.type = 'b';
  else
    return std::nullopt;
  d.major = gnu_dev_major(st.st_rdev);
  d.minor = gnu_dev_minor(st.st_rdev);
  d.file_mode = st.st_mode & 0777;
  d.uid = st.st_uid;
  d.gid = st.st_gid;
  return d;
}

/// The lookup that reads the host's /dev.
result<std::vector<host_device>> read_host_devices(const std::string& path) {
  std::vector<host_device> out;
  std::error_code ec;
  const auto kind = fs::status(path, ec).type();
  if (ec || kind == fs::file_type::not_found)
    return error{errc::not_found, ENOENT, path + ": no such file or directory"};
  if (kind != fs::file_type::directory) {
    auto one = stat_device(path);
    if (!one) return invalid("not a device node");
    out.push_back(std::move(*one));
    return out;
  }
  for (auto it = fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, ec);
       !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) {
    if (is_skipped(it->path().filename())) {
      it.disable_recursion_pending();
      continue;
    }
    if (it->is_symlink(ec)) continue;
    if (auto one = stat_device(it->path())) out.push_back(std::move(*one));
  }
  return out;
}

void add_device(runtime::pb::Spec& spec, const host_device& d, const std::string& path) {
  auto& out = *spec.add_devices();
  out.set_path(path);
  out.set_type(std::string(1, d.type));
  out.set_major(d.major);
  out.set_minor(d.minor);
  out.set_file_mode(d.file_mode);
  out.set_uid(d.uid);
  out.set_gid(d.gid);
}

void allow_device(runtime::pb::Spec& spec, const host_device& d, const std::string& access) {
  auto& rule = *spec.mutable_cgroup()->mutable_resources()->add_devices();
  rule.set_allow(true);
  rule.set_type(std::string(1, d.type));
  rule.set_major(d.major);
  rule.set_minor(d.minor);
  rule.set_access(access);
}

result<> add_mapping(const device_lookup& lookup, const api::device_mapping& mapping, runtime::pb::Spec& spec) {
  const std::string access = mapping.cgroup_permissions.empty() ? "rwm" : mapping.cgroup_permissions;
  if (access.find_first_not_of("rwm") != std::string::npos) return invalid("invalid device mode: " + access);
  const std::string inside =
      clean_path(mapping.path_in_container.empty() ? mapping.path_on_host : mapping.path_in_container);
  auto found = lookup(mapping.path_on_host);
  if (found.has_error())
    return invalid("error gathering device information while adding custom device \"" + mapping.path_on_host + "\": " +
                   (found.error().code == errc::not_found ? "no such file or directory" : found.error().message));
  for (const auto& d : *found) {
    const bool is_itself = d.path == mapping.path_on_host || found->size() == 1;
    add_device(spec, d, is_itself ? inside : inside + d.path.substr(clean_path(mapping.path_on_host).size()));
    allow_device(spec, d, access);
  }
  return {};
}

using runtime::pb::BlkioDevice;

result<> add_block_limit(const device_lookup& lookup, const std::string& path, BlkioDevice::Kind kind,
                         std::uint64_t value, runtime::pb::Spec& spec) {
  auto found = lookup(path);
  if (found.has_error() || found->size() != 1)
    return invalid("error gathering device information for `" + path + "`: no such device");
  auto& limit = *spec.mutable_cgroup()->mutable_resources()->add_blkio_devices();
  limit.set_kind(kind);
  limit.set_major(found->front().major);
  limit.set_minor(found->front().minor);
  limit.set_value(value);
  return {};
}

result<> add_block_limits(const device_lookup& lookup, const api::host_config& host, runtime::pb::Spec& spec) {
  for (const auto& d : host.blkio_weight_device)
    GANTRY_TRYV(add_block_limit(lookup, d.path, BlkioDevice::WEIGHT, d.weight, spec));
  const std::pair<const std::vector<api::throttle_device>*, BlkioDevice::Kind> throttles[] = {
      {&host.blkio_device_read_bps, BlkioDevice::READ_BPS},
      {&host.blkio_device_write_bps, BlkioDevice::WRITE_BPS},
      {&host.blkio_device_read_iops, BlkioDevice::READ_IOPS},
      {&host.blkio_device_write_iops, BlkioDevice::WRITE_IOPS}};
  for (const auto& [devices, kind] : throttles)
    for (const auto& d : *devices) GANTRY_TRYV(add_block_limit(lookup, d.path, kind, d.rate, spec));
  return {};
}

void add_all_devices(const std::vector<host_device>& devices, runtime::pb::Spec& spec) {
  for (const auto& d : devices) add_device(spec, d, d.path);
  auto& rule = *spec.mutable_cgroup()->mutable_resources()->add_devices();
  rule.set_allow(true);
  rule.set_type("a");
  rule.set_access("rwm");
}

} // namespace

result<runtime::pb::DeviceRule> parse_device_rule(const std::string& text) {
  const auto bad = [&] { return invalid("invalid device cgroup rule format: '" + text + "'"); };
  const auto words = split(text, ' ');
  if (words.size() != 3 || (words[0] != "a" && words[0] != "b" && words[0] != "c")) return bad();
  const auto numbers = split(words[1], ':');
  const auto& access = words[2];
  if (numbers.size() != 2 || access.empty() || access.size() > 3 ||
      access.find_first_not_of("rwm") != std::string::npos)
    return bad();
  runtime::pb::DeviceRule rule;
  rule.set_allow(true);
  rule.set_type(words[0]);
  rule.set_access(access);
  for (std::size_t i = 0; i < 2; ++i) {
    if (numbers[i] == "*") continue;
    const auto n = parse_number<std::uint32_t>(numbers[i]);
    if (!n) return bad();
    if (i == 0)
      rule.set_major(*n);
    else
      rule.set_minor(*n);
  }
  return rule;
}

result<> fill_devices(const spec_inputs& in, runtime::pb::Spec& spec) {
  const auto& host = in.definition.host;
  const device_lookup lookup = in.lookup_device ? in.lookup_device : device_lookup(read_host_devices);
  if (!host.device_requests.empty()) {
    const auto& request = host.device_requests.front();
    std::string names;
    for (const auto& all_of : request.capabilities) names += (names.empty() ? "[" : " [") + join(all_of, " ") + "]";
    return invalid("could not select device driver \"" + request.driver + "\" with capabilities: [" + names + "]");
  }
  GANTRY_TRYV(add_block_limits(lookup, host, spec));
  if (host.privileged) {
    GANTRY_TRY(all, lookup("/dev"));
    add_all_devices(all, spec);
    return {};
  }
  for (const auto& mapping : host.devices) GANTRY_TRYV(add_mapping(lookup, mapping, spec));
  for (const auto& text : host.device_cgroup_rules) {
    GANTRY_TRY(rule, parse_device_rule(text));
    *spec.mutable_cgroup()->mutable_resources()->add_devices() = rule;
  }
  return {};
}

} // namespace gantry::actors
