"""docker run in the foreground: output, input, exit codes; with every docker command here."""
import signal
import time

import pytest

from harness.waiting import wait_for


def test_hello(engine, client):
    assert engine.out("run", "--rm", "busybox", "echo", "hi", client=client) == "hi"
    assert engine.api.containers() == []


def test_the_image_command_runs_when_none_is_given(engine, client):
    done = engine.docker("run", "--rm", "-i", "busybox", "sh", input="echo from stdin; exit 3\n", check=False, client=client)
    assert (done.returncode, done.stdout) == (3, "from stdin\n")


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$; sleep 5", 0),
])
def test_exit_codes(engine, client, script, status):
    """PID 1 ignores signals it has no handler for, its own SIGTERM too: only SIGKILL from outside ends it, so a shell that
    must die of a signal is a child here."""
    wrapped = ["sh", "-c", f"sh -c '{script}' & wait $!"] if "kill" in script else ["sh", "-c", script]
    if "-15" in script:
        status = 143
    done = engine.docker("run", "--rm", "busybox", *wrapped, check=False, client=client)
    assert done.returncode == status, done.stderr


def test_segmentation_fault_is_139(engine, client):
    done = engine.docker("run", "--rm", "busybox", "sh", "-c", "sh -c 'kill -11 $$' & wait $!", check=False, client=client)
    assert done.returncode == 139


def test_killed_from_outside_is_137(engine):
    process = engine.spawn("run", "--name", "victim", "busybox", "sleep", "1000")
    wait_for(lambda: any(c["State"] == "running" for c in engine.api.containers()), "the container to run")
    engine.docker("kill", "victim")
    process.communicate(timeout=10)
    assert process.returncode == 137
    assert engine.api.inspect("victim")["State"]["ExitCode"] == 137


def test_missing_program_is_127(engine, client):
    done = engine.docker("run", "--rm", "busybox", "/no/such/program", check=False, client=client)
    assert done.returncode == 127
    assert "no such file or directory" in done.stderr
    done = engine.docker("run", "--rm", "busybox", "nosuchprogram", check=False, client=client)
    assert done.returncode == 127
    assert "executable file not found in $PATH" in done.stderr


def test_program_that_may_not_be_run_is_126(engine, client):
    done = engine.docker("run", "--rm", "busybox", "/etc/passwd", check=False, client=client)
    assert done.returncode == 126, done.stderr
    assert "permission denied" in done.stderr
    done = engine.docker("run", "--rm", "busybox", "/etc", check=False, client=client)
    assert done.returncode == 126, done.stderr


def test_refused_by_the_engine_is_125(engine, client):
    done = engine.docker("run", "--rm", "--network", "host", "--hostname", "bad name", "-m", "1m", "busybox", "true",
                         check=False, client=client)
    assert done.returncode == 125
    assert "Minimum memory limit allowed is 6MB" in done.stderr
    assert engine.api.containers() == []


def test_streams_are_kept_apart(engine, client):
    done = engine.docker("run", "--rm", "--network", "none", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7",
                         check=False, client=client)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_piped_input_arrives_whole_and_ends(engine, client):
    """`cat` ends only when its input does: the half close must travel."""
    text = "".join(f"line {n} of the input\n" for n in range(20000))
    assert engine.docker("run", "--rm", "-i", "busybox", "cat", input=text, client=client).stdout == text


def test_binary_input_arrives_exactly(engine):
    data = bytes(range(256)) * 4096
    assert engine.docker("run", "--rm", "-i", "busybox", "cat", input=data, binary=True).stdout == data


def test_input_of_nobody_is_empty(engine):
    assert engine.docker("run", "--rm", "busybox", "cat").stdout == ""


def test_ten_thousand_lines_are_exact(engine, client):
    out = engine.docker("run", "--rm", "busybox", "seq", "1", "10000", client=client).stdout
    assert out == "".join(f"{n}\n" for n in range(1, 10001))


def test_short_lived_output_is_never_lost(engine):
    for n in range(30):
        assert engine.out("run", "--rm", "busybox", "echo", n) == str(n)


def test_detached(engine, client):
    container = engine.out("run", "-d", "busybox", "sh", "-c", "echo one; exit 4", client=client)
    assert len(container) == 64
    assert engine.out("wait", container, client=client) == "4"
    assert engine.out("logs", container, client=client) == "one"
    assert engine.out("rm", container, client=client) == container


def test_rm_flag_removes_a_detached_container(engine):
    container = engine.out("run", "-d", "--rm", "busybox", "true")
    wait_for(lambda: engine.api.get(f"/containers/{container}/json").status == 404, "the container to be removed")


def test_signals_of_the_terminal_reach_the_program(engine):
    """docker run forwards the signals it gets."""
    process = engine.spawn("run", "--rm", "--name", "proxy", "busybox", "sh", "-c",
                           "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == (b"got it\n", 9)


def test_a_name_is_free_again_at_once(engine):
    for _ in range(10):
        assert engine.docker("run", "--rm", "--name", "again", "busybox", "true").returncode == 0


def test_cidfile_and_labels(engine, tmp_path):
    engine.docker("run", "--cidfile", tmp_path / "id", "--label", "a=b", "--label", "empty=", "busybox", "true")
    container = (tmp_path / "id").read_text()
    assert engine.api.inspect(container)["Config"]["Labels"] == {"a": "b", "empty": ""}


def test_start_is_quick(engine):
    """A stuck step (a timer, a lost wake-up) shows as a start of seconds."""
    begin = time.monotonic()
    engine.docker("run", "--rm", "busybox", "true")
    assert time.monotonic() - begin < 5


def test_foreground_start_of_a_stopped_container(engine):
    container = engine.out("create", "-i", "busybox", "cat")
    assert engine.docker("start", "-ai", container, input="again\n").stdout == "again\n"
    assert engine.docker("start", "-ai", container, input="and again\n").stdout == "and again\n"
