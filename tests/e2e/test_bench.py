"""Each bench runs small, so that it still works on the day somebody measures."""
import json
import subprocess

import pytest

from harness.engine import BUILD, ROOT


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory, busybox_tar):
    folder = tmp_path_factory.mktemp("gantry-floor-root")
    subprocess.run(["tar", "-C", folder, "-x"], input=busybox_tar, check=True)
    return folder


def bench(name, *args, check=True):
    return subprocess.run([BUILD / "bench" / f"bench_{name}", *map(str, args)], capture_output=True, text=True, timeout=120,
                          check=check)


def test_floor(rootfs, tmp_path):
    rows = json.loads(bench("floor", "--rootfs", rootfs, "--work", tmp_path, "--count", 5, "--threads", 2, "--json").stdout)
    assert rows[0]["step"] == "fork+exec+wait" and len(rows) >= 3
    assert all(row["rate"] > 0 and row["total"]["p50"] > 0 for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_floor_cleans_up_after_a_failure(tmp_path):
    done = bench("floor", "--rootfs", tmp_path / "nosuch", "--work", tmp_path, "--count", 3, check=False)
    assert done.returncode == 1 and "exit status" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_churn(engine):
    data = json.loads(bench("churn", "--socket", engine.socket, "--count", 10, "--clients", 3, "--json").stdout)
    assert data["count"] == 10 and data["rate"] > 0
    assert data["total"]["p50"] >= data["create"]["p50"] > 0
    assert engine.api.containers() == []


def test_churn_says_what_failed(engine):
    done = bench("churn", "--socket", engine.socket, "--image", "nosuch", check=False)
    assert done.returncode == 1 and "No such image" in done.stderr
    assert bench("churn", check=False).returncode == 2


def test_report(tmp_path):
    floor = [{"step": "+network, cgroup v1", "threads": 1, "count": 2, "rate": 100.0, "total": {"p50": 10.0, "p99": 20.0}}]
    step = {"p50": 5.0, "p99": 6.0}
    for number, rate in enumerate((40.0, 50.0, 90.0)):
        (tmp_path / f"floor-1-{number}.json").write_text(json.dumps(floor))
        churn = {"clients": 1, "rate": rate, **{k: step for k in ("create", "start", "wait", "delete")}, "total": {"p50": 20.0, "p99": 30.0}}
        (tmp_path / f"churn-gantry-1-{number}.json").write_text(json.dumps(churn))
        (tmp_path / f"churn-docker-1-{number}.json").write_text(json.dumps({**churn, "rate": 5.0}))
    out = subprocess.run([ROOT / "bench" / "report.py", tmp_path], capture_output=True, text=True, check=True).stdout
    assert "gantry, 1 client(s): 50 % of the floor's rate, 2.0 times its p50, 10.0 times Docker's rate" in out
    assert "50.0 (40.0-90.0)" in out
