"""Images: import, load in every form, tag, list, history, inspect, remove, prune; and hostile archives."""
import json
import re
import tarfile

import pytest

from harness import images

FORMS = [("docker-archive", "none"), ("docker-archive", "gzip"), ("docker-archive", "zstd"), ("docker-archive", "xz"),
         ("docker-archive", "bzip2"), ("oci", "none"), ("oci", "gzip"), ("oci", "zstd")]


@pytest.fixture(autouse=True)
def only_busybox(engine):
    """Each test starts with the one image and leaves no other."""
    yield
    engine.clear()
    for image in engine.api.get("/images/json", all=1).json:
        if "busybox:latest" not in (image["RepoTags"] or []):
            engine.api.delete("/images/" + image["Id"], force=1)
        else:
            for tag in set(image["RepoTags"]) - {"busybox:latest"}:
                engine.api.delete("/images/" + tag)


@pytest.fixture
def layers(busybox_tar):
    """Three layers: busybox, then a file and a folder, then what removes and replaces."""
    second = images.tar_of({"data": None, "data/one": b"one", "data/two": b"two", "gone": None, "gone/inside": b"x"})
    third = images.tar_of({"data/.wh.one": b"", "data/two": b"second two", ".wh.gone": b""})
    return [busybox_tar, second, third]


def load(engine, data):
    return engine.docker("load", input=data, binary=True).stdout.decode()


@pytest.mark.parametrize("form, compression", FORMS)
def test_load(engine, layers, form, compression):
    if form == "oci":
        data = images.oci_layout(layers, "made:v1", compression)
    else:
        data = images.compress(images.docker_archive(layers, "made:v1"), compression)
    assert "Loaded image: made:v1" in load(engine, data)
    script = "cat /data/two; echo; ls /data; ls /gone 2>&1"
    out = engine.docker("run", "--rm", "--network", "none", "made:v1", "sh", "-c", script, check=False).stdout
    assert out.startswith("second two\ntwo\n") and "/gone: No such file" in out
    details = engine.api.get("/images/made:v1/json").json
    assert [d.split(":")[1] for d in details["RootFS"]["Layers"]] == [images.digest(layer) for layer in layers]
    if form != "oci":
        assert details["Id"] == "sha256:" + images.digest(images.config_of(layers))


def test_load_keeps_one_copy(engine, layers):
    data = images.docker_archive(layers, "made:v1")
    load(engine, data)
    first = engine.api.get("/images/made:v1/json").json["Id"]
    load(engine, data)
    assert engine.api.get("/images/made:v1/json").json["Id"] == first
    load(engine, images.docker_archive(layers, "made:v2", Labels={"x": "y"}))
    assert engine.api.get("/images/made:v2/json").json["Config"]["Labels"] == {"x": "y"}


def test_image_configuration_is_used(engine, busybox_tar):
    data = images.docker_archive([busybox_tar], "app:1", Entrypoint=["/bin/echo", "entry"], Cmd=["default"],
                                 Env=["PATH=/bin", "A=image"], WorkingDir="/tmp", User="65534", Labels={"l": "1"})
    load(engine, data)
    run = ["run", "--rm", "--network", "none"]
    assert engine.out(*run, "app:1") == "entry default"
    assert engine.out(*run, "app:1", "mine") == "entry mine"
    assert engine.out(*run, "--entrypoint", "/bin/sh", "app:1", "-c", "echo $A; pwd; id -u") == "image\n/tmp\n65534"
    assert engine.out(*run, "-e", "A=user", "--entrypoint", "/bin/sh", "app:1", "-c", "echo $A") == "user"


def test_import(engine, client, busybox_tar, tmp_path):
    (tmp_path / "root.tar").write_bytes(busybox_tar)
    digest = engine.out("import", "-c", "CMD [\"echo\", \"imported\"]", "-c", "ENV X=1", "-m", "said so",
                        tmp_path / "root.tar", "imp:1", client=client)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert engine.out("run", "--rm", "imp:1", client=client) == "imported"
    assert "said so" in engine.out("history", "imp:1", client=client)
    assert "X=1" in engine.api.get("/images/imp:1/json").json["Config"]["Env"]


