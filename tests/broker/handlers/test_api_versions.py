"""ApiVersions: every version through the codec, the fallback for versions that are not served, and what may be told
to whom.

Method: requests go through encoder, dispatcher and handler; answers are decoded again.
"""

import struct

import pytest

from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.handlers import SERVED, find_handler
from pykafka_core.protocol.api import APIS
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from tests.broker.fakes import CLUSTER_ID, NODE_ID, ask, fake_cluster

SOFTWARE = {"client_software_name": "some-client", "client_software_version": "1.2.3"}


async def ask_versions(version, **fields):
    fields = (SOFTWARE if version >= 3 else {}) | fields
    return await ask({"cluster": fake_cluster()}, ApiVersionsRequest(**fields), version)


@pytest.mark.parametrize("version", range(6))
async def test_each_version_lists_what_is_served(version):
    answer = await ask_versions(version)
    assert answer.error_code == 0
    told = {row.api_key: (row.min_version, row.max_version) for row in answer.api_keys}
    assert told.pop(ApiKey.PRODUCE) == (0, 13)
    assert told == {key: versions for key, versions in SERVED.items() if key != ApiKey.PRODUCE}


@pytest.mark.parametrize("key", [key for key in SERVED if key != ApiKey.FETCH])
def test_each_served_api_has_a_handler_and_no_version_that_the_protocol_lacks(key):
    assert find_handler(key) is not None
    assert APIS[key].version_min <= SERVED[key][0] <= SERVED[key][1] <= APIS[key].version_max_stable


@pytest.mark.parametrize("version", [6, 99, -1])
async def test_an_unknown_version_is_answered_with_version_0_and_our_range(version):
    # The body may be anything: it must not be read.
    frame = struct.pack(">hhi", ApiKey.API_VERSIONS, version, 4711) + b"\xff\xff" + b"\xde\xad\xbe\xef"
    answer = await Dispatcher({"cluster": fake_cluster()}).answer(frame)
    assert answer == struct.pack(">i h i hhh", 4711, 35, 1, 18, 0, 5)


@pytest.mark.parametrize(
    "fields",
    [
        {"client_software_name": "a!"},
        {"client_software_name": ""},
        {"client_software_name": "-a"},
        {"client_software_version": "1 2"},
        {"client_software_version": "a\n"},
    ],
)
async def test_unfit_software_names_are_refused(fields):
    answer = await ask_versions(3, **fields)
    assert (answer.error_code, answer.api_keys) == (42, [])


async def test_features_that_start_at_level_0_are_kept_from_older_clients():
    assert [feature.name for feature in (await ask_versions(3)).supported_features] == ["metadata.version"]
    answer = await ask_versions(4)
    assert [feature.name for feature in answer.supported_features] == ["metadata.version", "kraft.version"]
    assert [(f.name, f.min_version_level, f.max_version_level) for f in answer.finalized_features] == [
        ("metadata.version", 30, 30)
    ]
    assert answer.finalized_features_epoch == 17


@pytest.mark.parametrize(
    ("cluster_id", "node_id", "code"),
    [
        (CLUSTER_ID, NODE_ID, 0),
        (None, -1, 0),
        (CLUSTER_ID, -1, 42),
        (None, NODE_ID, 42),
        ("another", NODE_ID, 129),
        (CLUSTER_ID, NODE_ID + 1, 129),
    ],
)
async def test_version_5_checks_whom_the_client_means(cluster_id, node_id, code):
    assert (await ask_versions(5, cluster_id=cluster_id, node_id=node_id)).error_code == code
