"""HTTP as nobody should speak it: malformed, slow, pipelined, vanishing; the engine answers clearly and lives."""
import socket
import threading
import time

import pytest

from harness.api import connect, demultiplex, raw, read_all
from harness.waiting import wait_for

PING = b"GET /_ping HTTP/1.1\r\nHost: engine\r\n\r\n"
PING_CLOSE = b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n"

MALFORMED = {
    "no request line": b"\r\n\r\n\r\n",
    "garbage": b"\x00\x01\x02\xff\xfe garbage\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "HTTP/0.9": b"GET /_ping\r\n\r\n",
    "HTTP/3.0": b"GET /_ping HTTP/3.0\r\nHost: x\r\n\r\n",
    "space in target": b"GET /_ping now HTTP/1.1\r\nHost: x\r\n\r\n",
    "header without colon": b"GET /_ping HTTP/1.1\r\nHost engine\r\n\r\n",
    "space before colon": b"GET /_ping HTTP/1.1\r\nHost : engine\r\n\r\n",
    "two lengths": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "negative length": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length is a word": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
    "length without end": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "length and chunks": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "bare control in a header": b"GET /_ping HTTP/1.1\r\nHost: a\x01b\r\n\r\n",
    "nul in the target": b"GET /_pi\x00ng HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of a megabyte": b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "ten thousand headers": b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"X-H: 1\r\n" * 200000 + b"\r\n",
    "a target of a megabyte": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}

JSON = {
    "not JSON": b"{", "a list": b"[]", "a number": b"12", "trailing": b'{"Image":"busybox"} x', "empty": b"",
    "deep": b'{"a":' * 100000 + b"1" + b"}" * 100000, "wrong types": b'{"Image":5,"Cmd":{"a":1}}',
    "not UTF-8": b'{"Image":"\xff\xfe"}', "a nul": b'{"Image":"a\\u0000b"}', "huge number": b'{"HostConfig":{"Memory":1e400}}',
    "half a surrogate": b'{"Image":"\\ud800"}',
}


def status_of(reply):
    assert reply.startswith(b"HTTP/1."), reply[:200]
    return int(reply.split(b" ", 2)[1])


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests(engine, name):
    """A clear 4xx, or a closed connection for what is not HTTP at all; never silence, never a crash."""
    reply = raw(engine.socket, MALFORMED[name], seconds=5, half_close=True)
    if reply:
        assert 400 <= status_of(reply) < 500 or status_of(reply) == 505, reply[:200]
    assert engine.alive() and engine.api.get("/_ping").body == b"OK"


@pytest.mark.parametrize("name", JSON)
def test_malformed_bodies(engine, name):
    reply = raw(engine.socket, b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(JSON[name]) + JSON[name])
    assert 400 <= status_of(reply) < 500 and b'{"message":"' in reply, reply[:300]
    assert engine.api.get("/_ping").body == b"OK"


def test_unknown_paths_and_methods(api):
    for method, path in (("GET", "/nosuch"), ("PUT", "/_ping"), ("GET", "/containers"), ("POST", "/containers/json"),
                         ("GET", "/v1.41/nosuch"), ("GET", "//"), ("GET", "/../../etc/passwd")):
        reply = api.request(method, path)
        assert (reply.status, reply.message) == (404, "page not found"), (method, path, reply)


def test_headers_of_every_reply(api):
    for reply in (api.get("/info"), api.get("/containers/nosuch/json")):
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Ostype"] == "linux" and reply.headers["Docker-Experimental"] == "false"
        assert "Api-Version" in reply.headers and reply.headers["Server"].startswith("Docker/")
    ping = api.get("/_ping")
    assert ping.headers["Content-Type"].startswith("text/plain") and "no-cache" in ping.headers["Cache-Control"]
    head = api.request("HEAD", "/_ping")
    assert (head.status, head.body) == (200, b"")


def test_media_type(api):
    reply = api.post("/containers/create", body=b'{"Image":"busybox"}', headers={"Content-Type": "text/plain"})
    assert reply.status == 400
    assert reply.message == "unsupported Content-Type header (text/plain): must be 'application/json'"


def test_keep_alive(engine):
    with connect(engine.socket) as sock:
        for _ in range(100):
            sock.sendall(PING)
            reply = b""
            while not reply.endswith(b"\r\n\r\nOK"):
                part = sock.recv(4096)
                assert part, reply
                reply += part


def test_http_1_0_closes(engine):
    reply = raw(engine.socket, b"GET /_ping HTTP/1.0\r\n\r\n", seconds=5)
    assert status_of(reply) == 200 and reply.endswith(b"OK")


