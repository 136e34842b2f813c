"""One engine under test, in folders of its own, driven by the clients that people use."""
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from . import traces
from .api import Api
from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("GANTRY_BUILD", ROOT / "build" / "release"))
CACHE = Path(os.environ.get("GANTRY_CACHE", Path.home() / ".cache" / "gantry"))
REACTOR = os.environ.get("GANTRY_REACTOR", "")
LOGS = Path(os.environ.get("GANTRY_E2E_LOGS", BUILD / "e2e-logs"))

PEER = os.environ.get("GANTRY_E2E_ENGINE") == "dockerd"

BAD_LOG_WORDS = ("AddressSanitizer", "ThreadSanitizer", "runtime error:", "assertion failed", "level=panic")


def docker_commands():
    """{label: path} of every docker command here: the one on PATH and the unpacked one of Debian's docker.io."""
    found = {}
    for path in (shutil.which("docker"), str(CACHE / "docker.io" / "usr" / "bin" / "docker")):
        if path and os.access(path, os.X_OK):
            words = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()
            found.setdefault("docker-" + words[2].split("+")[0].rstrip(","), path)
    return found


class Engine:
    """start() waits until it answers; kill() is SIGKILL, and start() after it is the next engine on the same state;
    close() is an orderly stop, after which nothing may be left."""

    def __init__(self, options=(), label="engine"):
        self.folder = tempfile.mkdtemp(prefix="gantry-e2e-")
        self.cgroup = Path(self.folder).name
        self.socket = Path(self.folder, "docker.sock")
        self.data_root = Path(self.folder, "data")
        self.exec_root = Path(self.folder, "run")
        self.log = Path(self.folder, "gantryd.log")
        self.label, self.options = label, list(options)
        self.process, self.ended = None, False
        self.links = traces.links()
        self.docker_path = next(iter(docker_commands().values()), None)
        os.mkdir(os.path.join(self.folder, "docker-config"))

    # -- its life

    def start(self):
        command = [
            str(BUILD / "cli" / "gantryd"), "-H", f"unix://{self.socket}", "--shim", str(BUILD / "runtime" / "gantry-shim"),
            "--data-root", str(self.data_root), "--exec-root", str(self.exec_root),
            "--pidfile", os.path.join(self.folder, "gantryd.pid"), "--cgroup-parent", "/" + self.cgroup, *self.options,
        ]
        if REACTOR:
            command += ["--reactor", REACTOR]
        self.ended = False
        with open(self.log, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

        def ready():
            assert self.process.poll() is None, f"gantryd ended with {self.process.returncode}: {self.log_tail()}"
            return b"Daemon has completed initialization" in self.log.read_bytes()[offset:]

        wait_for(ready, "gantryd's readiness", 30)
        return self

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds=60, with_signal=signal.SIGTERM):
        """An orderly stop; its exit status."""
        self.process.send_signal(with_signal)
        status = self.process.wait(seconds)
        self.ended = status == 0
        return status

    def close(self):
        """Ends the engine; AssertionError when it ended badly or left anything behind. The log is kept in that case."""
        problems = []
        try:
            if self.process is None:
                return
            if not self.alive() and not self.ended:
                problems.append(f"gantryd had ended with {self.process.returncode}")
                self.start()
            try:
                status = 0 if self.ended else self.terminate()
                if status != 0:
                    problems.append(f"gantryd ended with {status} on SIGTERM")
            except subprocess.TimeoutExpired:
                problems.append("gantryd did not end within 60 s of SIGTERM")
                self.kill()
            problems += self._left_behind()
            text = self.log.read_text(errors="replace")
            problems += [f"in the log: {word}" for word in BAD_LOG_WORDS if word in text]
        finally:
            if problems:
                self.keep_log()
                self.scrub()
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not problems, "\n".join(problems) + "\n" + str(self.kept_log)

    def traces(self):
        found = traces.all_of(self.folder, self.cgroup)
        return found + [f"link {name}" for name in traces.links() - self.links]

    def _left_behind(self):
        try:
            wait_for(lambda: not self.traces(), "nothing to be left", 5)
            return []
        except AssertionError:
            return self.traces()

    def scrub(self):
        """Clears away what a defective engine left, so that later tests start clean."""
        for line in traces.processes(self.folder, self.cgroup):
            try:
                os.kill(int(line.split()[1].rstrip(":")), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass
        for line in reversed(traces.mounts(self.folder)):
            subprocess.run(["umount", "-l", line.split()[5]], check=False, stderr=subprocess.DEVNULL)
        for line in reversed(traces.cgroups(self.cgroup)):
            try:
                os.rmdir(line.split(" ", 1)[1])
            except OSError:
                pass

    def log_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def keep_log(self):
        LOGS.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            shutil.copy(self.log, self.kept_log)
        return self.kept_log

    @property
    def kept_log(self):
        return LOGS / f"{self.label}-{REACTOR or 'automatic'}-{self.cgroup}.log"

    # -- what it holds

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kb(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def shim_pids(self):
        """The shim is known by the folder on its command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if command[0].endswith(b"gantry-shim") and any(self.folder.encode() in word for word in command):
                found.append(int(pid))
        return found

    # -- its clients

    @property
    def api(self):
        return Api(self.socket)

    def environment(self, **more):
        keep = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        return {**keep, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": os.path.join(self.folder, "docker-config"),
                **more}

    def docker(self, *args, input=None, check=True, client=None, seconds=60, env=None, binary=False):
        """Runs the docker command; the completed process, with text unless binary."""
        assert client or self.docker_path, "no docker command: run tools/setup"
        done = subprocess.run([client or self.docker_path, *map(str, args)], input=input, capture_output=True,
                              text=not binary, timeout=seconds, env=self.environment(**(env or {})),
                              **({"stdin": subprocess.DEVNULL} if input is None else {}))
        if check:
            assert done.returncode == 0, f"docker {args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def out(self, *args, **kw):
        return self.docker(*args, **kw).stdout.strip()

    def spawn(self, *args, **kw):
        """The docker command as a running process with pipes."""
        kw = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kw}
        return subprocess.Popen([self.docker_path, *map(str, args)], env=self.environment(), **kw)

    def clear(self):
        """Removes every container, for the next test."""
        if not self.alive():
            return
        for container in self.api.containers():
            self.api.remove(container["Id"])


class Peer(Engine):
    """Debian's dockerd in the engine's place: proves the tests themselves. GANTRY_E2E_ENGINE=dockerd asks for it."""

    def start(self):
        self.folder = tempfile.mkdtemp(prefix="gantry-e2e-") if not os.path.isdir(self.folder) else self.folder
        self.peer = os.path.join(self.folder, "gantry-peer")
        subprocess.run([ROOT / "tools" / "peer", "start", self.peer], check=True)
        self.socket = Path(self.peer, "docker.sock")
        self.log = Path(self.peer, "dockerd.log")
        self.data_root = Path(self.peer, "data")
        self.process = None
        return self

    @property
    def pid(self):
        return int(Path(self.peer, "dockerd.pid").read_text())

    def alive(self):
        return True

    def close(self):
        subprocess.run([ROOT / "tools" / "peer", "stop", self.peer], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def new_engine(options=(), label="engine"):
    return (Peer if PEER else Engine)(options, label)
