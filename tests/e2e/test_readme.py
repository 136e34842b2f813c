"""README.md's tour, line by line: each command is run, and what README shows is what it prints."""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from harness.engine import BUILD, ROOT, docker_commands

pytestmark = pytest.mark.gantry_only
README = ROOT / "README.md"


def tour():
    """[(command, lines shown)] of the blocks of README that are marked ```console."""
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```", README.read_text(), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


def matches(shown, printed):
    """`...` in README stands for anything, on a line of its own for any lines."""
    pattern = "\n".join(shown)
    expression = ".*".join(re.escape(part) for part in pattern.split("..."))
    return re.fullmatch(expression, printed.rstrip("\n"), re.S) is not None


@pytest.mark.seconds(180)
def test_the_tour():
    steps = tour()
    assert len(steps) > 10, "README has no tour"
    work = tempfile.mkdtemp(prefix="gantry-e2e-tour-")
    client = next(iter(docker_commands().values()))
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}, "GANTRY_BUILD": str(BUILD),
           "DOCKER_CONFIG": work, "PATH": f"{os.path.dirname(client)}:{os.environ['PATH']}"}
    shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             cwd=ROOT, env=env)
    transcript = []
    try:
        for command, shown in steps:
            if command in ("tools/setup", "tools/build"):
                continue  # done before the tests
            command = command.replace("/tmp/gantry", work + "/engine")
            shell.stdin.write(f"{command}\necho \"<<<$?\"\n")
            shell.stdin.flush()
            printed = ""
            while "<<<" not in printed:
                line = shell.stdout.readline()
                assert line, f"the shell ended at {command}: {printed}"
                printed += line
            printed, status = printed.rsplit("<<<", 1)
            transcript.append(f"$ {command}\n{printed}")
            assert int(status) == 0 or f"# exit status {int(status)}" in command, "".join(transcript)
            if shown:
                assert matches(shown, printed), f"README shows:\n{shown}\nprinted:\n{printed}"
    finally:
        shell.stdin.close()
        shell.wait(30)
        if os.path.isdir(work + "/engine"):
            subprocess.run([ROOT / "tools" / "engine", "stop", work + "/engine"], env=env, check=False)
        shutil.rmtree(work, ignore_errors=True)


def test_the_two_commands_exist():
    for name in ("demo", "test", "bench", "setup", "build"):
        assert os.access(ROOT / "tools" / name, os.X_OK)
        assert f"tools/{name}" in README.read_text()


def test_files_that_readme_names_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert "://" in target or (ROOT / target).exists(), target