def test_import_compressed(engine, busybox_tar):
    for how in ("gzip", "zstd", "xz"):
        data = images.compress(busybox_tar, how)
        engine.docker("import", "-", f"imp:{how}", input=data, binary=True)
        assert engine.out("run", "--rm", f"imp:{how}", "echo", how) == how


def test_list_tag_remove(engine, api):
    engine.docker("tag", "busybox", "example.com:5000/team/tool:v1")
    rows = engine.out("images", "--format", "{{.Repository}} {{.Tag}}").splitlines()
    assert {"busybox latest", "example.com:5000/team/tool v1"} <= set(rows)
    assert engine.out("images", "-q", "--filter", "reference=example.com:5000/*/*") != ""
    assert engine.out("images", "-q", "--filter", "reference=nosuch") == ""
    assert engine.out("rmi", "example.com:5000/team/tool:v1") == "Untagged: example.com:5000/team/tool:v1"
    refused = api.post("/images/nosuch/tag", repo="x")
    assert refused.status == 404 and refused.message == "No such image: nosuch:latest"
    assert api.post("/images/busybox/tag", repo="Upper").status == 400
    assert api.get("/images/nosuch/json").message == "No such image: nosuch:latest"


def test_an_image_in_use_is_kept(engine, api):
    container = api.create("true")
    refused = api.delete("/images/busybox")
    assert refused.status == 409 and "conflict: unable to remove repository reference \"busybox\" (must force)" in refused.message
    image = api.inspect(container)["Image"]
    engine.docker("tag", "busybox", "second")
    api.remove(container)
    refused = api.delete("/images/" + image.split(":")[1][:12])
    assert refused.status == 409 and "image is referenced in multiple repositories" in refused.message


def test_prune_takes_what_has_no_name(engine, api, layers):
    load(engine, images.docker_archive(layers, "made:v1"))
    load(engine, images.docker_archive(layers, "made:v1", Labels={"new": "1"}))
    dangling = engine.out("images", "-q", "--filter", "dangling=true").split()
    assert len(dangling) == 1
    out = engine.out("image", "prune", "-f")
    assert "deleted: sha256:" in out
    assert engine.out("images", "-q", "--filter", "dangling=true") == ""
    assert api.get("/images/made:v1/json").json["Config"]["Labels"] == {"new": "1"}


def test_removed_image_s_layers_go(engine, api, layers):
    """What only the removed image held is no longer on the disk."""
    def size():
        import os
        return sum(os.lstat(os.path.join(base, name)).st_blocks for base, _, names in os.walk(engine.data_root) for name in names)

    from harness.waiting import wait_for
    before = size()
    load(engine, images.docker_archive([layers[0], images.tar_of({"big": bytes(range(256)) * (80 << 10)})], "big:1"))
    assert size() > before + (19 << 20) // 512
    engine.docker("rmi", "big:1")
    wait_for(lambda: size() < before + (1 << 20) // 512, "the layer to go", 10)


def test_history(engine, layers):
    load(engine, images.docker_archive(layers, "made:v1"))
    rows = engine.out("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "made:v1").splitlines()
    assert rows == ["layer 2|e2e", "layer 1|e2e", "layer 0|e2e"]


def test_missing_image_is_said_so(engine):
    done = engine.docker("create", "--pull", "never", "nosuch:1", check=False)
    assert done.returncode != 0 and "No such image: nosuch:1" in done.stderr


def broken_archives():
    good_config = images.config_of([b""])
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["bad:1"], "Layers": ["l.tar"]}]).encode()
    yield "not a tar", b"this is no archive" * 100
    yield "empty", b""
    yield "no manifest", images.tar_of({"some": b"file"})
    yield "manifest is no JSON", images.tar_of({"manifest.json": b"{"})
    yield "configuration is missing", images.tar_of({"manifest.json": manifest})
    yield "layer is missing", images.tar_of({"manifest.json": manifest, "c.json": good_config})
    yield "layer has another digest", images.tar_of({"manifest.json": manifest, "c.json": good_config,
                                                     "l.tar": images.tar_of({"x": b"y"})})
    yield "layer outside", images.tar_of({"manifest.json": manifest.replace(b"l.tar", b"../../../etc/passwd"),
                                          "c.json": good_config})
    yield "cut short", images.docker_archive([images.tar_of({"x": b"y" * 5000})], "bad:1")[:4000]
    yield "layers without end", images.tar_of({"manifest.json": json.dumps(
        [{"Config": "c.json", "RepoTags": ["bad:1"], "Layers": ["l.tar"] * 2000}]).encode(), "c.json": good_config})


