"""docker events: the order of a container's life, filters, what is past and what is live."""
import json
import select
import subprocess
import time

from harness.waiting import wait_for


def events(engine, since, **filters):
    reply = engine.api.get("/events", since=f"{since:.9f}", until=f"{time.time():.9f}",
                           **({"filters": filters} if filters else {}))
    assert reply.status == 200, reply
    return [json.loads(line) for line in reply.body.decode().splitlines() if line.strip()]


def actions(found):
    return [e["Action"] for e in found if e["Type"] == "container"]


def test_a_life(engine, api):
    begin = time.time()
    container = api.create("sh", "-c", "exit 7", name="lived", Labels={"mine": "yes"})
    api.start(container)
    api.wait(container)
    api.remove(container)
    wait_for(lambda: actions(events(engine, begin, container=[container]))[-1:] == ["destroy"], "the last event")
    found = events(engine, begin, container=[container])
    assert actions(found) == ["create", "start", "die", "destroy"]
    die = found[2]
    assert die["Actor"]["ID"] == container and die["scope"] == "local"
    attributes = die["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["name"], attributes["image"], attributes["mine"]) == ("7", "lived", "busybox", "yes")
    assert [e["timeNano"] for e in found] == sorted(e["timeNano"] for e in found)
    assert die["time"] == die["timeNano"] // 10**9
    assert (die["status"], die["id"], die["from"]) == ("die", container, "busybox")


def test_stop_kill_rename(engine, api):
    begin = time.time()
    container = api.run("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    wait_for(lambda: api.logs(container)[0], "the program")
    api.post(f"/containers/{container}/rename", name="renamed")
    api.post(f"/containers/{container}/stop")
    found = events(engine, begin, container=[container])
    assert actions(found) == ["create", "start", "rename", "kill", "die", "stop"]
    assert found[2]["Actor"]["Attributes"]["oldName"].startswith("/")
    assert found[3]["Actor"]["Attributes"]["signal"] == "15"


def test_filters(engine, api):
    begin = time.time()
    one = api.run("true", Labels={"color": "red"})
    two = api.run("true", Labels={"color": "blue"})
    for container in (one, two):
        api.wait(container)
    assert {e["Actor"]["ID"] for e in events(engine, begin, label=["color=red"])} == {one}
    assert actions(events(engine, begin, event=["start"])) == ["start", "start"]
    assert events(engine, begin, type=["volume"]) == []
    assert len(events(engine, begin, type=["container"], event=["create", "die"])) == 4


def test_live(engine, api):
    watcher = engine.spawn("events", "--format", "{{.Type}} {{.Action}}", "--filter", "event=die", stdin=subprocess.DEVNULL)
    try:
        lines = []
        deadline = time.time() + 10
        while not lines and time.time() < deadline:  # until the watcher is on
            api.wait(api.run("true"))
            if select.select([watcher.stdout], [], [], 0.2)[0]:
                lines.append(watcher.stdout.readline())
        assert lines and lines[0] == b"container die\n"
    finally:
        watcher.kill()
        watcher.communicate()


def test_image_events(engine, api):
    begin = time.time()
    engine.docker("tag", "busybox", "evented:1")
    engine.docker("rmi", "evented:1")
    assert [e["Action"] for e in events(engine, begin, type=["image"])] == ["tag", "untag"]


def test_two_seconds_of_churn_lose_no_event(engine, api):
    begin = time.time()
    containers = []
    for _ in range(40):
        container = api.run("true")
        api.wait(container)
        api.remove(container)
        containers.append(container)
    wait_for(lambda: len([a for a in actions(events(engine, begin)) if a == "destroy"]) == 40, "all removals")
    found = events(engine, begin)
    for container in containers:
        assert [e["Action"] for e in found if e["Actor"]["ID"] == container] == ["create", "start", "die", "destroy"]
