"""Fixtures of the end-to-end tests; see README.md beside this file."""
import os
import signal

import pytest

from harness import images
from harness.engine import BUILD, PEER, REACTOR, docker_commands, new_engine

TEST_SECONDS = 180  # any one test; one that needs longer says so with @pytest.mark.seconds(N)
CLIENTS = docker_commands()
if not PEER and (BUILD / "cli" / "gantry").exists():
    CLIENTS["gantry"] = str(BUILD / "cli" / "gantry")
_engines = []


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): a test's own deadline instead of 180 s")
    config.addinivalue_line("markers", "gantry_only: not true of Docker, or not to be asked of it")


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        reason = "containers need root"
    elif not PEER and not (BUILD / "cli" / "gantryd").exists():
        pytest.exit(f"no {BUILD}/cli/gantryd: run tools/build, or set GANTRY_BUILD", 3)
    else:
        reason = None
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
        elif PEER and item.get_closest_marker("gantry_only"):
            item.add_marker(pytest.mark.skip(reason="says something of Gantry alone"))


def pytest_report_header(config):
    return [f"build: {BUILD}, reactor: {REACTOR or 'automatic'}, clients: {', '.join(CLIENTS) or 'none'}"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of each living engine's log."""
    report = (yield).get_result()
    if report.failed:
        for engine in _engines:
            engine.keep_log()
            report.sections.append((f"log of {engine.label}, kept as {engine.kept_log}", engine.log_tail()))


@pytest.fixture(autouse=True)
def deadline(request):
    """Ends a test that hangs, with the place where it hung."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def expired(*_):
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def busybox_tar():
    return images.busybox_tar()


@pytest.fixture(scope="module")
def make_engine(busybox_tar, request):
    """make_engine(*options): a started engine that holds the image busybox; ended and checked after the module."""
    made = []

    def make(*options, image=True):
        engine = new_engine(options, label=request.module.__name__)
        made.append(engine)
        _engines.append(engine)
        engine.start()
        if image:
            load_busybox(engine, busybox_tar)
        return engine

    yield make
    problems = []
    for engine in reversed(made):
        _engines.remove(engine)
        try:
            engine.close()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


def load_busybox(engine, tar):
    reply = engine.api.post("/images/create", body=tar, headers={"Content-Type": "application/x-tar"},
                            fromSrc="-", repo="busybox", tag="latest")
    assert reply.status == 200 and b"errorDetail" not in reply.body, reply


@pytest.fixture(scope="module")
def shared_engine(make_engine):
    """One engine for a module's tests."""
    return make_engine()


@pytest.fixture
def engine(shared_engine):
    """The module's engine, alive, with the image busybox and no containers."""
    if not shared_engine.alive():
        shared_engine.start()
    yield shared_engine
    shared_engine.clear()


@pytest.fixture
def api(engine):
    return engine.api


@pytest.fixture(params=list(CLIENTS), ids=list(CLIENTS))
def client(request):
    """The path of a docker command; a test that takes it runs once for each that is here."""
    return CLIENTS[request.param]
