"""docker run -it as a person has it: a terminal of the right size, job control, detach keys, attach."""
import pytest

from harness.terminal import Terminal
from harness.waiting import wait_for


def docker(engine, *args, client=None, **kw):
    return Terminal([client or engine.docker_path, *args], engine.environment(), **kw)


def test_a_terminal_has_the_size_of_the_window(engine, client):
    with docker(engine, "run", "--rm", "-it", "busybox", "sh", client=client, rows=31, columns=101) as t:
        t.expect(r"# ")
        t.type("until stty size | grep '31 101'; do sleep 0.05; done\n")
        t.expect(r"\r\n31 101\r\n")
        t.resize(17, 66)
        t.type("until stty size | grep '17 66'; do sleep 0.05; done\n")
        t.expect(r"\r\n17 66\r\n")
        t.type("tty; exit 5\n")
        t.expect(r"/dev/(pts/0|console)")
        assert t.wait() == 5


def test_interrupt_key_reaches_the_foreground_program(engine):
    with docker(engine, "run", "--rm", "-it", "busybox", "sh") as t:
        t.expect(r"# ")
        t.type("sh -c 'echo now run''ning; exec sleep 1000'\n")  # the quotes keep the echo of the line from matching
        t.expect("now running\r\n")
        t.type("\x03")
        t.expect(r"# ")
        t.type("echo still $((40+2))\n")
        t.expect(r"still 42\r\n.*# ")
        t.type("\x04")
        assert t.wait() in (0, 130)


def test_terminal_of_a_user(engine):
    with docker(engine, "run", "--rm", "-it", "-u", "1000:1000", "busybox", "sh", "-c", "echo to the tty > /dev/tty; tty") as t:
        t.expect("to the tty")
        assert t.wait() == 0


def test_detach_keys_and_attach_again(engine):
    with docker(engine, "run", "-it", "--name", "long", "busybox", "sh") as t:
        t.expect(r"# ")
        t.type("echo first\n")
        t.expect("first\r\n")
        t.type("\x10\x11")  # ctrl-p ctrl-q
        assert t.wait() == 0
    assert engine.api.inspect("long")["State"]["Running"]
    with docker(engine, "attach", "long") as t:
        t.type("echo second\n")
        t.expect("second\r\n")
        t.type("exit 6\n")
        assert t.wait() == 6
    assert engine.api.inspect("long")["State"]["ExitCode"] == 6


def test_detach_keys_of_ones_own(engine):
    with docker(engine, "run", "-it", "--name", "own", "--detach-keys", "ctrl-a,x", "busybox", "sh") as t:
        t.expect(r"# ")
        t.type("\x01")
        t.type("x")
        assert t.wait() == 0
    assert engine.api.inspect("own")["State"]["Running"]
    bad = engine.api.post("/containers/own/attach", detachKeys="ctrl-ab", stream=1, stdin=1)
    assert b"Invalid detach keys" in bad.body, bad


def test_logs_of_a_terminal_have_no_frames(engine):
    engine.docker("run", "-d", "-t", "--name", "raw", "busybox", "echo", "plain")
    engine.docker("wait", "raw")
    assert engine.docker("logs", "raw", binary=True).stdout == b"plain\r\n"


@pytest.mark.parametrize("rows, columns", [(3, 7), (500, 1000)])
def test_resize_through_the_api(engine, rows, columns):
    container = engine.api.run("sh", "-c", "while :; do stty size; sleep 0.05; done", Tty=True, OpenStdin=True)
    reply = engine.api.post(f"/containers/{container}/resize", h=rows, w=columns)
    assert reply.status == 200, reply
    wait_for(lambda: f"{rows} {columns}".encode() in engine.api.get(f"/containers/{container}/logs", stdout=1).body,
             "the program to see its new size")


def test_resize_of_a_stopped_container_is_a_conflict(engine):
    container = engine.api.create("true", Tty=True)
    assert engine.api.post(f"/containers/{container}/resize", h=10, w=10).status == 409
