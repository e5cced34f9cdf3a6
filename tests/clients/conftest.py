"""Fixtures of the client tests: one broker for the session, brokers of one's own, and the table at the end.

Environment: KC_CLIENTS_TARGET (ours, kafka), KC_CLIENTS_TEXT_MB (size of the real-text test), CI=true (a client that is
missing is a failure, not a skip).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import broker as brokers
from harness import jars
from harness.clients import ALL, Client
from harness.groups import Member
from harness.presence import MissingError, absent
from harness.table import Table

HERE = Path(__file__).resolve().parent
TABLE = Table()


@pytest.fixture(scope="session")
def _made() -> Iterator[list[brokers.Broker]]:
    made: list[brokers.Broker] = []
    yield made
    for each in made:
        each.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, _made: list[brokers.Broker]) -> brokers.Broker:
    """The broker that all tests share. The last test stops it and inspects its directory."""
    try:
        made = brokers.make(tmp_path_factory.mktemp("shared"))
    except MissingError as missing:
        absent(str(missing))
        raise
    _made.append(made)
    made.start()
    return made


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Callable[..., brokers.Broker]]:
    """Starts a broker for one test alone: `own_broker(properties=True, log_segment_bytes=1 << 20)`."""
    made: list[brokers.Broker] = []

    def start(*, properties: bool = False, **settings: str | int) -> brokers.Broker:
        try:
            each = brokers.make(tmp_path / f"broker-{len(made)}", properties=properties, **settings)
        except MissingError as missing:
            absent(str(missing))
            raise
        made.append(each)
        each.start()
        return each

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def kafka_is_here() -> None:
    """For tests that start Apache Kafka beside ours."""
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))


@pytest.fixture
def members() -> Iterator[list[Member]]:
    """Members of a group that the test adds; none outlives it."""
    made: list[Member] = []
    yield made
    for member in made:
        member.kill()


@pytest.fixture(scope="session")
def present() -> Iterator[Callable[[Client], Client]]:
    """Checks once per client that it is there; skips (or fails under CI) if it is not."""
    known: dict[str, str] = {}

    def check(client: Client) -> Client:
        if client.name not in known:
            try:
                client.check()
                known[client.name] = ""
                TABLE.versions[client.name] = client.version()
            except MissingError as missing:
                known[client.name] = TABLE.missing[client.name] = str(missing)
        if known[client.name]:
            absent(known[client.name])
        return client

    yield check
    for client in ALL:
        client.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test marked `last_of_session` inspects what all others have left on disk."""
    items.sort(key=lambda item: item.get_closest_marker("last_of_session") is not None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "last_of_session: runs after all other client tests, with the shared broker's data"
    )
    config.addinivalue_line("markers", "row(name): the line of the table in which the test is counted")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    mark = item.get_closest_marker("row")
    if mark and HERE in item.path.parents and (report.when == "call" or report.outcome != "passed"):
        TABLE.count(str(mark.args[0]), report.outcome)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE.rows:
        terminalreporter.section(f"clients against {brokers.TARGET}")
        for line in TABLE.lines():
            terminalreporter.write_line(line)
