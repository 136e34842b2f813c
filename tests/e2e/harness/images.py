"""Images made on the spot: tars for import, docker-archives and OCI layouts for load, in any compression."""
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import tarfile
from pathlib import Path

from .engine import ROOT


def busybox_tar():
    """The root file system that tools/busybox-image makes."""
    return subprocess.run([ROOT / "tools" / "busybox-image"], check=True, capture_output=True).stdout


def tar_of(files):
    """A tar of {path: bytes, None for a folder, or a TarInfo to be added as it is}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how == "xz":
        return lzma.compress(data, preset=0)
    if how == "bzip2":
        return __import__("bz2").compress(data, 1)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, capture_output=True, check=True).stdout
    assert how == "none", how
    return data


def digest(data):
    return hashlib.sha256(data).hexdigest()


def config_of(layers, **config):
    """The image configuration for uncompressed layers."""
    return json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05.678901234Z",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer) for layer in layers]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": f"layer {n}", "comment": "e2e"}
                    for n in range(len(layers))],
    }).encode()


def docker_archive(layers, tag, **config):
    """What `docker save` writes: manifest.json, the configuration, one tar a layer."""
    configuration = config_of(layers, **config)
    names = [digest(layer) + "/layer.tar" for layer in layers]
    manifest = [{"Config": digest(configuration) + ".json", "RepoTags": [tag] if tag else None, "Layers": names}]
    files = {digest(configuration) + ".json": configuration, "manifest.json": json.dumps(manifest).encode()}
    files.update(zip(names, layers))
    return tar_of(files)


def oci_layout(layers, tag, compression="gzip", **config):
    """An OCI image layout as one tar."""
    kinds = {"none": "tar", "gzip": "tar+gzip", "zstd": "tar+zstd"}
    blobs = {}

    def blob(data, media_type, **more):
        blobs["blobs/sha256/" + digest(data)] = data
        return {"mediaType": media_type, "digest": "sha256:" + digest(data), "size": len(data), **more}

    packed = [blob(compress(layer, compression), "application/vnd.oci.image.layer.v1." + kinds[compression])
              for layer in layers]
    configuration = blob(config_of(layers, **config), "application/vnd.oci.image.config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                "config": configuration, "layers": packed}).encode(),
                    "application/vnd.oci.image.manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": "docker.io/library/" + tag,
                               "org.opencontainers.image.ref.name": tag.split(":")[1]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
             "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(), **blobs}
    return tar_of(files)


def cache_file(folder, name, make):
    """folder/name, made once by `make(path)`."""
    path = Path(folder, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    return path
