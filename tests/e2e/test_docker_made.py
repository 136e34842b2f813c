"""An image that Docker itself saved: made by Debian's dockerd, loaded and run here."""
import os
import shutil
import subprocess
import tempfile

import pytest

from harness.engine import CACHE, ROOT
from harness.images import cache_file

PEER = CACHE / "docker.io" / "usr"


def saved_by_docker(tar):
    """Runs the peer, makes an image of two layers by import and commit, saves it."""
    def make(path):
        work = tempfile.mkdtemp(prefix="gantry-e2e-")
        peer = os.path.join(work, "gantry-peer")
        env = {**os.environ, "DOCKER_HOST": f"unix://{peer}/docker.sock", "DOCKER_CONFIG": work}

        def docker(*args, **kw):
            return subprocess.run([PEER / "bin" / "docker", *args], check=True, capture_output=True, env=env, timeout=120, **kw)

        try:
            subprocess.run([ROOT / "tools" / "peer", "start", peer], check=True, capture_output=True, timeout=120)
            docker("import", "-c", 'CMD ["cat", "/made"]', "-", "base", input=tar)
            docker("run", "--name", "made", "--network", "none", "base", "sh", "-c", "echo by docker > /made; rm /etc/group")
            docker("commit", "-c", 'CMD ["cat", "/made"]', "-c", "LABEL from=docker", "made", "dockermade:1")
            docker("tag", "dockermade:1", "dockermade:also")
            docker("save", "-o", path, "dockermade:1", "dockermade:also")
        finally:
            subprocess.run([ROOT / "tools" / "peer", "stop", peer], check=False, capture_output=True)
            shutil.rmtree(work, ignore_errors=True)
    return make


@pytest.mark.seconds(300)
def test_an_image_saved_by_docker(engine, busybox_tar):
    if not (PEER / "sbin" / "dockerd").exists():
        pytest.skip("no unpacked dockerd: run tools/setup")
    try:
        path = cache_file(CACHE, "saved-by-docker.tar", saved_by_docker(busybox_tar))
    except subprocess.SubprocessError as problem:
        pytest.skip(f"Debian's dockerd made no image: {problem}")
    loaded = engine.out("load", "-i", path)
    assert set(loaded.splitlines()) == {"Loaded image: dockermade:1", "Loaded image: dockermade:also"}
    assert engine.out("run", "--rm", "--network", "none", "dockermade:1") == "by docker"
    gone = engine.docker("run", "--rm", "--network", "none", "dockermade:also", "cat", "/etc/group", check=False)
    assert gone.returncode == 1 and "No such file" in gone.stderr
    assert engine.api.get("/images/dockermade:1/json").json["Config"]["Labels"] == {"from": "docker"}
    engine.docker("rmi", "dockermade:1", "dockermade:also")
