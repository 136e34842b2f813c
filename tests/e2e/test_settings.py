"""What docker run's options do inside: environment, users, mounts, limits, capabilities, seccomp, masked paths."""
import os
import re
from pathlib import Path

import pytest

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def run(engine, *args, check=True, script=None):
    """Output of `docker run --rm --network none OPTIONS busybox sh -c SCRIPT`."""
    done = engine.docker("run", "--rm", "--network", "none", *args, "busybox", "sh", "-c", script, check=check)
    return done.stdout.strip() if check else done


def status_field(engine, field, *args):
    return run(engine, *args, script=f"sed -n 's/^{field}:[[:space:]]*//p' /proc/self/status")


# -- process

def test_environment(engine):
    out = run(engine, "-e", "A=1", "-e", "EMPTY=", "-h", "box", script="env")
    env = dict(line.split("=", 1) for line in out.splitlines())
    assert env["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert (env["HOSTNAME"], env["HOME"], env["A"], env["EMPTY"]) == ("box", "/root", "1", "")
    assert "TERM" not in env


def test_working_folder_is_made(engine):
    assert run(engine, "-w", "/made/for/me", script="pwd; stat -c %a:%u .").split() == ["/made/for/me", "755:0"]
    refused = engine.docker("run", "--rm", "-w", "relative", "busybox", "true", check=False)
    assert refused.returncode == 125 and "the working directory 'relative' is invalid" in refused.stderr


@pytest.mark.parametrize("user, ids", [
    ("nobody", "65534:65534"), ("1234", "1234:0"), ("1234:5678", "1234:5678"), ("nobody:root", "65534:0"),
    ("0:12", "0:12"), ("root", "0:0"),
])
def test_users(engine, user, ids):
    assert run(engine, "-u", user, script="echo $(id -u):$(id -g)") == ids


def test_unknown_user(engine):
    done = run(engine, "-u", "nosuchuser", check=False, script="true")
    assert done.returncode != 0 and "unable to find user nosuchuser: no matching entries in passwd file" in done.stderr


def test_group_add(engine):
    assert run(engine, "--group-add", "777", "--group-add", "nogroup", script="id -G").split() == ["0", "777", "65534"]


def test_hostname_and_the_files_of_etc(engine):
    out = run(engine, "-h", "my-box", "--add-host", "db:10.1.2.3", "--dns", "9.9.9.9",
              script="hostname; cat /etc/hostname /etc/hosts")
    assert out.splitlines()[:2] == ["my-box", "my-box"]
    assert re.search(r"^127\.0\.0\.1\s+localhost", out, re.M) and re.search(r"^10\.1\.2\.3\s+db$", out, re.M)
    container = engine.api.create("hostname")
    engine.api.start(container)
    engine.api.wait(container)
    assert engine.api.logs(container)[0].decode().strip() == container[:12]


def test_init_reaps_orphans(engine):
    out = run(engine, "--init", script="(sleep 0.1 &) ; sleep 0.4; cat /proc/1/comm; "
                                   r"grep -sE '^[0-9]+ \(.*\) Z' /proc/[0-9]*/stat | wc -l")
    assert "init" in out.split()[0] or "tini" in out.split()[0]
    assert out.split()[1] == "0"


def test_namespaces_are_its_own(engine):
    names = ("pid", "mnt", "uts", "ipc", "net")
    inside = run(engine, script="for n in pid mnt uts ipc net; do readlink /proc/self/ns/$n; done").split()
    outside = [os.readlink(f"/proc/self/ns/{n}") for n in names]
    assert len(inside) == 5 and not set(inside) & set(outside)
    assert run(engine, script="echo $$") == "1"
    host = [run(engine, option, "host", script=f"readlink /proc/self/ns/{n}")
            for option, n in (("--pid", "pid"), ("--uts", "uts"), ("--ipc", "ipc"))]
    assert host == [os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "uts", "ipc")]


def test_host_network(engine):
    out = engine.out("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net")
    assert out == os.readlink("/proc/self/ns/net")


@pytest.mark.gantry_only
@pytest.mark.parametrize("network", ["none", "bridge"])
def test_loopback_is_up(engine, network):
    out = engine.out("run", "--rm", "--network", network, "busybox", "sh", "-c", "ping -c 1 -W 1 127.0.0.1")
    assert "1 packets received" in out


