/// The members of inspect and of the list against Docker's own document: none missing, none of our own.
#include <catch2/catch.hpp>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "api/container_json.hpp"
#include "tests/api/container_fixtures.hpp"

namespace gantry::api {
namespace {

namespace json = boost::json;
using name_set = std::set<std::string>;

std::filesystem::path document_path() {
  const auto root = std::filesystem::absolute(__FILE__).parent_path().parent_path().parent_path();
  return root.parent_path() / "shared" / "spec" / "engine-api-v1.51.yaml";
}

std::size_t indent_of(const std::string& line) { return line.find_first_not_of(' '); }

/// The names directly below the first `properties:` of a definition.
name_set properties_of(const std::string& definition) {
  std::ifstream in(document_path());
  std::string line;
  while (std::getline(in, line) && line != "  " + definition + ":") {
  }
  name_set names;
  std::size_t at = 0; // the column of the names, once known
  bool inside = false;
  while (std::getline(in, line)) {
    const auto indent = indent_of(line);
    if (indent == std::string::npos || line[indent] == '#') continue;
    if (indent <= 2) break;
    if (!inside) {
      inside = line.substr(indent) == "properties:" || line.substr(indent) == "- properties:";
      continue;
    }
    if (at == 0) at = indent;
    if (indent < at) break;
    if (indent == at) names.insert(line.substr(indent, line.find(':') - indent));
  }
  return names;
}

name_set members_of(const json::value& v) {
  name_set names;
  for (const auto& member : v.as_object()) names.insert(std::string(member.key()));
  return names;
}

name_set without(name_set names, const name_set& left_out) {
  for (const auto& name : left_out) {
    INFO(name);
    CHECK(names.erase(name) == 1);
  }
  return names;
}

name_set both(name_set a, const name_set& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// With everything that Go's encoder leaves out when it is empty.
container_view_ptr full_container() {
  auto d = test::definition(1);
  auto& c = d->config;
  c.exposed_ports = {"80/tcp"};
  c.healthcheck.emplace();
  c.args_escaped = c.network_disabled = true;
  c.mac_address = "02:42:ac:11:00:02";
  c.stop_signal = "SIGINT";
  c.stop_timeout_s = 1;
  c.shell = string_list{"sh"};
  auto& h = d->host;
  h.annotations = h.storage_opt = h.tmpfs = h.sysctls = {{"a", "b"}};
  h.runtime = "gantry";
  h.init = true;
  h.mounts.emplace_back().type = "tmpfs";
  d->mounts = {{"volume", "v", "/s", "/d", "local", "z", "", true}};
  return test::view(d, "full", test::running());
}

bool document_is_there() {
  if (std::filesystem::exists(document_path())) return true;
  WARN("skipped: the Engine API document is not beside this tree");
  return false;
}

} // namespace

TEST_CASE("inspect has the members of Docker's document", "[api][container][shape]") {
  if (!document_is_there()) return;
  const auto whole = json::parse(render_inspect(*full_container(), api_version_max, 1, 1));
  CHECK(members_of(whole) == without(properties_of("ContainerInspectResponse"), {"ImageManifestDescriptor"}));
  CHECK(members_of(whole.at("Config")) == properties_of("ContainerConfig"));
  CHECK(members_of(whole.at("HostConfig")) ==
        without(both(properties_of("HostConfig"), properties_of("Resources")), {"KernelMemoryTCP"}));
  CHECK(members_of(whole.at("State")) == without(properties_of("ContainerState"), {"Health"}));
  CHECK(members_of(whole.at("NetworkSettings")) == properties_of("NetworkSettings"));
  CHECK(members_of(whole.at("NetworkSettings").at("Networks").at("bridge")) == properties_of("EndpointSettings"));
  CHECK(members_of(whole.at("Mounts").at(0)) == properties_of("MountPoint"));
}

TEST_CASE("a list entry has the members of Docker's document", "[api][container][shape]") {
  if (!document_is_there()) return;
  list_context context;
  context.sizes_of = [](const container_view&) { return std::pair<std::int64_t, std::int64_t>(1, 1); };
  const auto entry = json::parse(render_list({full_container()}, api_version_max, context)).at(0);
  CHECK(members_of(entry) == without(properties_of("ContainerSummary"), {"ImageManifestDescriptor"}));
}

} // namespace gantry::api
