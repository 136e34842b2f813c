"""The Engine API without a client library: one request a connection, and raw bytes for what no client would send."""
import http.client
import json
import socket
import struct
from urllib.parse import urlencode

from .waiting import wait_for


def connect(path, seconds=30.0):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    sock.connect(str(path))
    return sock


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds):
        super().__init__("engine", timeout=seconds)
        self.path = path

    def connect(self):
        self.sock = connect(self.path, self.timeout)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Api:
    """api.get("/info").json, api.post("/containers/create", body={...}, name="x")."""

    def __init__(self, path, version=None, seconds=60.0):
        self.path, self.seconds = str(path), seconds
        self.prefix = f"/v{version}" if version else ""

    def request(self, method, target, body=None, headers=None, **query):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if query:
            words = {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in query.items()}
            target += "?" + urlencode(words)
        connection = _UnixConnection(self.path, self.seconds)
        try:
            connection.request(method, self.prefix + target, body=body, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, target, **kw):
        return self.request("GET", target, **kw)

    def post(self, target, **kw):
        return self.request("POST", target, **kw)

    def delete(self, target, **kw):
        return self.request("DELETE", target, **kw)

    def create(self, *command, name=None, image="busybox", **config):
        """Creates a container without networks; returns its id."""
        body = {"Image": image, "Cmd": list(command), **config}
        body.setdefault("HostConfig", {}).setdefault("NetworkMode", "none")
        reply = self.post("/containers/create", body=body, **({"name": name} if name else {}))
        assert reply.status == 201, reply
        return reply.json["Id"]

    def start(self, container):
        reply = self.post(f"/containers/{container}/start")
        assert reply.status == 204, reply

    def run(self, *command, **kw):
        container = self.create(*command, **kw)
        self.start(container)
        return container

    def wait(self, container):
        reply = self.post(f"/containers/{container}/wait")
        assert reply.status == 200, reply
        return reply.json["StatusCode"]

    def inspect(self, container):
        reply = self.get(f"/containers/{container}/json")
        assert reply.status == 200, reply
        return reply.json

    def logs(self, container, **query):
        """The container's output as stored: (stdout, stderr) of a container without a terminal."""
        query = {"stdout": 1, "stderr": 1, **query}
        reply = self.get(f"/containers/{container}/logs", **query)
        assert reply.status == 200, reply
        return demultiplex(reply.body)

    def remove(self, container, force=True):
        reply = self.delete(f"/containers/{container}", force=int(force))
        if reply.status == 409 and "already in progress" in reply.message:  # it removes itself
            wait_for(lambda: self.get(f"/containers/{container}/json").status == 404, "the removal in progress to end")
            return
        assert reply.status in (204, 404), reply

    def containers(self, **filters):
        return self.get("/containers/json", all=1, **({"filters": filters} if filters else {})).json

    def hijack(self, target, upgrade=True, body=b""):
        """POSTs and takes the connection over; returns (status line and headers, socket, bytes already received)."""
        sock = connect(self.path)
        head = f"POST {self.prefix}{target} HTTP/1.1\r\nHost: engine\r\nContent-Length: {len(body)}\r\n"
        if upgrade:
            head += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        sock.sendall(head.encode() + b"\r\n" + body)
        received = b""
        while b"\r\n\r\n" not in received:
            part = sock.recv(65536)
            assert part, f"closed after {received!r}"
            received += part
        head, rest = received.split(b"\r\n\r\n", 1)
        return head.decode(), sock, rest


def read_all(sock, received=b""):
    """Everything until the peer closes."""
    parts = [received]
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def demultiplex(stream):
    """Splits Docker's frames: (stdout, stderr). Asserts that the stream is whole."""
    out = {0: [], 1: [], 2: [], 3: []}
    at = 0
    while at < len(stream):
        assert at + 8 <= len(stream), f"half a frame header at {at}: {stream[at:at + 20]!r}"
        kind, length = struct.unpack_from(">BxxxI", stream, at)
        assert kind in out, f"no frame at {at}: {stream[at:at + 20]!r}"
        assert at + 8 + length <= len(stream), f"half a frame at {at}"
        out[kind].append(stream[at + 8:at + 8 + length])
        at += 8 + length
    return b"".join(out[1]), b"".join(out[2])


def raw(path, request, seconds=10.0, half_close=False):
    """Sends bytes as they are; returns what comes until the peer closes or has been silent for `seconds`."""
    with connect(path, seconds) as sock:
        try:
            sock.sendall(request)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent: the answer can still be read
        received = b""
        try:
            while part := sock.recv(65536):
                received += part
        except (socket.timeout, ConnectionResetError):
            pass
        return received
