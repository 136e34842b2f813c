"""attach: hijacked streams, half close, several at once, WebSocket; and output in bulk."""
import base64
import hashlib
import os
import socket
import struct
import threading

import pytest

from harness.api import connect, demultiplex, read_all
from harness.waiting import wait_for

QUERY = "stream=1&stdin=1&stdout=1&stderr=1"


def hijacked(engine, container, query=QUERY, **kw):
    return engine.api.hijack(f"/containers/{container}/attach?{query}", **kw)


def test_upgrade_and_plain_hijack(engine):
    for upgrade in (True, False):
        container = engine.api.create("cat", OpenStdin=True, StdinOnce=True)
        head, sock, rest = hijacked(engine, container, upgrade=upgrade)
        assert head.startswith("HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK"), head
        assert "application/vnd.docker." in head
        engine.api.start(container)
        sock.sendall(b"over the wire\n")
        sock.shutdown(socket.SHUT_WR)
        assert demultiplex(read_all(sock, rest)) == (b"over the wire\n", b"")
        sock.close()
        assert engine.api.wait(container) == 0


def test_attach_of_a_missing_container(engine):
    head, sock, rest = hijacked(engine, "nosuch")
    assert " 404 " in head.splitlines()[0]
    assert b"No such container: nosuch" in read_all(sock, rest)
    sock.close()


def test_several_clients_see_the_same(engine):
    container = engine.api.create("sh", "-c", "read go; seq 1 1000", OpenStdin=True, StdinOnce=True)
    readers = [hijacked(engine, container, "stream=1&stdout=1&stderr=1") for _ in range(5)]
    writer = hijacked(engine, container)
    engine.api.start(container)
    writer[1].sendall(b"go\n")
    expected = b"".join(b"%d\n" % n for n in range(1, 1001))
    for _, sock, rest in [*readers, writer]:
        assert demultiplex(read_all(sock, rest))[0] == expected
        sock.close()


def test_attach_with_logs_replays_then_follows(engine):
    container = engine.api.run("sh", "-c", "echo before; read x; echo after", OpenStdin=True)
    wait_for(lambda: engine.api.logs(container)[0] == b"before\n", "the first line")
    _, sock, rest = hijacked(engine, container, QUERY + "&logs=1")
    sock.sendall(b"x\n")
    assert demultiplex(read_all(sock, rest))[0] == b"before\nafter\n"
    sock.close()


def test_a_client_that_vanishes_does_not_end_the_container(engine):
    container = engine.api.run("sh", "-c", "while :; do echo tick; sleep 0.01; done", OpenStdin=True)
    for _ in range(20):
        _, sock, _ = hijacked(engine, container)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert engine.api.inspect(container)["State"]["Running"]


@pytest.mark.seconds(300)
def test_fifty_megabytes(engine):
    """Through attach and from the log, exactly."""
    size = 50 << 20
    script = f"yes 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-the-line-ends | head -c {size}"
    container = engine.api.create("sh", "-c", script)
    _, sock, rest = hijacked(engine, container, "stream=1&stdout=1&stderr=1")
    sock.settimeout(120)
    engine.api.start(container)
    live = demultiplex(read_all(sock, rest))[0]
    sock.close()
    line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-the-line-ends\n"
    expected = hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()
    assert (len(live), hashlib.sha256(live).hexdigest()) == (size, expected)
    assert engine.api.wait(container) == 0
    stored = engine.api.logs(container)[0]
    assert (len(stored), hashlib.sha256(stored).hexdigest()) == (size, expected)


def test_one_long_line_without_an_end(engine):
    container = engine.api.run("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x")
    assert engine.api.wait(container) == 0
    assert engine.api.logs(container)[0] == b"x" * 1000000


@pytest.mark.gantry_only
def test_a_reader_that_stops_reading_does_not_stop_others(engine):
    container = engine.api.create("sh", "-c", "seq 1 200000; echo end >&2")
    _, stuck, _ = hijacked(engine, container, "stream=1&stdout=1&stderr=1")
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    engine.api.start(container)
    assert engine.api.wait(container) == 0  # while `stuck` reads nothing
    assert len(engine.api.logs(container)[0]) == sum(len(f"{n}\n") for n in range(1, 200001))
    stuck.close()


def websocket(engine, container, query):
    """The handshake by hand; returns the socket and what came after the reply's head."""
    sock = connect(engine.socket)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(f"GET /v1.41/containers/{container}/attach/ws?{query} HTTP/1.1\r\nHost: engine\r\nUpgrade: websocket\r\n"
                 f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                 "Origin: http://engine\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(4096)
        assert part, head
        head += part
    head, rest = head.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101"), head
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    assert accept in head
    return sock, rest


def ws_send(sock, payload, opcode=2):
    mask = os.urandom(4)
    assert len(payload) < 126
    sock.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


def ws_payloads(data):
    """The payloads of complete data frames from a server (unmasked)."""
    out, at = b"", 0
    while at + 2 <= len(data):
        opcode, length, head = data[at] & 15, data[at + 1] & 127, 2
        if length == 126:
            length, head = struct.unpack_from(">H", data, at + 2)[0], 4
        elif length == 127:
            length, head = struct.unpack_from(">Q", data, at + 2)[0], 10
        if opcode in (0, 1, 2):
            out += data[at + head:at + head + length]
        at += head + length
    return out


def test_websocket(engine):
    container = engine.api.run("sh", "-c", "while read line; do echo got $line; done", OpenStdin=True)
    sock, received = websocket(engine, container, "stream=1&stdin=1&stdout=1")
    ws_send(sock, b"alpha\n")
    ws_send(sock, b"beta\n")
    while b"got beta\n" not in ws_payloads(received):
        part = sock.recv(4096)
        assert part, received
        received += part
    assert ws_payloads(received) == b"got alpha\ngot beta\n"
    sock.close()
    assert engine.api.inspect(container)["State"]["Running"]


def test_standard_input_once_ends_with_its_client(engine):
    container = engine.api.create("cat", OpenStdin=True, StdinOnce=True)
    _, sock, _ = hijacked(engine, container)
    engine.api.start(container)
    sock.close()
    assert engine.api.wait(container) == 0


def test_writer_and_reader_at_once_do_not_block_each_other(engine):
    """Both pipes full at the same time: an engine that copies one after the other hangs here."""
    container = engine.api.create("cat", OpenStdin=True, StdinOnce=True)
    _, sock, rest = hijacked(engine, container)
    engine.api.start(container)
    data = os.urandom(1 << 20) * 8

    def write():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    assert demultiplex(read_all(sock, rest))[0] == data
    writer.join()
    sock.close()
