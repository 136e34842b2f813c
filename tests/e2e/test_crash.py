"""kill -9 of the engine: containers go on without a pause, and the next engine knows everything that was acknowledged."""
import os
import random
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import images, traces
from harness.api import Api
from harness.waiting import wait_for

pytestmark = pytest.mark.gantry_only
KILLS = int(os.environ.get("GANTRY_KILLS", "20"))
CONTAINERS = 20
# A tick each 10 ms, numbered; ends when asked, with a status of its own. `sleep` is an applet, so each tick is a fork.
COUNT = "n=0; trap 'exit {status}' TERM; while :; do n=$((n+1)); echo $n; sleep 0.01; done"


def seconds(stamp):
    """2024-01-02T03:04:05.123456789Z as seconds of the day, which is enough to subtract."""
    hours, minutes, rest = re.search(r"T(\d\d):(\d\d):([\d.]+)Z", stamp).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@pytest.fixture
def engine(make_engine, request):
    """A fresh engine for each test here: they kill it."""
    return make_engine()


def numbers(api, container):
    return [int(line) for line in api.logs(container)[0].split()]


def test_containers_do_not_notice(engine):
    containers = [engine.api.run("sh", "-c", COUNT.format(status=n)) for n in range(CONTAINERS)]
    for container in containers:
        wait_for(lambda c=container: len(numbers(engine.api, c)) > 5, "the first lines")
    pids = {c: engine.api.inspect(c)["State"]["Pid"] for c in containers}
    engine.kill()
    away_since = time.time()
    wait_for(lambda: time.time() > away_since + 2, "two seconds without an engine", 5)
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids.values())
    engine.start()

    api = engine.api
    assert {c["Id"] for c in api.containers()} == set(containers)
    for container in containers:
        state = api.inspect(container)["State"]
        assert state["Running"] and state["Pid"] == pids[container]
    for status, container in enumerate(containers):
        before = len(numbers(api, container))
        wait_for(lambda c=container, b=before: len(numbers(api, c)) > b, "more lines")
        assert api.post(f"/containers/{container}/stop").status == 204
        assert api.inspect(container)["State"]["ExitCode"] == status
        found = numbers(api, container)
        assert found == list(range(1, len(found) + 1)), "a line was lost or doubled"
        stamped = api.logs(container, timestamps=1)[0].decode().splitlines()
        moments = [seconds(line) for line in stamped]
        gaps = [b - a for a, b in zip(moments, moments[1:])]
        # the machine's own hiccups are well below the two seconds of the engine's absence
        assert max(gaps) < 1.5, f"no line for {max(gaps):.2f} s"
        assert min(gaps) >= 0


def test_exits_while_the_engine_is_away(engine):
    api = engine.api
    ends = [api.run("sh", "-c", f"read go; echo last words {n}; exit {n}", OpenStdin=True) for n in range(5)]
    killed = api.run("sleep", "1000")
    timed = [api.run("sh", "-c", f"sleep 0.5; echo last words {n}; exit {n}") for n in range(10, 15)]
    pid = api.inspect(killed)["State"]["Pid"]
    engine.kill()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the killed container's end")
    wait_for(lambda: not any("sleep 0.5" in line for line in _inside(engine)), "the timed ends", 15)
    engine.start()
    assert api.wait(killed) == 137
    for n, container in zip(range(10, 15), timed):
        assert api.wait(container) == n
        assert api.logs(container)[0] == f"last words {n}\n".encode()
        state = api.inspect(container)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", n)
    for container in ends:
        assert api.inspect(container)["State"]["Running"]


def _inside(engine):
    """A line for each process inside the engine's containers."""
    return traces.processes("//none", engine.cgroup)


def test_input_and_terminals_outlive_the_engine(engine):
    api = engine.api
    plain = api.run("sh", "-c", "while read x; do echo got $x; done; echo eof", OpenStdin=True)
    terminal = api.run("sh", "-c", "while read x; do echo got $x; done", OpenStdin=True, Tty=True)
    for restart in (False, True):
        if restart:
            engine.kill()
            engine.start()
        for container in (plain, terminal):
            _, sock, _ = api.hijack(f"/containers/{container}/attach?stream=1&stdin=1")
            sock.sendall(b"word%d\n" % restart)
            sock.close()
            wait_for(lambda c=container: b"got word%d" % restart in api.get(f"/containers/{c}/logs", stdout=1).body, "the answer")
    assert api.inspect(plain)["State"]["Running"]


def test_a_container_started_by_one_engine_is_stopped_and_removed_by_the_next(engine):
    api = engine.api
    container = api.run("sleep", "1000", name="inherited")
    created = api.create("echo", "later", name="made")
    engine.kill()
    engine.start()
    assert api.post("/containers/inherited/stop", t=0).status == 204
    assert api.inspect(container)["State"]["ExitCode"] == 137
    api.remove(container, force=False)
    api.start(created)
    assert api.wait("made") == 0
    assert api.logs("made")[0] == b"later\n"
    refused = api.post("/containers/create", body={"Image": "busybox", "Cmd": ["true"]}, name="made")
    assert refused.status == 409


def test_rm_flag_is_kept_over_a_crash(engine):
    container = engine.api.run("sh", "-c", "sleep 0.5", HostConfig={"NetworkMode": "none", "AutoRemove": True})
    engine.kill()
    engine.start()
    wait_for(lambda: engine.api.get(f"/containers/{container}/json").status == 404, "the container to be removed")


