/// /etc/hosts, /etc/hostname and /etc/resolv.conf as texts. Behind spec_compiler.hpp. Source: behaviours 128 to 136.
#pragma once

#include <string>

#include "actors/spec_compiler.hpp"

namespace gantry::actors {

/// A resolv.conf, as far as anybody writes one.
struct resolv_conf {
  api::string_list nameservers, search, options;
};
resolv_conf parse_resolv_conf(std::string_view text);

/// The file for a container without a DNS server of ours: the host's servers without those that only the host reaches,
/// Google's when none is left, and the overrides of request and daemon.
std::string make_resolv_conf(const spec_inputs& inputs);

/// Errors: invalid_parameter (ExtraHosts).
result<std::string> make_hosts(const spec_inputs& inputs);
result<> check_extra_hosts(const api::host_config& host);

/// The container's name of host: its own, the host's in the host's UTS or network namespace, the id's start.
std::string hostname_of(const spec_inputs& inputs);

/// The three files; none for a container that shares another one's network (those are the other one's).
result<> fill_files(const spec_inputs& inputs, runtime::pb::Spec& spec);

} // namespace gantry::actors
