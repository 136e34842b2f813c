/// Addresses, and how to reach them.
#include <cerrno>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/http_client.hpp"

namespace gantry::cli {
namespace {

/// A host that does not answer is given up after this long (a dead host may never refuse).
constexpr timeval connect_limit{30, 0};

error cannot_connect(const host_address& address, int err) {
  if (err == EACCES || err == EPERM)
    return error{errc::forbidden, err,
                 "permission denied while trying to connect to the Docker daemon socket at " + address.text};
  return error{errc::unavailable, err,
               "Cannot connect to the Docker daemon at " + address.text + ". Is the docker daemon running?"};
}

result<unique_fd> dial_unix(const host_address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof(name.sun_path))
    return error{errc::invalid_parameter, 0, "unix socket path \"" + address.path + "\" is too long"};
  address.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return sys_error("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0)
    return cannot_connect(address, errno);
  return fd;
}

result<unique_fd> dial_tcp(const host_address& address) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found); code != 0)
    return error{errc::unavailable, 0, "look up `" + address.host + "`: " + ::gai_strerror(code)};
  int err = ECONNREFUSED;
  unique_fd fd;
  for (const addrinfo* at = found; at != nullptr && !fd; at = at->ai_next) {
    fd.reset(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (!fd) continue;
    const timeval none{};
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &connect_limit, sizeof(connect_limit));
    if (::connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) {
      err = errno;
      fd.reset();
      continue;
    }
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  }
  ::freeaddrinfo(found);
  if (!fd) return cannot_connect(address, err);
  return fd;
}

} // namespace

result<host_address> parse_host_address(const std::string& text) {
  const auto invalid = [&] { return error{errc::invalid_parameter, 0, "unable to parse docker host `" + text + "`"}; };
  host_address address;
  address.text = text;
  if (text.starts_with("unix://")) {
    address.path = text.substr(7);
    if (address.path.empty()) return invalid();
    return address;
  }
  if (!text.starts_with("tcp://")) return invalid();
  address.how = host_address::kind::tcp;
  std::string rest = text.substr(6);
  while (rest.ends_with('/')) rest.pop_back();
  const auto colon = rest.rfind(':');
  const auto bracket = rest.rfind(']');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  address.host = has_port ? rest.substr(0, colon) : rest;
  address.port = has_port ? rest.substr(colon + 1) : "2375";
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty()) address.host = "localhost";
  if (address.port.empty() || address.port.find_first_not_of("0123456789") != std::string::npos ||
      rest.find('/') != std::string::npos)
    return invalid();
  return address;
}

result<unique_fd> dial(const host_address& address) {
  return address.how == host_address::kind::unix_socket ? dial_unix(address) : dial_tcp(address);
}

std::string url_encode(std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

} // namespace gantry::cli
