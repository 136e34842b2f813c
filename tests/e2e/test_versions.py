"""Every API version from 1.24 to 1.51, as clients of those days ask for it."""
import pytest

from harness.api import Api
from harness.engine import docker_commands

VERSIONS = [f"1.{minor}" for minor in range(24, 52)]


def test_the_versions_of_the_engine(api):
    version = api.get("/version").json
    assert (version["MinAPIVersion"], version["ApiVersion"]) == ("1.24", "1.51")
    assert (version["Os"], version["Arch"]) == ("linux", "amd64")
    assert api.get("/_ping").headers["Api-Version"] == "1.51"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_life_in_each_version(engine, version):
    api = Api(engine.socket, version)
    assert api.get("/info").status == api.get("/version").status == 200
    container = api.create("echo", version, HostConfig={"NetworkMode": "none"})
    api.start(container)
    assert api.wait(container) == 0
    assert api.logs(container)[0].decode() == version + "\n"
    assert container in [c["Id"] for c in api.containers()]
    assert api.inspect(container)["State"]["Status"] == "exited"
    assert api.get("/images/json").json
    api.remove(container, force=False)


@pytest.mark.parametrize("version, words", [
    ("1.23", "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"),
    ("1.52", "client version 1.52 is too new. Maximum supported API version is 1.51"),
    ("9.0", "client version 9.0 is too new. Maximum supported API version is 1.51"),
])
def test_versions_outside(engine, version, words):
    reply = Api(engine.socket, version).get("/info")
    assert reply.status == 400 and words in reply.body.decode()


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.40", "1.41", "1.44", "1.47", "1.49"])
def test_the_docker_command_in_old_versions(engine, version):
    env = {"DOCKER_API_VERSION": version}
    assert engine.out("run", "--rm", "--network", "none", "busybox", "echo", "hi", env=env) == "hi"
    assert engine.docker("ps", "-a", env=env).returncode == 0
    assert version in engine.out("version", "--format", "{{.Client.APIVersion}}", env=env)


@pytest.mark.skipif(len(docker_commands()) < 2, reason="only one docker command here: tools/setup fetches another")
@pytest.mark.parametrize("client", docker_commands().values(), ids=docker_commands().keys())
def test_an_old_command_negotiates(engine, client):
    shown = engine.out("version", "--format", "{{.Client.APIVersion}} {{.Server.APIVersion}}", client=client).split()
    assert shown[1] == "1.51" and shown[0] <= "1.51"
    assert "Server Version" in engine.out("info", client=client)
