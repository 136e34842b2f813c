// OCI layouts: nested indexes, compressions, damage.
#include <catch2/catch.hpp>

#include <sys/wait.h>

#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace {

constexpr const char* oci_index = "application/vnd.oci.image.index.v1+json";
constexpr const char* oci_manifest = "application/vnd.oci.image.manifest.v1+json";

/// Writes blobs and remembers them; gives descriptors.
struct layout_builder {
  tar_builder tar;

  std::string add(const std::string& type, const std::string& bytes, const std::string& extra = "") {
    tar.file(blob_path(bytes), bytes);
    return describe(type, bytes, extra);
  }
  static std::string describe(const std::string& type, const std::string& bytes, const std::string& extra = "") {
    return "{\"mediaType\":\"" + type + "\",\"digest\":\"" + sha256_of(bytes) +
           "\",\"size\":" + std::to_string(bytes.size()) + (extra.empty() ? "" : "," + extra) + "}";
  }
  std::string add_image(const test_image& image, const std::string& layer_type, const std::string& extra = "",
                        const std::string& manifest_type = oci_manifest) {
    std::string layers;
    for (const auto& layer : image.layers) {
      if (!layers.empty()) layers += ",";
      layers += add(layer_type, compress(layer, image.filter));
    }
    const auto config = add("application/vnd.oci.image.config.v1+json", image.config());
    return add(manifest_type, "{\"schemaVersion\":2,\"config\":" + config + ",\"layers\":[" + layers + "]}", extra);
  }
  static std::string index_of(const std::string& descriptors) {
    return "{\"schemaVersion\":2,\"manifests\":[" + descriptors + "]}";
  }
  std::string finish(const std::string& descriptors) {
    return tar.file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}")
        .file("index.json", index_of(descriptors))
        .finish();
  }
};

std::string named(const std::string& name) { return "\"annotations\":{\"io.containerd.image.name\":\"" + name + "\"}"; }
std::string on(const std::string& os, const std::string& architecture) {
  return "\"platform\":{\"os\":\"" + os + "\",\"architecture\":\"" + architecture + "\"}";
}

test_image image(const std::string& note = "x", const std::string& filter = "gzip") {
  return {{tar_builder().file("f", note).finish()}, {}, {}, 0, filter, note};
}

} // namespace

TEST_CASE("an OCI layout is loaded, with Docker's media types or OCI's", "[storage][oci_layout]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const std::pair<std::string, std::string> kinds[] = {
      {"application/vnd.oci.image.layer.v1.tar+gzip", "gzip"},
      {"application/vnd.oci.image.layer.v1.tar+zstd", "zstd"},
      {"application/vnd.oci.image.layer.v1.tar", "none"},
      {"application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"},
  };
  for (const auto& [type, filter] : kinds) {
    layout_builder layout;
    const auto manifest =
        type.find("docker") == type.npos ? oci_manifest : "application/vnd.docker.distribution.manifest.v2+json";
    const auto descriptor =
        layout.add_image(image(filter + type, filter), type, named("docker.io/library/x:1"), manifest);
    world.must_load(layout.finish(descriptor));
    CHECK_THAT(world.said, Catch::Contains("Loaded image: x:1\n"));
    REQUIRE(world.find("x:1"));
    CHECK(read_file(world.layer(*world.find("x:1"), 0) / "f") == filter + type);
  }
}

TEST_CASE("of many platforms the host's is taken, through nested indexes", "[storage][oci_layout]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  layout_builder layout;
  const std::string type = "application/vnd.oci.image.layer.v1.tar+gzip";
  const auto amd = layout.add_image(image("amd"), type, on("linux", "amd64"));
  const auto arm = layout_builder::describe(oci_manifest, "not even there", on("linux", "arm64"));
  const auto attestation = layout_builder::describe(oci_manifest, "nor this", on("unknown", "unknown"));
  const auto inner = layout.add(oci_index, layout_builder::index_of(arm + "," + amd + "," + attestation));
  const auto outer = layout.add(oci_index, layout_builder::index_of(inner), named("quay.io/a/b:2"));
  world.must_load(layout.finish(outer));
  REQUIRE(world.find("quay.io/a/b:2"));
  CHECK(world.find("quay.io/a/b:2")->id == image("amd").id());
  CHECK(world.store->images()->all().size() == 1);
}

