"""What an engine could leave behind: processes, mounts, cgroups, sockets, network links."""
import os
import subprocess
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def _read(path):
    try:
        return Path(path).read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def processes(folder, cgroup):
    """Processes that name the folder on their command line or sit below the cgroup."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        command = _read(f"/proc/{pid}/cmdline")
        groups = _read(f"/proc/{pid}/cgroup")
        program = command.split(" ", 1)[0]
        ours = folder in command and not program.endswith(("python3", "bash", "sh"))
        if ours or f"/{cgroup}/" in groups or f":/{cgroup}\n" in groups:
            found.append(f"process {pid}: {command.strip() or _read(f'/proc/{pid}/comm').strip()}")
    return found


def mounts(folder):
    return [f"mount {line}" for line in _read("/proc/self/mountinfo").splitlines() if folder in line]


def cgroups(cgroup):
    """Directories of the cgroup in every hierarchy, itself included."""
    roots = [CGROUPS, *(p for p in CGROUPS.iterdir() if p.is_dir())] if CGROUPS.is_dir() else []
    found = []
    for root in roots:
        for path, _, _ in os.walk(root / cgroup):
            found.append(f"cgroup {path}")
    return found


def sockets(folder):
    return [f"socket {path}" for path in Path(folder).rglob("*") if path.is_socket()] if Path(folder).exists() else []


def links():
    out = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split(": ")[1] for line in out.splitlines()}


def all_of(folder, cgroup):
    """One line a trace; empty when nothing is left."""
    return processes(folder, cgroup) + mounts(folder) + cgroups(cgroup) + sockets(folder)
