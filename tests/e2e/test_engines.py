"""The engine as a process: two side by side, sockets and pid files, refusals at start, an orderly stop."""
import os
import signal
import socket
import subprocess
import stat

import pytest

from harness.engine import BUILD
from harness.waiting import wait_for

pytestmark = pytest.mark.gantry_only


def test_two_side_by_side(make_engine):
    one, two = make_engine(), make_engine()
    first = one.api.run("sleep", "1000", name="same")
    second = two.api.run("sleep", "1000", name="same")
    assert [c["Id"] for c in one.api.containers()] == [first]
    assert [c["Id"] for c in two.api.containers()] == [second]
    one.kill()
    assert two.api.inspect("same")["State"]["Running"]
    one.start()
    assert one.api.inspect("same")["State"]["Running"]
    one.clear()
    assert two.api.inspect("same")["State"]["Running"]
    two.clear()


def test_the_socket_and_the_pid_file(engine):
    mode = os.stat(engine.socket)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    with open(os.path.join(engine.folder, "gantryd.pid")) as file:
        assert file.read().strip() == str(engine.pid)
    assert f"API listen on {engine.socket}" in engine.log.read_text()


def test_a_second_engine_on_the_same_state_is_refused(engine):
    command = [str(BUILD / "cli" / "gantryd"), "-H", f"unix://{engine.folder}/other.sock",
               "--shim", str(BUILD / "runtime" / "gantry-shim"), "--data-root", str(engine.data_root),
               "--exec-root", str(engine.exec_root), "--pidfile", os.path.join(engine.folder, "gantryd.pid")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and done.stderr.strip(), done
    assert engine.out("run", "--rm", "busybox", "echo", "alive") == "alive"


@pytest.mark.parametrize("options, words", [
    (["--nosuch"], "nosuch"), (["--log-level", "loud"], "loud"), (["-H", "ftp://x"], "ftp"), (["extra"], "accepts no arguments"),
])
def test_bad_options(options, words):
    done = subprocess.run([str(BUILD / "cli" / "gantryd"), *options], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and words in done.stderr


def test_version_and_help():
    for option in ("--version", "--help"):
        done = subprocess.run([str(BUILD / "cli" / "gantryd"), option], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and done.stdout


def test_stop_ends_containers_by_their_own_signal(make_engine):
    engine = make_engine()
    polite = engine.api.run("sh", "-c", "trap 'echo ended well; exit 21' TERM; echo ready; while :; do sleep 0.05; done")
    wait_for(lambda: engine.api.logs(polite)[0], "the program")
    engine.api.create("true", name="unstarted")
    assert engine.terminate() == 0
    engine.start()
    state = engine.api.inspect(polite)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 21)
    assert engine.api.logs(polite)[0] == b"ready\nended well\n"
    assert engine.api.inspect("unstarted")["State"]["Status"] == "created"


def test_stop_with_clients_hanging_on(make_engine):
    engine = make_engine()
    container = engine.api.run("sleep", "1000")
    followers = [engine.spawn("logs", "-f", container, stdin=subprocess.DEVNULL), engine.spawn("events", stdin=subprocess.DEVNULL)]
    idle = socket.socket(socket.AF_UNIX)
    idle.connect(str(engine.socket))
    assert engine.terminate(30) == 0
    idle.close()
    for follower in followers:
        follower.communicate(timeout=10)
    assert not os.path.exists(engine.socket)


def test_interrupt_is_an_orderly_stop(make_engine):
    engine = make_engine()
    assert engine.terminate(30, signal.SIGINT) == 0


def test_a_stale_socket_is_taken_over(make_engine):
    engine = make_engine()
    engine.kill()
    assert engine.socket.exists()
    engine.start()
    assert engine.api.get("/_ping").body == b"OK"


def test_the_shim_dies_and_the_engine_says_so(make_engine):
    """The parent of all containers is killed: its containers are gone, the engine knows it and works on with a new one."""
    engine = make_engine()
    container = engine.api.run("sleep", "1000")
    os.kill(min(engine.shim_pids()), signal.SIGKILL)  # the first of them: what it keeps beside it is its child
    wait_for(lambda: not engine.api.inspect(container)["State"]["Running"], "the container to be seen ended", 15)
    wait_for(lambda: engine.docker("run", "--rm", "busybox", "echo", "again", check=False).stdout == "again\n",
             "a new container to run", 15)


def test_tcp(make_engine):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = make_engine("-H", f"tcp://127.0.0.1:{port}", image=False)
    done = subprocess.run([engine.docker_path, "-H", f"tcp://127.0.0.1:{port}", "info", "--format", "{{.OSType}}"],
                          capture_output=True, text=True, timeout=20, env=engine.environment())
    assert done.stdout == "linux\n", done.stderr
