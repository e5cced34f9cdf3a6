"""UpdateFeatures: levels go up, go down where nothing can be lost, and last; refusals in Apache Kafka 4.3.1's words.

Method: the handler over a store in memory for the rules, a broker that is started twice for what lasts.
"""

import pytest

from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
from pykafka_core.testing import Broker
from tests.broker.fakes import FakeStore, ask, fake_cluster
from tests.broker.raw_client import RawClient

UPGRADE, SAFE, UNSAFE = 1, 2, 3
MV = "metadata.version"
PREFIX = "The update failed for all features since the following feature had an error: "


def request_for(*updates, validate_only=False):
    return UpdateFeaturesRequest(
        feature_updates=[
            FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=how) for name, level, how in updates
        ],
        validate_only=validate_only,
    )


async def store_at(**levels):
    store = FakeStore()
    wanted = {MV: 30} | {name.replace("_", "."): level for name, level in levels.items()}
    await store.commit([FeatureLevelRecord(name=name, feature_level=level) for name, level in wanted.items()])
    return store, {"store": store, "cluster": fake_cluster()}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("name", "level", "how", "sentence"),
    [
        (
            MV,
            29,
            UPGRADE,
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade.",
        ),
        (MV, 31, SAFE, "Can't downgrade to a newer version."),
        (MV, 99, UPGRADE, "Local controller 1 only supports versions 7-33"),
        (MV, 0, UNSAFE, "Local controller 1 only supports versions 7-33"),
        (MV, -1, UNSAFE, "A feature version cannot be less than 0."),
        (MV, 29, 0, "The controller does not support the given upgrade type."),
        (MV, 29, 4, "The controller does not support the given upgrade type."),
        ("foo", 1, UPGRADE, "Local controller 1 does not support this feature."),
        ("foo", 0, SAFE, "Feature foo not found."),
    ],
)
async def test_what_is_refused(name, level, how, sentence, version):
    store, ports = await store_at()
    before = store.image
    answer = await ask(ports, request_for((MV, 30, UPGRADE), (name, level, how)), version)
    wanted = f"{PREFIX}Invalid update version {level} for feature {name}. {sentence}"
    assert (answer.error_code, answer.error_message, answer.results) == (95, wanted, [])
    assert store.image is before


@pytest.mark.parametrize(
    ("current", "level", "how", "reason"),
    [
        (30, 29, SAFE, "Refusing to perform the requested downgrade because it might delete metadata information."),
        (30, 29, UNSAFE, "Unsafe metadata downgrade is not supported in this version."),
        (24, 22, SAFE, "Refusing to perform the requested downgrade because it might delete metadata information."),
    ],
)
async def test_metadata_is_never_lost(current, level, how, reason):
    _, ports = await store_at(metadata_version=current)
    answer = await ask(ports, request_for((MV, level, how)), 2)
    assert answer.error_code == 95
    assert answer.error_message == f"{PREFIX}Unsupported {MV} downgrade from {current} to {level}. {reason}"


@pytest.mark.parametrize(("current", "level", "how"), [(29, 24, SAFE), (20, 18, UNSAFE), (29, 30, UPGRADE)])
async def test_levels_between_which_nothing_changed(current, level, how):
    store, ports = await store_at(metadata_version=current)
    answer = await ask(ports, request_for((MV, level, how), validate_only=True), 1)
    assert (answer.error_code, store.image.metadata_version) == (0, current)
    answer = await ask(ports, request_for((MV, level, how)), 1)
    assert [(each.feature, each.error_code) for each in answer.results] == [(MV, 0)]
    assert store.image.metadata_version == level
    assert (await ask(ports, request_for((MV, level, UPGRADE)), 2)).results == []


async def test_a_feature_that_is_not_built_can_be_taken_away():
    store, ports = await store_at(share_version=1)
    assert (await ask(ports, request_for(("share.version", 0, SAFE)), 2)).error_code == 0
    assert dict(store.image.features) == {MV: 30}


async def test_version_0_has_a_flag_for_downgrades():
    store, ports = await store_at(share_version=1)
    update = FeatureUpdateKey(feature="share.version", max_version_level=0)
    assert (await ask(ports, UpdateFeaturesRequest(feature_updates=[update]), 0)).error_code == 95
    update.allow_downgrade = True
    assert (await ask(ports, UpdateFeaturesRequest(feature_updates=[update]), 0)).error_code == 0
    assert dict(store.image.features) == {MV: 30}


def test_a_level_lasts(tmp_path):
    def level(client):
        answer = client.call(ApiVersionsRequest(client_software_name="t", client_software_version="1"), 4)
        return {each.name: each.max_version_level for each in answer.finalized_features}[MV]

    with Broker(directory=tmp_path) as broker, RawClient(broker.bootstrap) as client:
        assert level(client) == 30
        assert client.call(request_for((MV, 31, UPGRADE)), 2).error_code == 0
        assert level(client) == 31
    with Broker(directory=tmp_path) as broker, RawClient(broker.bootstrap) as client:
        assert level(client) == 31
        # 4.4-IV0 brought no metadata of its own.
        assert client.call(request_for((MV, 30, SAFE)), 2).error_code == 0
        assert level(client) == 30
