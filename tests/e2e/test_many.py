"""Thousands of containers one after another: nothing piles up. And many at the same time."""
import os
import threading

import pytest

from harness import traces
from harness.waiting import wait_for

COUNT = int(os.environ.get("GANTRY_CHURN", "1000"))
pytestmark = pytest.mark.gantry_only


def holdings(engine):
    """What must be the same before and after."""
    return {"fds": engine.fds(), "shim fds": sum(len(os.listdir(f"/proc/{p}/fd")) for p in engine.shim_pids()),
            "cgroups": len(traces.cgroups(engine.cgroup)), "mounts": len(traces.mounts(engine.folder)),
            "processes": len(traces.processes(engine.folder, engine.cgroup)),
            "threads": len(os.listdir(f"/proc/{engine.pid}/task"))}


@pytest.mark.seconds(60 + COUNT // 5)
def test_one_after_another(engine, api):
    def one(n):
        container = api.run("true")
        assert api.wait(container) == 0
        api.remove(container, force=False)

    for n in range(200):
        one(n)
    before, memory = holdings(engine), engine.resident_kb()
    for n in range(COUNT):
        one(n)

    def more():
        now = holdings(engine)
        # threads of the pool, and the kernel's for the ring, come when they are first needed: a few, not one a container
        slack = {"threads": 8}
        return {kind: (before[kind], now[kind]) for kind in before if now[kind] > before[kind] + slack.get(kind, 0)}

    try:
        wait_for(lambda: not more(), "the holdings to be as before", 15)
    except AssertionError:
        raise AssertionError(f"(before, now): {more()}") from None
    # buffers settle; a leak of one container's record (some kB) a container would be far above
    assert engine.resident_kb() - memory < max(8 << 10, COUNT * 1), "memory grew"
    assert api.containers() == []


@pytest.mark.seconds(300)
def test_many_running_at_once(engine, api):
    count = 200
    containers = []
    lock = threading.Lock()
    api.remove(api.run("true"))
    helpers = len(engine.shim_pids())  # the shim, and what it keeps beside it for all containers

    def some():
        for _ in range(count // 8):
            container = api.run("sleep", "1000")
            with lock:
                containers.append(container)

    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(containers) == count
    assert {c["State"] for c in api.containers()} == {"running"}
    assert len(engine.shim_pids()) == helpers <= 2, "no helper process a container"
    for container in containers:
        api.remove(container)
    assert api.containers() == []


def test_parallel_output_is_exact(engine):
    wrong = []

    def some(worker):
        for n in range(25):
            out = engine.out("run", "--rm", "--network", "none", "busybox", "echo", f"{worker}-{n}")
            if out != f"{worker}-{n}":
                wrong.append((worker, n, out))

    threads = [threading.Thread(target=some, args=(w,)) for w in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
