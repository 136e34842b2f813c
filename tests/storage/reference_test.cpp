// Image references by Docker's rules.
#include <catch2/catch.hpp>

#include "storage/reference.hpp"

using namespace gantry;
using namespace gantry::storage;

namespace {
std::string repeat(char c, std::size_t count) { return std::string(count, c); }
const std::string hex64 = repeat('a', 64);
const std::string digest = "sha256:" + hex64;
} // namespace

TEST_CASE("references are normalised as Docker does", "[storage][reference]") {
  struct row {
    std::string text, domain, path, tag, digest, familiar;
  };
  const row rows[] = {
      {"busybox", "docker.io", "library/busybox", "", "", "busybox"},
      {"busybox:1.36", "docker.io", "library/busybox", "1.36", "", "busybox:1.36"},
      {"library/busybox", "docker.io", "library/busybox", "", "", "busybox"},
      {"user/x", "docker.io", "user/x", "", "", "user/x"},
      {"library/x/y", "docker.io", "library/x/y", "", "", "library/x/y"},
      {"docker.io/busybox", "docker.io", "library/busybox", "", "", "busybox"},
      {"index.docker.io/busybox", "docker.io", "library/busybox", "", "", "busybox"},
      {"index.docker.io/user/x:y", "docker.io", "user/x", "y", "", "user/x:y"},
      {"localhost/x", "localhost", "x", "", "", "localhost/x"},
      {"localhost:5000/x:1", "localhost:5000", "x", "1", "", "localhost:5000/x:1"},
      {"127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "", "", "127.0.0.1:5000/a/b"},
      {"[2001:db8::1]:5000/a", "[2001:db8::1]:5000", "a", "", "", "[2001:db8::1]:5000/a"},
      {"[::1]/a", "[::1]", "a", "", "", "[::1]/a"},
      {"Host/x", "Host", "x", "", "", "Host/x"},
      {"quay.io/a/b@" + digest, "quay.io", "a/b", "", digest, "quay.io/a/b@" + digest},
      {"busybox:1@" + digest, "docker.io", "library/busybox", "1", digest, "busybox:1@" + digest},
      {"a__b/c-----d.e_f", "docker.io", "a__b/c-----d.e_f", "", "", "a__b/c-----d.e_f"},
      {"x:" + repeat('t', 128), "docker.io", "library/x", repeat('t', 128), "", "x:" + repeat('t', 128)},
      {"sha256:abcd", "docker.io", "library/sha256", "abcd", "", "sha256:abcd"},
      {hex64.substr(1), "docker.io", "library/" + hex64.substr(1), "", "", hex64.substr(1)},
      {"x:_T.-9", "docker.io", "library/x", "_T.-9", "", "x:_T.-9"},
  };
  for (const auto& r : rows) {
    INFO(r.text);
    auto parsed = parse_reference(r.text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->domain == r.domain);
    CHECK(parsed->path == r.path);
    CHECK(parsed->tag == r.tag);
    CHECK(parsed->digest == r.digest);
    CHECK(parsed->familiar() == r.familiar);
  }
}

TEST_CASE("bad references are refused with Docker's texts", "[storage][reference]") {
  const std::pair<std::string, std::string> rows[] = {
      {"", "invalid reference format"},
      {":x", "invalid reference format"},
      {"x:", "invalid reference format"},
      {"x@", "invalid reference format"},
      {"x:a:b", "invalid reference format"},
      {"/x", "invalid reference format"},
      {"x/", "invalid reference format"},
      {"x//y", "invalid reference format"},
      {"-x", "invalid reference format"},
      {"x-", "invalid reference format"},
      {"a___b", "invalid reference format"},
      {"a..b", "invalid reference format"},
      {"a._b", "invalid reference format"},
      {"a b", "invalid reference format"},
      {"x: y", "invalid reference format"},
      {"x:" + repeat('t', 129), "invalid reference format"},
      {"ho_st.io/x", "invalid reference format"},
      {"host:port/x", "invalid reference format"},
      {"host:/x", "invalid reference format"},
      {"[]:1/x", "invalid reference format"},
      {"[::1/x", "invalid reference format"},
      {"x@sha256:zz", "invalid reference format"},
      {"x@sha256:" + repeat('a', 31), "invalid reference format"},
      {"x@sha256:" + repeat('a', 63), "invalid checksum digest length"},
      {"x@sha256:" + repeat('A', 64), "invalid checksum digest format"},
      {"x@md5:" + repeat('a', 32), "unsupported digest algorithm"},
      {"Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"},
      {"docker.io/User/x:T", "invalid reference format: repository name (User/x) must be lowercase"},
      {hex64, "invalid repository name (" + hex64 + "), cannot specify 64-byte hexadecimal strings"},
      {repeat('a', 256) + "/b", "repository name must not be more than 255 characters"},
  };
  for (const auto& [text, message] : rows) {
    INFO(text);
    auto parsed = parse_reference(text);
    REQUIRE(parsed.has_error());
    CHECK(parsed.error().code == errc::invalid_parameter);
    CHECK(parsed.error().message == message);
  }
}

TEST_CASE("the default tag is given only where nothing else says which image", "[storage][reference]") {
  CHECK(parse_reference_with_default_tag("busybox")->full() == "docker.io/library/busybox:latest");
  CHECK(parse_reference_with_default_tag("busybox:1")->full() == "docker.io/library/busybox:1");
  CHECK(parse_reference_with_default_tag("x@" + digest)->full() == "docker.io/library/x@" + digest);
}