def test_nothing_of_the_engine_leaks_into_the_process(engine):
    """Descriptors 0, 1, 2 and no other; no signal ignored or blocked; umask 022."""
    plain = ["run", "--rm", "--network", "none", "busybox"]
    assert engine.out(*plain, "ls", "/proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
    assert engine.out(*plain, "sh", "-c", "umask") == "0022"
    signals = engine.out(*plain, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    assert {line.split()[1] for line in signals.splitlines()} == {"0" * 16}


# -- mounts

def test_read_only_root(engine):
    out = run(engine, "--read-only", "--tmpfs", "/scratch", script="touch /x 2>&1; touch /scratch/x && echo scratch")
    assert "Read-only file system" in out and out.endswith("scratch")


def test_tmpfs_options(engine):
    out = run(engine, "--tmpfs", "/t:size=1m,mode=1700,noexec", script="stat -c %a /t; grep ' /t ' /proc/mounts")
    assert out.startswith("1700") and "size=1024k" in out and "noexec" in out
    full = run(engine, "--tmpfs", "/t:size=1m", check=False, script="head -c 2000000 /dev/zero > /t/x")
    assert full.returncode == 1, full


def test_bind_mounts(engine, tmp_path):
    (tmp_path / "file").write_text("from outside\n")
    assert run(engine, "-v", f"{tmp_path}:/host", script="cat /host/file; echo inside > /host/new") == "from outside"
    assert (tmp_path / "new").read_text() == "inside\n"
    denied = run(engine, "-v", f"{tmp_path}:/host:ro", check=False, script="echo x > /host/other")
    assert denied.returncode != 0 and "Read-only file system" in denied.stderr
    assert not (tmp_path / "other").exists()
    assert run(engine, "-v", f"{tmp_path}/file:/single:ro", script="cat /single") == "from outside"
    run(engine, "-v", f"{tmp_path}/made/by/engine:/host", script="touch /host/x")
    assert (tmp_path / "made/by/engine/x").exists()


def test_mount_option(engine, tmp_path):
    out = run(engine, "--mount", f"type=bind,source={tmp_path},target=/host,readonly",
              "--mount", "type=tmpfs,target=/t,tmpfs-size=64k,tmpfs-mode=711",
              script="touch /host/x 2>&1; stat -c %a /t; df -k /t | tail -1")
    assert "Read-only" in out and "711" in out and " 64 " in out
    missing = engine.docker("run", "--rm", "--mount", f"type=bind,source={tmp_path}/nosuch,target=/x", "busybox", "true",
                            check=False)
    assert missing.returncode == 125 and "bind source path does not exist" in missing.stderr


def test_device_nodes_and_shm(engine):
    out = run(engine, "--shm-size", "2m", script="""
        for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo missing $d; done
        ls -l /dev/fd /dev/stdin /dev/ptmx | wc -l; df -k /dev/shm | tail -1
        stat -c %a /dev/shm; echo x > /dev/null && echo writes""")
    assert "missing" not in out
    lines = out.splitlines()
    assert lines[0] == "3" and " 2048 " in lines[1] and lines[2:] == ["1777", "writes"]


def test_nothing_of_a_container_is_in_the_host_s_mount_table(engine, api):
    before = Path("/proc/self/mountinfo").read_text()
    for _ in range(5):
        api.run("sleep", "1000")
    assert len(Path("/proc/self/mountinfo").read_text().splitlines()) - len(before.splitlines()) <= (0 if type(engine).__name__ == "Engine" else 15)


# -- limits

def cgroup_value(engine, container, controller, v1, v2):
    """A limit as the kernel has it, read from the host's side."""
    pid = engine.api.inspect(container)["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if not V2 and controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}/{v1}").read_text().strip()
        if V2 and number == "0":
            return Path(f"/sys/fs/cgroup{path}/{v2}").read_text().strip()
    raise AssertionError(f"no {controller} cgroup")


def test_limits_are_the_kernel_s(engine):
    container = engine.out("run", "-d", "--network", "none", "-m", "64m", "--cpus", "0.5", "--pids-limit", "33", "--cpuset-cpus",
                           "0", "--cpu-shares", "512", "busybox", "sleep", "1000")
    assert cgroup_value(engine, container, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_value(engine, container, "pids", "pids.max", "pids.max") == "33"
    assert cgroup_value(engine, container, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    quota = cgroup_value(engine, container, "cpu", "cpu.cfs_quota_us", "cpu.max")
    assert quota.split()[0] == "50000"
    if not V2:
        assert cgroup_value(engine, container, "cpu", "cpu.shares", "") == "512"
    host = engine.api.inspect(container)["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500000000, 33)


def test_limits_are_visible_inside(engine):
    path = "/sys/fs/cgroup/memory.max" if V2 else "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert run(engine, "-m", "64m", script=f"cat {path}") == str(64 << 20)
    denied = run(engine, check=False, script="mkdir /sys/fs/cgroup/x" if V2 else "mkdir /sys/fs/cgroup/memory/x")
    assert denied.returncode != 0


def test_too_many_processes(engine):
    done = run(engine, "--pids-limit", "10", check=False, script="for i in $(seq 1 20); do sleep 5 & done; wait")
    assert "fork" in done.stderr


def test_out_of_memory(engine):
    container = engine.out("run", "-d", "--network", "none", "-m", "8m", "--memory-swap", "8m", "busybox", "sh", "-c",
                           "head -c 100000000 /dev/zero | tail")
    assert engine.out("wait", container) in ("137", "1")
    assert engine.api.inspect(container)["State"]["OOMKilled"] is True


def test_ulimits_and_sysctls(engine):
    assert run(engine, "--ulimit", "nofile=123:456", script="ulimit -n; ulimit -Hn").split() == ["123", "456"]
    assert run(engine, "--sysctl", "net.ipv4.ip_forward=1", script="cat /proc/sys/net/ipv4/ip_forward") == "1"
    out = run(engine, script="cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    assert out == "0"


# -- privileges

DEFAULT_CAPABILITIES = "00000000a80425fb"


def test_capabilities(engine):
    assert status_field(engine, "CapEff") == DEFAULT_CAPABILITIES
    assert status_field(engine, "CapBnd") == DEFAULT_CAPABILITIES
    assert status_field(engine, "CapInh") == "0" * 16
    assert status_field(engine, "CapEff", "--cap-drop", "ALL") == "0" * 16
    assert status_field(engine, "CapEff", "--cap-drop", "ALL", "--cap-add", "CHOWN") == "0" * 15 + "1"
    assert int(status_field(engine, "CapEff", "--cap-add", "net_admin"), 16) == int(DEFAULT_CAPABILITIES, 16) | 1 << 12
    assert status_field(engine, "CapEff", "-u", "1000") == "0" * 16
    assert status_field(engine, "CapBnd", "-u", "1000") == DEFAULT_CAPABILITIES
    refused = engine.docker("run", "--rm", "--cap-add", "NOSUCH", "busybox", "true", check=False)
    assert refused.returncode == 125 and 'unknown capability: "CAP_NOSUCH"' in refused.stderr


def test_seccomp(engine):
    assert status_field(engine, "Seccomp") == "2"
    assert status_field(engine, "Seccomp", "--security-opt", "seccomp=unconfined") == "0"
    denied = run(engine, check=False, script="unshare -U true")
    assert denied.returncode != 0 and "Operation not permitted" in denied.stderr
    assert run(engine, "--security-opt", "seccomp=unconfined", script="unshare -U true && echo allowed") == "allowed"


def test_a_seccomp_profile_of_ones_own(engine, tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO",'
                       '"errnoRet":1}]}')
    done = run(engine, "--security-opt", f"seccomp={profile}", check=False, script="mkdir /x")
    assert done.returncode != 0 and "Operation not permitted" in done.stderr


def test_no_new_privileges(engine):
    assert status_field(engine, "NoNewPrivs") == "0"
    assert status_field(engine, "NoNewPrivs", "--security-opt", "no-new-privileges") == "1"


def test_masked_and_read_only_paths(engine):
    host = engine.api.inspect(engine.api.create("true"))["HostConfig"]
    assert "/proc/kcore" in host["MaskedPaths"] and "/proc/sys" in host["ReadonlyPaths"]
    masked = " ".join(host["MaskedPaths"])
    out = run(engine, script=f"for p in {masked}; do if [ -d $p ]; then ls -A $p; elif [ -e $p ]; then cat $p; fi; done")
    assert out == ""
    done = run(engine, check=False, script="echo 1 > /proc/sys/kernel/printk; touch /sys/x")
    assert done.stderr.count("Read-only file system") == 2


@pytest.mark.gantry_only  # runc fails where root lacks a capability
def test_privileged(engine):
    out = run(engine, "--privileged", script="""
        sed -n 's/^CapEff:[[:space:]]*//p; s/^Seccomp:[[:space:]]*//p' /proc/self/status; ls /dev | wc -l
        mkdir /m && mount -t tmpfs x /m && echo mounted""")
    lines = out.splitlines()
    own = re.search(r"CapBnd:\s+(\w+)", Path("/proc/self/status").read_text())[1]
    assert lines[0] == own and lines[1] == "0" and int(lines[2]) > 20 and lines[3] == "mounted"


def test_devices(engine):
    denied = run(engine, check=False, script="mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg")
    assert "Operation not permitted" in denied.stderr
    assert run(engine, "--device", "/dev/zero:/dev/nought:r", script="head -c 3 /dev/nought | wc -c") == "3"