def test_images_survive(engine, busybox_tar):
    engine.docker("load", input=images.docker_archive([busybox_tar], "kept:1", Labels={"a": "b"}), binary=True)
    before = sorted(i["Id"] for i in engine.api.get("/images/json").json)
    for _ in range(3):
        engine.kill()
        engine.start()
    assert sorted(i["Id"] for i in engine.api.get("/images/json").json) == before
    assert engine.out("run", "--rm", "kept:1", "echo", "fine") == "fine"


def test_killed_during_a_load(engine, busybox_tar):
    """The image is whole or absent, whenever the engine dies."""
    archive = images.docker_archive([busybox_tar, images.tar_of({"big": os.urandom(1 << 20) * 30})], "loading:1")
    seed = int(os.environ.get("GANTRY_SEED", time.time_ns() & 0xffff))
    print(f"GANTRY_SEED={seed}")
    delays = random.Random(seed)
    for _ in range(5):
        loader = threading.Thread(target=lambda: engine.docker("load", input=archive, binary=True, check=False))
        loader.start()
        time.sleep(delays.uniform(0.01, 0.4))  # the moment of the crash is the random input here
        engine.kill()
        loader.join()
        engine.start()
        if engine.api.get("/images/loading:1/json").status == 200:
            out = engine.out("run", "--rm", "--network", "none", "loading:1", "stat", "-c", "%s", "/big")
            assert out == str(30 << 20)
            engine.docker("rmi", "-f", "loading:1")
    assert engine.out("run", "--rm", "busybox", "echo", "alive") == "alive"


class Ledger:
    """What the engine acknowledged: what it must still know after a crash."""

    def __init__(self):
        self.lock = threading.Lock()
        self.created, self.exits, self.removing, self.removed = set(), {}, set(), set()

    def add(self, kind, container, value=None):
        with self.lock:
            if kind == "exits":
                self.exits[container] = value
            else:
                getattr(self, kind).add(container)


def churn(socket_path, ledger, stop, number):
    """Creates, starts, waits and deletes until told to stop; an engine that is away is waited for."""
    api, n = Api(socket_path, seconds=20), 0
    while not stop.is_set():
        n += 1
        status = (number * 31 + n) % 200
        try:
            reply = api.post("/containers/create", body={
                "Image": "busybox", "Cmd": ["sh", "-c", f"echo {status}; exit {status}"], "HostConfig": {"NetworkMode": "none"}})
            if reply.status != 201:
                continue
            container = reply.json["Id"]
            ledger.add("created", container)
            if api.post(f"/containers/{container}/start").status not in (204, 304):
                continue
            reply = api.post(f"/containers/{container}/wait")
            if reply.status != 200:
                continue
            ledger.add("exits", container, (status, reply.json["StatusCode"]))
            if n % 3:
                ledger.add("removing", container)
                if api.delete(f"/containers/{container}").status == 204:
                    ledger.add("removed", container)
        except Exception:  # noqa: BLE001 - the engine was killed under this request: nothing was acknowledged
            time.sleep(0.005)


@pytest.mark.seconds(120 + KILLS * 15)
def test_kills_at_random_moments_during_churn(engine):
    seed = int(os.environ.get("GANTRY_SEED", time.time_ns() & 0xffffff))
    print(f"GANTRY_SEED={seed} GANTRY_KILLS={KILLS}")
    moments = random.Random(seed)
    ledger, stop = Ledger(), threading.Event()
    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(churn, engine.socket, ledger, stop, n) for n in range(4)]
        try:
            for _ in range(KILLS):
                time.sleep(moments.uniform(0.02, 0.6))  # the moment of the crash is the random input here
                engine.kill()
                engine.start()
            done = len(ledger.exits)
            wait_for(lambda: len(ledger.exits) > done + 5, "work to go on after the last crash", 20)
        finally:
            stop.set()
        for worker in workers:
            worker.result(30)

    assert all(expected == got for expected, got in ledger.exits.values()), "a wrong exit status"
    known = {c["Id"]: c for c in engine.api.containers()}
    assert not set(known) & ledger.removed, "removed, and there again"
    lost = ledger.created - ledger.removing - set(known)
    assert not lost, f"acknowledged, and lost: {lost}"
    for container, (expected, _) in ledger.exits.items():
        if container in known:
            assert engine.api.inspect(container)["State"]["ExitCode"] == expected
            assert engine.api.logs(container)[0] == b"%d\n" % expected

    def all_ended():
        running = [(c["Id"], engine.api.inspect(c["Id"])["State"]["Pid"]) for c in engine.api.containers()
                   if c["State"] == "running"]
        # what none can wait for: a container that is shown running, and has no process
        ghosts = [(container, pid) for container, pid in running if not os.path.exists(f"/proc/{pid}")]
        if running:
            print("running:", running, "of these ghosts:", ghosts)
        return not running

    wait_for(all_ended, "the last containers to end", 10, 0.5)
    for container in known:
        engine.api.remove(container)
    assert engine.api.containers() == []
    wait_for(lambda: not _inside(engine), "no process to be left")
    folders = engine.data_root / "containers"
    wait_for(lambda: not list(folders.glob("*")), "the folders of removed containers to go", 15)
