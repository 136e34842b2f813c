"""docker-py, Debian's: the client that most scripts drive an engine with."""
import io
import tarfile

import pytest

docker = pytest.importorskip("docker", reason="python3-docker is not installed: run tools/setup")


@pytest.fixture
def py(engine):
    client = docker.DockerClient(base_url=f"unix://{engine.socket}", version="auto")
    yield client
    client.close()


def test_version_and_info(py):
    assert py.ping() is True
    assert py.version()["Os"] == "linux" and py.info()["OSType"] == "linux"


def test_run(py):
    assert py.containers.run("busybox", ["echo", "hi"], remove=True, network_mode="none") == b"hi\n"
    with pytest.raises(docker.errors.ContainerError) as failed:
        py.containers.run("busybox", ["sh", "-c", "echo why >&2; exit 4"], network_mode="none", remove=True)
    assert failed.value.exit_status == 4 and b"why" in failed.value.stderr
    with pytest.raises(docker.errors.NotFound):
        py.containers.get("nosuch")
    with pytest.raises(docker.errors.ImageNotFound):
        py.images.get("nosuch")


def test_a_container_s_life(py):
    container = py.containers.run("busybox", ["sh", "-c", "echo one; echo two >&2; sleep 1000"], detach=True, name="py",
                                  network_mode="none", labels={"k": "v"}, environment={"A": "1"}, mem_limit="32m")
    container.reload()
    assert container.status == "running" and container.labels == {"k": "v"}
    assert [c.name for c in py.containers.list(filters={"label": "k=v"})] == ["py"]
    for line in container.logs(stream=True, follow=True, stdout=True, stderr=False):
        assert line == b"one\n"
        break
    assert container.top()["Titles"]
    container.kill(signal="SIGKILL")
    assert container.wait()["StatusCode"] == 137
    assert container.logs(stdout=False) == b"two\n"
    container.start()
    container.stop(timeout=0)
    container.rename("py2")
    container.remove()
    assert py.containers.list(all=True) == []


def test_attach_socket(py):
    container = py.containers.create("busybox", "cat", stdin_open=True, network_mode="none")
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"hello\n")
    assert sock._sock.recv(100)[8:] == b"hello\n"
    sock.close()
    container.remove(force=True)


def test_attach_stream(py):
    container = py.containers.create("busybox", ["sh", "-c", "echo out; echo err >&2"], network_mode="none")
    stream = container.attach(stream=True, demux=True, stdout=True, stderr=True)
    container.start()
    assert sorted(stream, key=str) == sorted([(b"out\n", None), (None, b"err\n")], key=str)


def test_images(py, busybox_tar):
    image = py.images.get("busybox")
    assert image.tags == ["busybox:latest"]
    assert image.tag("py/tagged", tag="v1")
    assert {"busybox:latest", "py/tagged:v1"} == set(py.images.get("busybox").tags)
    py.images.remove("py/tagged:v1")
    assert py.api.import_image_from_data(busybox_tar, repository="py/imported")
    py.images.remove("py/imported")


def test_load(py, busybox_tar):
    from harness import images
    loaded = py.images.load(images.docker_archive([busybox_tar], "py/loaded:1"))
    assert loaded[0].tags == ["py/loaded:1"]
    py.images.remove("py/loaded:1")


def test_events(py):
    events = py.events(decode=True)
    py.containers.run("busybox", "true", network_mode="none", remove=True)
    seen = []
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            break
    events.close()
    assert seen[0] == "create" and {"start", "die", "destroy"} <= set(seen)


def test_archive_helpers_are_said_to_be_missing(py):
    """docker cp comes later: until then a clear 501, no hang."""
    container = py.containers.create("busybox", "true", network_mode="none")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w"):
        pass
    try:
        container.put_archive("/", data.getvalue())
    except docker.errors.APIError as error:
        assert error.response.status_code == 501
    container.remove()
