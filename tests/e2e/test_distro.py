"""A whole Debian in a container: bash, perl, apt, dpkg; made by debootstrap once and kept in the cache."""
import subprocess

import pytest

from harness.engine import CACHE, ROOT
from harness.images import cache_file


def debian_tar(path):
    """A minimal Debian of the mirror that this machine's apt is set to."""
    mirror = subprocess.run(["bash", "-c", f"source {ROOT}/tools/lib.sh; apt_mirror"], capture_output=True, text=True).stdout.strip()
    if not mirror:
        raise RuntimeError("no Debian mirror in this machine's apt sources")
    folder = path.with_suffix(".root")
    try:
        done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder, mirror], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("debootstrap: " + (done.stdout + done.stderr).strip().splitlines()[-1])
        # The mirror's address is this machine's own affair.
        (folder / "etc/apt/sources.list").write_text("")
        subprocess.run(["tar", "-C", folder, "--numeric-owner", "-cf", path, "."], check=True)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)


@pytest.fixture(scope="module")
def debian(shared_engine):
    try:
        path = cache_file(CACHE, "debian-minbase.tar", debian_tar)
    except (RuntimeError, OSError) as problem:
        pytest.skip(f"no Debian root: {problem}")
    shared_engine.docker("import", path, "debian", seconds=120)
    return shared_engine


def run(engine, *command, **kw):
    return engine.docker("run", "--rm", "--network", "none", "debian", *command, **kw)


@pytest.mark.seconds(600)
def test_bash_and_perl(debian):
    assert run(debian, "bash", "-c", "echo ${BASH_VERSION%%.*} $((6*7)); type -t cd").stdout == "5 42\nbuiltin\n"
    assert run(debian, "perl", "-e", "print join(',', map { $_ * $_ } 1..5), qq(\\n)").stdout == "1,4,9,16,25\n"


def test_apt_and_dpkg(debian):
    assert run(debian, "apt", "--version").stdout.startswith("apt 2.")
    assert run(debian, "apt-get", "check").returncode == 0
    listed = run(debian, "dpkg", "-l").stdout
    assert all(f"ii  {name} " in listed for name in ("bash", "dpkg", "coreutils"))
    assert run(debian, "dpkg", "--verify", "coreutils").stdout == ""


def test_users_of_the_distribution(debian):
    assert debian.out("run", "--rm", "-u", "www-data", "debian", "id", "-un") == "www-data"
    out = debian.out("run", "--rm", "--init", "debian", "bash", "-c", "useradd -m joe && su joe -c 'id -un; cd; pwd'")
    assert out.split() == ["joe", "/home/joe"]


def test_files_as_debian_made_them(debian):
    """Owners, modes, setuid bits and links come through."""
    out = run(debian, "stat", "-c", "%n %a %U", "/usr/bin/passwd", "/tmp", "/etc/shadow").stdout.splitlines()
    assert out == ["/usr/bin/passwd 4755 root", "/tmp 1777 root", "/etc/shadow 640 root"]
    assert run(debian, "readlink", "/bin").stdout == "usr/bin\n"