def test_pipelined_requests_are_answered_in_order(engine):
    requests = b"".join(b"GET /containers/n%d/json HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50)) + PING_CLOSE
    reply = raw(engine.socket, requests)
    assert [reply.find(b"No such container: n%d\"" % n) for n in range(50)] == \
        sorted(reply.find(b"No such container: n%d\"" % n) for n in range(50))
    assert reply.count(b"HTTP/1.1 404") == 50 and reply.endswith(b"OK")


def test_a_request_in_single_bytes(engine):
    with connect(engine.socket) as sock:
        body = b'{"Image":"nosuch"}'
        head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" \
               b"Connection: close\r\n\r\n" % len(body)
        for byte in head + body:
            sock.sendall(bytes([byte]))
        assert b"No such image: nosuch:latest" in read_all(sock)


def test_chunked_body(engine):
    body = b'{"Image":"nosuch"}'
    chunks = b"".join(b"1;ext=1\r\n" + bytes([c]) + b"\r\n" for c in body) + b"0\r\nTrailer: x\r\n\r\n"
    reply = raw(engine.socket, b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)
    assert status_of(reply) == 404 and b"No such image" in reply


def test_expect_100(engine):
    with connect(engine.socket) as sock:
        body = b'{"Image":"nosuch"}'
        sock.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                     b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert b"No such image" in read_all(sock)


@pytest.mark.gantry_only
def test_a_body_over_its_limit(engine):
    """A create of more than any sane size: refused while it is sent, and memory stays small."""
    before = engine.resident_kb()
    head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
    with connect(engine.socket, 10) as sock:
        try:
            sock.sendall(head + b'{"Image":"')
            for _ in range(256):
                sock.sendall(b"a" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass
    assert engine.resident_kb() - before < 64 << 10
    assert engine.api.get("/_ping").body == b"OK"


def settled(engine, baseline, slack=2):
    wait_for(lambda: engine.fds() <= baseline + slack, "the descriptors to be closed", 15)


@pytest.mark.gantry_only
def test_clients_that_vanish_leave_no_descriptor(engine, api):
    container = api.run("sh", "-c", "while :; do echo tick; sleep 0.05; done", OpenStdin=True)
    api.get("/_ping")
    baseline = engine.fds()
    targets = [b"GET /events HTTP/1.1", b"GET /containers/%s/logs?follow=1&stdout=1 HTTP/1.1" % container.encode(),
               b"POST /containers/%s/attach?stream=1&stdout=1&stdin=1 HTTP/1.1" % container.encode(),
               b"POST /containers/%s/wait HTTP/1.1" % container.encode(), b"GET /_pi", b"POST /containers/create HTTP/1.1"]
    for _ in range(20):
        open_ones = []
        for target in targets:
            sock = connect(engine.socket)
            sock.sendall(target + b"\r\nHost: x\r\n" + (b"Content-Length: 10\r\n\r\n" if b"create" in target else b"\r\n"))
            open_ones.append(sock)
        for sock in open_ones:
            sock.close()
    settled(engine, baseline)
    assert api.inspect(container)["State"]["Running"]


def test_slow_clients_do_not_stop_others(engine, api):
    """Two hundred half requests lie open while work goes on."""
    baseline = engine.fds()
    slow = []
    for _ in range(200):
        sock = connect(engine.socket)
        sock.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Le")
        slow.append(sock)
    begin = time.monotonic()
    for n in range(5):
        container = api.run("echo", str(n))
        assert api.wait(container) == 0
        assert api.logs(container)[0] == b"%d\n" % n
    assert time.monotonic() - begin < 10
    for sock in slow:
        sock.close()
    settled(engine, baseline)


def test_a_client_that_does_not_read_its_replies(engine):
    """Pipelines without end and reads nothing: the engine stops reading from it, and its memory does not grow."""
    before = engine.resident_kb()
    with connect(engine.socket, 1) as sock:
        request = b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        try:
            for _ in range(200):
                sock.sendall(request)
        except (socket.timeout, BrokenPipeError, ConnectionResetError):
            pass
        assert engine.resident_kb() - before < 64 << 10
        assert engine.api.get("/_ping").body == b"OK"


def test_many_clients_at_once(engine):
    failures = []

    def ping():
        try:
            for _ in range(50):
                assert engine.api.get("/_ping").status == 200
        except Exception as error:  # noqa: BLE001 - any failure counts
            failures.append(error)

    threads = [threading.Thread(target=ping) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.gantry_only
def test_what_is_not_built_yet_says_so(api):
    container = api.run("sleep", "1000")
    for method, path in (("POST", "/build"), ("POST", f"/containers/{container}/exec"), ("GET", "/volumes"),
                         ("PUT", f"/containers/{container}/archive?path=/")):
        reply = api.request(method, path, body={} if method == "POST" else None)
        assert reply.status in (501, 200, 400, 404), reply
        if reply.status == 501:
            assert reply.message


def test_frames_of_a_log_are_whole(api):
    container = api.run("sh", "-c", "seq 1 1000; seq 1 1000 >&2")
    api.wait(container)
    out, err = demultiplex(api.get(f"/containers/{container}/logs", stdout=1, stderr=1).body)
    assert out == err == b"".join(b"%d\n" % n for n in range(1, 1001))
