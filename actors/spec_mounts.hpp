/// What a request mounts: -v forms, HostConfig.Mounts, Tmpfs and image volumes, parsed and checked as Docker does.
/// Behind spec_compiler.hpp. Source: behaviours 182 to 194.
#pragma once

#include <string>
#include <vector>

#include "actors/spec_compiler.hpp"
#include "actors/spec_security.hpp"

namespace gantry::actors {

struct user_mount {
  api::mount_point shown; ///< as inspect shows it; type "tmpfs" for those of HostConfig.Tmpfs too
  bool listed = true;     ///< false: inspect leaves it out (HostConfig.Tmpfs)
  bool create_source = false;
  bool recursive = true;           ///< a bind takes the mounts below along
  bool recursive_read_only = true; ///< and makes them read-only too
  api::string_list tmpfs_options;
};

/// In the order Binds, Mounts, Tmpfs, image volumes; no destination twice. Errors: invalid_parameter, not_implemented.
result<std::vector<user_mount>> parse_user_mounts(const api::container_config& config, const api::host_config& host);

/// All mounts of the container in the order in which they are made (behaviours 114, 125, 193).
result<> fill_mounts(const spec_inputs& inputs, const security_options& options, runtime::pb::Spec& spec);

} // namespace gantry::actors