@pytest.mark.parametrize("data", [pytest.param(d, id=n.replace(" ", "-")) for n, d in broken_archives()])
def test_broken_archives_leave_nothing(engine, api, data):
    before = {i["Id"] for i in api.get("/images/json", all=1).json}
    done = engine.docker("load", input=data, binary=True, check=False)
    assert b"Loaded image" not in done.stdout
    assert {i["Id"] for i in api.get("/images/json", all=1).json} == before
    assert engine.out("run", "--rm", "busybox", "echo", "alive") == "alive"


def link(path, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info


def escaping_layers(outside):
    yield "dots", {f"../../../../../../../..{outside}": b"escaped"}
    yield "absolute", {outside: b"escaped"}
    yield "symlink", {"link": link("link", "/"), "link" + outside: b"escaped"}
    yield "relative symlink", {"link": link("link", "../../../../../../../../.."), "link" + outside: b"escaped"}
    yield "hard link", {"hard": link("hard", "/etc/hostname", tarfile.LNKTYPE)}
    yield "hard link with dots", {"hard": link("hard", "../../../../../../etc/hostname", tarfile.LNKTYPE)}
    yield "whiteout of the parent", {"../.wh.data": b""}
    yield "whiteout of dots", {".wh...": b"", ".wh..": b""}


@pytest.mark.parametrize("kind", [n for n, _ in escaping_layers("/x")])
def test_no_layer_reaches_the_host(engine, busybox_tar, tmp_path, kind):
    """Whether the engine refuses such a layer or keeps it inside, the host's files stay as they are."""
    outside = tmp_path / "escaped"
    layer = images.tar_of(dict(escaping_layers(str(outside)))[kind])
    engine.docker("load", input=images.docker_archive([busybox_tar, layer], "bad:1"), binary=True, check=False)
    engine.docker("run", "--rm", "--network", "none", "bad:1", "sh", "-c", "echo ran > /hard", check=False)
    assert not outside.exists()
    with open("/etc/hostname") as file:
        assert "ran" not in file.read()
    assert engine.data_root.exists()
    assert engine.out("run", "--rm", "busybox", "echo", "alive") == "alive"


def test_owners_modes_links_and_times(engine, busybox_tar):
    entries = {}
    for path, mode, uid in (("plain", 0o640, 1000), ("setuid", 0o4755, 0), ("sticky", 0o1777, 7)):
        info = tarfile.TarInfo(path)
        info.mode, info.uid, info.gid, info.mtime = mode, uid, uid + 1, 1000000000
        entries[path] = info
    entries["sym"] = link("sym", "plain")
    entries["hard"] = link("hard", "plain", tarfile.LNKTYPE)
    entries["hard"].mode, entries["hard"].uid, entries["hard"].gid, entries["hard"].mtime = 0o640, 1000, 1001, 1000000000
    entries["long" * 40] = b"long name"
    engine.docker("load", input=images.docker_archive([busybox_tar, images.tar_of(entries)], "kept:1"), binary=True)
    out = engine.out("run", "--rm", "--network", "none", "kept:1", "stat", "-c", "%n %a %u %g %h %Y", "/plain", "/setuid", "/sticky")
    assert out.splitlines() == ["/plain 640 1000 1001 2 1000000000", "/setuid 4755 0 1 1 1000000000",
                                "/sticky 1777 7 8 1 1000000000"]
    assert engine.out("run", "--rm", "kept:1", "readlink", "/sym") == "plain"
    assert engine.out("run", "--rm", "kept:1", "cat", "/" + "long" * 40) == "long name"
