"""docker logs: what is stored, from when to when, and while it is written."""
import datetime
import json
import re
import subprocess

import pytest

from harness.waiting import wait_for

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


def test_both_streams(engine, client):
    engine.docker("run", "--network", "none", "--name", "two", "busybox", "sh", "-c", "echo out; sleep 0.05; echo err >&2")
    done = engine.docker("logs", "two", client=client)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_tail(engine, api):
    container = api.run("seq", "1", "5000")
    api.wait(container)
    assert engine.out("logs", "--tail", "3", container).split() == ["4998", "4999", "5000"]
    assert engine.out("logs", "--tail", "0", container) == ""
    assert len(engine.out("logs", "--tail", "all", container).split()) == 5000
    assert len(engine.out("logs", "--tail", "99999", container).split()) == 5000


def test_timestamps(engine, api):
    container = api.run("seq", "1", "100")
    api.wait(container)
    lines = engine.docker("logs", "-t", container).stdout.splitlines()
    assert len(lines) == 100 and all(STAMP.match(line) for line in lines)
    assert [line.split(" ")[1] for line in lines] == [str(n) for n in range(1, 101)]
    stamps = [line.split(" ")[0] for line in lines]
    assert stamps == sorted(stamps)


def test_since_and_until(engine, api):
    container = api.run("sh", "-c", "echo first; sleep 1.2; echo second; sleep 1.2; echo third")
    api.wait(container)
    stamps = [line.split(" ")[0] for line in engine.docker("logs", "-t", container).stdout.splitlines()]
    assert len(stamps) == 3

    def middle(a, b):
        moments = [datetime.datetime.fromisoformat(s[:26] + "+00:00").timestamp() for s in (a, b)]
        return f"{sum(moments) / 2:.9f}"

    early, late = middle(*stamps[:2]), middle(*stamps[1:])
    assert engine.out("logs", "--since", early, container).split() == ["second", "third"]
    assert engine.out("logs", "--until", early, container).split() == ["first"]
    assert engine.out("logs", "--since", early, "--until", late, container).split() == ["second"]
    assert engine.out("logs", "--since", stamps[1], container).split() == ["second", "third"]
    assert engine.out("logs", "--since", "10m", container).split() == ["first", "second", "third"]
    assert engine.out("logs", "--until", "10m", container) == ""


def test_follow_until_the_end(engine, api):
    container = api.create("sh", "-c", "for n in 1 2 3 4 5; do echo $n; sleep 0.1; done")
    api.start(container)
    assert engine.out("logs", "-f", container).split() == ["1", "2", "3", "4", "5"]
    assert engine.out("logs", "-f", container).split() == ["1", "2", "3", "4", "5"]  # of a stopped one: ends at once


def test_follow_loses_and_doubles_nothing(engine, api):
    container = api.run("seq", "1", "100000")
    expected = "".join(f"{n}\n" for n in range(1, 100001))
    assert engine.docker("logs", "-f", container).stdout == expected
    assert engine.docker("logs", container).stdout == expected


def test_follow_of_a_killed_client(engine, api):
    container = api.run("sh", "-c", "while :; do echo tick; sleep 0.02; done")
    follower = engine.spawn("logs", "-f", container, stdin=subprocess.DEVNULL)
    assert follower.stdout.readline() == b"tick\n"
    follower.kill()
    follower.communicate()
    assert api.inspect(container)["State"]["Running"]


def test_logs_of_nothing(engine, api):
    container = api.create("true")
    assert api.logs(container) == (b"", b"")
    missing = engine.docker("logs", "nosuch", check=False)
    assert missing.returncode == 1 and "No such container: nosuch" in missing.stderr
    refused = api.get(f"/containers/{container}/logs")
    assert refused.status == 400 and "you must choose at least one stream" in refused.message


def test_a_line_without_an_end_and_an_empty_line(api):
    container = api.run("printf", "one\n\nlast")
    api.wait(container)
    assert api.logs(container)[0] == b"one\n\nlast"
    assert api.logs(container, tail=1)[0] == b"last"


def test_bytes_that_are_not_text(api):
    container = api.run("sh", "-c", r"printf 'a\000b\377\n'; printf '\033[0m\n'; printf 'umlaut \303\244 \342\202\254\n'")
    api.wait(container)
    out = api.logs(container)[0]
    assert out.splitlines()[1:] == [b"\x1b[0m", "umlaut ä €".encode()]
    assert out.startswith(b"a\0b")  # \377 is no text: a json-file cannot hold it as it is


def test_the_file_is_docker_s_json(engine, api):
    """Tools read LogPath: one JSON object a line with log, stream, time."""
    container = api.run("sh", "-c", "echo out; sleep 0.05; echo err >&2")
    api.wait(container)
    path = api.inspect(container)["LogPath"]
    assert path.endswith(f"{container}-json.log")
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    assert [(line["log"], line["stream"]) for line in lines] == [("out\n", "stdout"), ("err\n", "stderr")]
    # Go's RFC3339Nano leaves trailing zeros out
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", line["time"]) for line in lines)


def test_log_driver_none(engine):
    container = engine.out("run", "-d", "--log-driver", "none", "busybox", "echo", "unseen")
    engine.docker("wait", container)
    assert engine.docker("logs", container, check=False).returncode == 1


def test_max_size_keeps_the_newest(engine):
    container = engine.out("run", "-d", "--log-opt", "max-size=100k", "--log-opt", "max-file=2", "busybox", "seq", "1", "60000")
    engine.docker("wait", container)
    lines = engine.out("logs", container).split()
    assert lines[-1] == "60000"
    assert [int(x) for x in lines] == list(range(60000 - len(lines) + 1, 60001))
    assert len(lines) < 20000


@pytest.mark.parametrize("count", [50])
def test_many_writers_each_get_their_own(api, count):
    containers = [api.run("sh", "-c", f"seq 1 100 | sed 's/^/{n} /'") for n in range(count)]
    for n, container in enumerate(containers):
        assert api.wait(container) == 0
        assert api.logs(container)[0].decode() == "".join(f"{n} {k}\n" for k in range(1, 101))


def test_output_while_the_log_is_read(engine, api):
    container = api.run("sh", "-c", "while :; do echo tick; done")
    wait_for(lambda: api.logs(container, tail=10)[0], "the first line")
    for _ in range(5):
        out = api.logs(container, tail=10)[0]
        assert out.endswith(b"\n") and set(out.split()) <= {b"tick"}
    wait_for(lambda: len(api.logs(container, tail=1000)[0]) >= 5000, "a thousand lines")