TEST_CASE("a reference annotation counts when it names a repository", "[storage][oci_layout]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const auto load_named = [&](const std::string& name) {
    layout_builder layout;
    world.must_load(
        layout.finish(layout.add_image(image(name), "application/vnd.oci.image.layer.v1.tar+gzip",
                                       "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" + name + "\"}")));
  };
  load_named("me/x:3");
  CHECK(world.find("me/x:3"));
  load_named("latest");
  CHECK(world.said == "Loaded image ID: " + image("latest").id() + "\n");
}

TEST_CASE("what is wrong with a layout or an archive is said, and nothing is left", "[storage][oci_layout]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const std::string layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
  std::vector<std::pair<std::string, std::string>> rows;
  const auto row = [&](std::string archive, std::string message) {
    rows.emplace_back(std::move(archive), std::move(message));
  };
  {
    layout_builder l;
    auto nested = l.add_image(image(), layer_type);
    for (std::size_t i = 0; i < index_nesting_max; ++i) nested = l.add(oci_index, layout_builder::index_of(nested));
    row(l.finish(nested), "nested too deep");
  }
  {
    layout_builder l; // an index that names itself can only do so with a digest that is not its own
    const std::string self = "blobs/sha256/" + std::string(64, 'a');
    l.tar.file(self, layout_builder::index_of("{\"mediaType\":\"" + std::string(oci_index) +
                                              "\",\"digest\":\"sha256:" + std::string(64, 'a') + "\"}"));
    row(l.finish("{\"mediaType\":\"" + std::string(oci_index) + "\",\"digest\":\"sha256:" + std::string(64, 'a') +
                 "\"}"),
        "its content has the digest");
  }
  {
    layout_builder l;
    row(l.finish(l.add_image(image(), layer_type, on("linux", "arm64"))),
        "no matching manifest for linux/amd64 in the manifest list entries");
  }
  {
    layout_builder l;
    row(l.finish(l.add("application/x-chart", "{}")), "unknown media type `application/x-chart`");
  }
  {
    layout_builder l;
    row(l.finish(l.add_image(image(), "application/vnd.in-toto+json")), "layer of unknown media type");
  }
  {
    layout_builder l;
    row(l.finish(layout_builder::describe(oci_manifest, "absent")), "is missing");
    row(l.finish("{\"mediaType\":\"x\",\"digest\":\"sha256:../../../etc/passwd\"}"), "is not a sha256 digest");
    row(l.finish("7"), "a manifest is not an object");
  }
  {
    layout_builder l;
    auto lying = l.add_image(image(), layer_type);
    lying.replace(lying.find("\"size\":"), 7, "\"size\":1");
    row(l.finish(lying), "its size is not what the descriptor says");
  }
  row(tar_builder().file("x", "y").finish(), "not an image archive");
  row(tar_builder().finish(), "not an image archive");
  row("", "not an image archive");
  row("rubbish that is no tar", "read tar");
  row(compress("rubbish that is no tar", "gzip"), "read tar");
  row(compress(docker_archive({image()}), "gzip").substr(0, 100), "gzip stream: cut off");
  row(compress(docker_archive({image()}), "zstd").substr(0, 100), "zstd stream: cut off");
  row(compress(docker_archive({image()}), "xz").substr(0, 100), "xz stream: cut off");
  row(compress(docker_archive({image()}), "bzip2").substr(0, 100), "bzip2 stream: ");
  row(tar_builder().file("repositories", "{}").finish(), "older than 1.10");
  row(tar_builder().file("manifest.json", "null").finish(),
      "invalid manifest, manifest cannot be null (but can be [])");
  row(tar_builder().file("manifest.json", "{}").finish(), "manifest.json is not a list");
  row(tar_builder().file("manifest.json", "[{\"Config\":\"no\"}]").finish(), "open `no`: the archive does not hold it");
  row(tar_builder().file("manifest.json", "[" + std::string(100, '[') + std::string(100, ']') + "]").finish(),
      "not JSON");
  row(tar_builder().file("manifest.json", std::string(json_bytes_max + 1, ' ')).finish(), "larger than");
  row(tar_builder().add({"manifest.json", '3', "", 0, 0, 0, 0, {}, 1, 3}).finish(),
      "files, directories and links only");
  row(tar_builder()
          .file("d/" + std::string(200, 'a') + "/" + std::string(200, 'b') + "/" + std::string(109, 'c'), "")
          .finish(),
      "longer than 512 bytes");
  row(tar_builder().symlink("manifest.json", "../../etc/passwd").finish(), "leads outside of the root");
  row(tar_builder().symlink("manifest.json", "other").symlink("other", "manifest.json").finish(),
      "not an image archive");
  row(tar_builder().file("../manifest.json", "[]").finish(), "leads outside of the root");

  const auto docker = [&](const std::string& config, const std::string& layers, const std::string& tags = "null") {
    return tar_builder()
        .file("c.json", config)
        .file("l.tar", tar_builder().file("f", "x").finish())
        .file("manifest.json", "[{\"Config\":\"c.json\",\"Layers\":" + layers + ",\"RepoTags\":" + tags + "}]")
        .finish();
  };
  const std::string none = R"({"os":"linux","rootfs":{"type":"layers","diff_ids":[]}})";
  const auto with_diff = [](const std::string& id) {
    return "{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" + id + "\"]}}";
  };
  row(docker(none, "[\"l.tar\"]"), "invalid manifest, layers length mismatch: expected 0, got 1");
  row(docker(with_diff("sha256:" + std::string(64, '0')), "[\"l.tar\"]"), "its content has the diff id sha256:");
  row(docker(with_diff("md5:x"), "[\"l.tar\"]"), "is not a diff id");
  row(docker(R"({"os":"windows","rootfs":{"type":"layers"}})", "[]"), "operating system \"windows\" cannot be used");
  row(docker("{}", "[]"), "`rootfs` is missing");
  row(docker(R"({"rootfs":{"type":"x"}})", "[]"), "unknown rootfs type");
  row(docker("[]", "[]"), "not an object");
  row(docker(none, "[]", "[\"Bad\"]"), "must be lowercase");
  row(docker(none, "[]", "[\"noname\"]"), "invalid tag \"noname\"");
  row(docker(none, "[7]"), "something else than texts");
  std::vector<std::string> many(layers_per_image_max + 1, "l.tar");
  row(docker(none, quoted_list(many)), "has more than 499 items");

  for (const auto& [archive, message] : rows) {
    INFO(message);
    auto loaded = world.load(archive);
    REQUIRE(loaded.has_error());
    CHECK(loaded.error().code == errc::invalid_parameter);
    CHECK_THAT(loaded.error().message, Catch::Contains(message));
    world.check_clean(0);
  }
  CHECK(world.store->images()->all().empty());
  CHECK(world.must_load(tar_builder().file("manifest.json", "[]").finish()).empty());
}

