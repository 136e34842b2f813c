"""create, ps, stop, kill, restart, rename, wait, top, rm, prune: what changes a container's state, and how it is shown."""
import json
import re
import threading
import time

import pytest

from harness.api import connect, read_all
from harness.waiting import wait_for

TRAPS = "trap 'echo caught; exit 12' TERM; echo ready; while :; do sleep 0.05; done"


def ready(api, container):
    wait_for(lambda: b"ready" in api.logs(container)[0], "the container's program")


def test_created_started_exited(engine, api):
    container = api.create("true", name="one")
    assert api.inspect("one")["State"]["Status"] == "created"
    assert engine.docker("start", "one").stdout == "one\n"
    assert engine.out("wait", "one") == "0"
    state = api.inspect(container)["State"]
    assert (state["Status"], state["Running"], state["ExitCode"], state["Pid"]) == ("exited", False, 0, 0)
    assert state["StartedAt"] <= state["FinishedAt"]
    assert api.inspect(container[:12])["Name"] == "/one"


def test_states_that_refuse(api):
    container = api.run("sleep", "1000", name="busy")
    assert api.post("/containers/busy/start").status == 304
    refused = api.delete("/containers/busy")
    assert refused.status == 409
    assert refused.message == ('cannot remove container "/busy": container is running: '
                               "stop the container before removing or force remove")
    assert api.delete(f"/containers/{container}", force=1).status == 204
    assert api.get("/containers/busy/json").message == "No such container: busy"
    stopped = api.create("true")
    assert api.post(f"/containers/{stopped}/stop").status == 304
    refused = api.post(f"/containers/{stopped}/kill")
    assert refused.status == 409 and refused.message.endswith("is not running")
    assert api.post(f"/containers/{stopped}/kill", signal="NOSUCH").status == 400


def test_names(api):
    first = api.create("true", name="taken")
    refused = api.post("/containers/create", body={"Image": "busybox", "Cmd": ["true"]}, name="taken")
    assert refused.status == 409
    assert refused.message == (f'Conflict. The container name "/taken" is already in use by container "{first}". '
                               "You have to remove (or rename) that container to be able to reuse that name.")
    for bad in ("a", "-a", "a b", "a/b", "ä"):
        refused = api.post("/containers/create", body={"Image": "busybox", "Cmd": ["true"]}, name=bad)
        assert refused.status == 400, bad
        assert refused.message == f"Invalid container name ({bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    named = api.inspect(api.create("true"))["Name"]
    assert named.startswith("/") and "_" in named


def test_stop_lets_the_program_end_itself(engine, api):
    container = api.run("sh", "-c", TRAPS)
    ready(api, container)
    assert engine.out("stop", container) == container
    assert api.inspect(container)["State"]["ExitCode"] == 12
    assert api.logs(container)[0] == b"ready\ncaught\n"


def test_stop_kills_after_its_time(engine, api):
    container = api.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    ready(api, container)
    begin = time.monotonic()
    engine.docker("stop", "-t", "1", container)
    assert 0.9 < time.monotonic() - begin < 8
    assert api.inspect(container)["State"]["ExitCode"] == 137


def test_stop_signal_of_the_container(api):
    container = api.run("sh", "-c", "trap 'exit 33' USR2; echo ready; while :; do sleep 0.05; done", StopSignal="SIGUSR2")
    ready(api, container)
    assert api.post(f"/containers/{container}/stop").status == 204
    assert api.inspect(container)["State"]["ExitCode"] == 33


@pytest.mark.parametrize("signal", ["HUP", "SIGHUP", "1", "hup"])
def test_kill_with_a_signal(engine, api, signal):
    container = api.run("sh", "-c", "trap 'exit 44' HUP; echo ready; while :; do sleep 0.05; done")
    ready(api, container)
    assert engine.out("kill", "-s", signal, container) == container
    assert api.wait(container) == 44


def test_restart_keeps_files_and_changes_the_process(engine, api):
    container = api.run("sh", "-c", "echo run >> /count; wc -l < /count; exec sleep 1000")
    wait_for(lambda: api.logs(container)[0] == b"1\n", "the first run")
    pid = api.inspect(container)["State"]["Pid"]
    engine.docker("restart", "-t", "0", container)
    wait_for(lambda: api.logs(container)[0] == b"1\n2\n", "the second run")
    state = api.inspect(container)["State"]
    assert state["Running"] and state["Pid"] != pid


def test_rename(engine, api):
    container = api.create("true", name="old")
    engine.docker("rename", "old", "new")
    assert api.inspect("new")["Id"] == container
    assert api.get("/containers/old/json").status == 404
    api.create("true", name="other")
    refused = api.post("/containers/other/rename", name="new")
    assert refused.status == 409 and refused.message.startswith("Error when allocating new name: Conflict.")
    assert api.post("/containers/other/rename", name="other").message == \
        "Renaming a container with the same name as its current name"


