"""Goal: what is checked in is what the generator writes from Kafka's definitions.

The definitions are not part of this repository. PYKAFKA_CORE_MESSAGE_FOLDER names a folder that holds them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("PYKAFKA_CORE_MESSAGE_FOLDER")


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_protocol", ROOT / "ci" / "generate_protocol.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(FOLDER is None, reason="PYKAFKA_CORE_MESSAGE_FOLDER does not name Kafka's message definitions")
def test_generator_writes_the_checked_in_files() -> None:
    package = ROOT / "pykafka_core" / "protocol"
    files: dict[str, str] = generator().generate(Path(str(FOLDER)))
    for name, text in files.items():
        assert (package / name).read_text("utf-8") == text, name
    present = {
        str(path.relative_to(package))
        for folder in ("messages", "records")
        for path in (package / folder).rglob("*.py")
    }
    assert present - set(files) == {"records/__init__.py", "records/framing.py"}


def test_names_become_snake_case() -> None:
    snake = generator().snake
    names = ["ThrottleTimeMs", "KRaftVersionRecord", "BrokerIds", "IsrNodes", "PreferredReadReplica", "topicId"]
    assert [snake(name) for name in names] == [
        "throttle_time_ms",
        "kraft_version_record",
        "broker_ids",
        "isr_nodes",
        "preferred_read_replica",
        "topic_id",
    ]


def test_version_ranges() -> None:
    parse = generator().parse_versions
    assert [parse(text, (2, 9)) for text in ("0+", "3", "1-4", "5-20", "10+", "none", None)] == [
        (2, 9),
        (3, 3),
        (2, 4),
        (5, 9),
        None,
        None,
        None,
    ]


def test_removed_api_has_no_class(tmp_path: Path) -> None:
    path = tmp_path / "GoneRequest.json"
    path.write_text('// a comment\n{"apiKey": 4, "type": "request", "name": "GoneRequest", "validVersions": "none"}\n')
    assert generator().DefinitionReader(path, "messages").read() is None


def test_field_that_is_tagged_in_some_versions_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "OddRequest.json"
    path.write_text(
        '{"apiKey": 1, "type": "request", "name": "OddRequest", "validVersions": "0-2", "flexibleVersions": "0+",'
        ' "fields": [{"name": "A", "type": "int8", "versions": "0+", "taggedVersions": "1+", "tag": 0}]}'
    )
    with pytest.raises(ValueError, match=r"OddRequest\.A"):
        generator().DefinitionReader(path, "messages").read()