TEST_CASE("what skopeo writes is loaded", "[storage][oci_layout]") {
  if (!is_root()) return;
  if (std::system("command -v skopeo >/dev/null 2>&1") != 0) {
    WARN("skipped: skopeo is not installed");
    return;
  }
  temp_dir dir;
  const auto source = dir / "source.tar";
  auto two = image("skopeo");
  two.layers.push_back(tar_builder().file("g", "second").finish());
  two.tags = {"sk:1"};
  two.filter = "none";
  std::ofstream(source, std::ios::binary) << docker_archive({two});
  const auto run = [&](const std::string& command) {
    const auto text = "cd " + dir.path().string() + " && " + command + " >log 2>&1";
    if (std::system(text.c_str()) != 0) FAIL(command << ": " << read_file(dir / "log"));
  };
  const std::string options = " --insecure-policy --tmpdir " + dir.path().string() + " copy ";
  const auto kind = GENERATE(as<std::string>{}, "gzip", "zstd");
  run("skopeo" + options + "--dest-compress-format " + kind + " docker-archive:source.tar oci:out:me/sk:2");
  run("skopeo" + options + "docker-archive:source.tar docker-archive:again.tar:me/sk:3");
  run("tar -C out -cf layout.tar .");
  store_world world(dir / "data");
  world.must_load(read_file(dir / "layout.tar"));
  REQUIRE(world.find("me/sk:2"));
  CHECK(read_file(world.layer(*world.find("me/sk:2"), 1) / "g") == "second");
  world.must_load(read_file(dir / "again.tar"));
  REQUIRE(world.find("me/sk:3"));
  CHECK(world.find("me/sk:3")->layers.size() == 2);
  world.check_clean(2); // the same layers, however they were packed
}
