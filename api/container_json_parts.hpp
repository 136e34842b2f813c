/// Pieces that several JSON documents share: the readers and writers of Config, HostConfig, endpoints and mount points.
/// Private to api/: others call container_json.hpp and image_json.hpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/container_json.hpp"
#include "api/container_view.hpp"
#include "api/json_out.hpp"
#include "api/json_read.hpp"

namespace gantry::api {

void read_container_config(json_object& in, container_config& out);
void write_container_config(json_out& out, const container_config& c, shape form);

void read_host_config(json_object& in, host_config& out);
void write_host_config(json_out& out, const host_config& h, shape form);

/// HostConfig.Mounts, one entry: read from and written into its list.
void read_mounts(json_object& in, std::vector<mount_request>& out);
void write_mounts(json_out& out, const std::vector<mount_request>& mounts);

void read_endpoints(json_object& in, std::map<std::string, endpoint_config>& out);

/// The networks of inspect and of the list: what the request said of each, and the one of NetworkMode in any case.
void write_networks(json_out& out, const container_view& view, api_version version);
/// Mounts[] of inspect and of the list.
void write_mount_points(json_out& out, const std::vector<mount_point>& mounts);

} // namespace gantry::api