def waiting(api, container, condition):
    """A wait that the engine has taken on: its status and headers come at once, the answer at the end."""
    sock = connect(api.path)
    sock.sendall(f"POST /containers/{container}/wait?condition={condition} HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(4096)
        assert part, head
        head += part
    assert head.startswith(b"HTTP/1.1 200"), head
    return sock, head


def answer(sock, received):
    status = int(re.search(rb'"StatusCode":(-?\d+)', read_all(sock, received))[1])
    sock.close()
    return status


def test_wait_conditions(api):
    container = api.create("sh", "-c", "exit 8")
    assert api.post(f"/containers/{container}/wait", condition="not-running").json["StatusCode"] == 0  # created: at once
    next_exit = waiting(api, container, "next-exit")
    api.start(container)
    assert answer(*next_exit) == 8
    removed = waiting(api, container, "removed")
    api.remove(container)
    assert answer(*removed) == 8
    assert api.post("/containers/nosuch/wait").status == 404
    assert api.post(f"/containers/{api.create('true')}/wait", condition="x").message == 'invalid condition: "x"'


def test_top(engine, api):
    container = api.run("sh", "-c", "sleep 998 & exec sleep 999")
    wait_for(lambda: len(api.get(f"/containers/{container}/top").json["Processes"]) == 2, "two processes")
    out = engine.out("top", container)
    assert "PID" in out and "sleep 998" in out and "sleep 999" in out
    titles = api.get(f"/containers/{container}/top", ps_args="-o pid,comm").json
    assert titles["Titles"][0] == "PID" and {row[1] for row in titles["Processes"]} == {"sleep"}
    assert api.get(f"/containers/{api.create('true')}/top").status == 409


def test_ps_filters_and_formats(engine, api):
    running = api.run("sleep", "1000", name="runner", Labels={"tier": "web", "empty": ""})
    exited = api.run("sh", "-c", "exit 5", name="ended", Labels={"tier": "db"})
    api.wait(exited)
    api.create("true", name="fresh")

    def names(*filters, all=True):
        flags = [word for f in filters for word in ("--filter", f)]
        return set(engine.out("ps", *(["-a"] if all else []), "--format", "{{.Names}}", *flags).split())

    assert names(all=False) == {"runner"}
    assert names() == {"runner", "ended", "fresh"}
    assert names("status=exited") == {"ended"}
    assert names("status=created", "status=running") == {"fresh", "runner"}
    assert names("exited=5") == {"ended"}
    assert names("exited=6") == set()
    assert names("label=tier") == {"runner", "ended"}
    assert names("label=tier=web", "label=empty=") == {"runner"}
    assert names("name=run") == {"runner"}
    assert names("name=^run$") == set()
    assert names(f"id={running[:10]}") == {"runner"}
    assert names("ancestor=busybox") == {"runner", "ended", "fresh"}
    assert names("before=fresh") == {"runner", "ended"}
    assert names("since=runner") == {"ended", "fresh"}
    assert names("network=none") == {"runner", "ended", "fresh"}
    assert engine.out("ps", "-aql").split() == [api.inspect("fresh")["Id"][:12]]
    row = json.loads(engine.out("ps", "-a", "--filter", "name=ended", "--format", "{{json .}}"))
    assert (row["Names"], row["Image"], row["State"]) == ("ended", "busybox", "exited")
    assert row["Status"].startswith("Exited (5) ")
    assert row["Command"] == '"sh -c \'exit 5\'"'
    assert engine.out("ps", "--filter", "name=runner", "--format", "{{.Status}}").startswith("Up ")
    refused = api.get("/containers/json", filters={"nosuch": ["1"]})
    assert refused.status == 400 and "invalid filter 'nosuch'" in refused.message
    legacy = api.get("/containers/json", all=1, filters={"name": {"runner": True}}).json
    assert [c["Names"] for c in legacy] == [["/runner"]]
    assert [c["Names"] for c in api.get("/containers/json", limit=1).json] == [["/fresh"]]


def test_inspect_templates(engine, api):
    container = api.create("echo", "a b", name="seen", Env=["A=1"], HostConfig={"NetworkMode": "none", "Memory": 64 << 20})
    out = engine.out("inspect", "--format", "{{.Id}} {{.State.Status}} {{.HostConfig.Memory}} {{json .Config.Cmd}}", "seen")
    assert out == f'{container} created {64 << 20} ["echo","a b"]'
    assert engine.out("inspect", "-f", "{{.Path}} {{.Args}}", "seen") == "echo [a b]"
    assert engine.out("container", "inspect", "-f", "{{.HostConfig.NetworkMode}}", "seen") == "none"
    missing = engine.docker("inspect", "nosuch", check=False)
    assert missing.returncode == 1 and "No such object: nosuch" in missing.stderr


def test_rm_and_prune(engine, api):
    running = api.run("sleep", "1000")
    dead = [api.run("true") for _ in range(3)]
    for container in dead:
        api.wait(container)
    assert "container is running" in engine.docker("rm", running, check=False).stderr
    assert engine.out("rm", dead[0]) == dead[0]
    out = engine.out("container", "prune", "-f")
    assert set(dead[1:]) <= set(out.split()) and "Total reclaimed space" in out
    assert engine.out("rm", "-f", running) == running
    assert api.containers() == []
    assert engine.docker("rm", "-f", "nosuch", check=False).stderr.count("No such container: nosuch") <= 1


def test_removal_during_a_run(api):
    """A removal by force at any moment of the start leaves nothing and breaks nothing."""
    for _ in range(20):
        container = api.create("sleep", "1000")
        starter = threading.Thread(target=api.post, args=(f"/containers/{container}/start",))
        starter.start()
        assert api.delete(f"/containers/{container}", force=1).status == 204
        starter.join()
        assert api.get(f"/containers/{container}/json").status == 404


def test_stopping_many_at_once(engine, api):
    containers = [api.run("sh", "-c", TRAPS) for _ in range(10)]
    for container in containers:
        ready(api, container)
    engine.docker("stop", *containers)
    assert {api.inspect(c)["State"]["ExitCode"] for c in containers} == {12}


def test_parallel_creates_of_one_name(api):
    statuses = []
    body = {"Image": "busybox", "Cmd": ["true"]}
    threads = [threading.Thread(target=lambda: statuses.append(api.post("/containers/create", body=body, name="race").status))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7
