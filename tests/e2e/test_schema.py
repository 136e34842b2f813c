"""Replies against the Engine API's own description of version 1.51."""
import json
import time

import pytest

from harness.engine import ROOT
from harness.schema import Schema

DOCUMENT = ROOT.parent / "shared" / "spec" / "engine-api-v1.51.yaml"
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="no ../shared/spec/engine-api-v1.51.yaml beside this repository")


@pytest.fixture(scope="module")
def schema():
    return Schema(DOCUMENT)


@pytest.fixture
def seasoned(api):
    """An engine with a created, a running and an ended container."""
    begin = time.time()
    api.create("true", name="made", Labels={"a": "b"}, Env=["X=1"], HostConfig={"NetworkMode": "none", "Memory": 64 << 20})
    api.run("sleep", "1000", name="going")
    api.wait(api.run("sh", "-c", "exit 3", name="gone"))
    return begin


def test_the_validator_finds_what_is_wrong(schema):
    """A test that cannot fail is none."""
    described = schema.reply_of("/version")
    assert schema.problems({"Version": 5}, described) and schema.problems([], described)
    assert schema.problems({"Unheard": 1}, described)
    assert schema.problems([{"Id": "x"}], schema.reply_of("/images/json"))  # lacks required members


@pytest.mark.parametrize("path", ["/version", "/info", "/containers/json", "/images/json"])
def test_lists_and_info(api, schema, seasoned, path):
    reply = api.get(path, **({"all": 1} if path == "/containers/json" else {}))
    assert reply.status == 200
    assert schema.problems(reply.json, schema.reply_of(path)) == []


@pytest.mark.parametrize("name", ["made", "going", "gone"])
def test_container_inspect(api, schema, seasoned, name):
    assert schema.problems(api.inspect(name), schema.reply_of("/containers/{id}/json")) == []


def test_image_inspect(api, schema, engine):
    assert schema.problems(api.get("/images/busybox/json").json, schema.reply_of("/images/{name}/json")) == []
    history = api.get("/images/busybox/history")
    assert schema.problems(history.json, schema.reply_of("/images/{name}/history")) == []


def test_events(api, schema, seasoned):
    reply = api.get("/events", since=f"{seasoned:.9f}", until=f"{time.time():.9f}")
    found = [json.loads(line) for line in reply.body.splitlines() if line]
    assert found
    described = dict(schema.reply_of("/events"))
    for event in found:
        # the members of old clients, which the description no longer names
        event = {k: v for k, v in event.items() if k not in ("status", "id", "from")}
        assert schema.problems(event, described) == []


def test_small_replies(api, schema, seasoned):
    made = api.post("/containers/create", body={"Image": "busybox", "Cmd": ["true"]}).json
    assert schema.problems(made, schema.reply_of("/containers/create", "post", 201)) == []
    assert schema.problems(api.post("/containers/gone/wait").json, schema.reply_of("/containers/{id}/wait", "post")) == []
    assert schema.problems(api.get("/containers/going/top").json, schema.reply_of("/containers/{id}/top")) == []
    pruned = api.post("/containers/prune").json
    assert schema.problems(pruned, schema.reply_of("/containers/prune", "post")) == []
