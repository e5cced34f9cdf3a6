"""InitProducerId without a transactional id: ids that are never given twice, and truthful refusals.

With one it is in tests/broker/test_transactions.py.

Method: requests through codec, dispatcher and handler; the metadata store is in memory, a restart is a second
allocator over it.
"""

import asyncio

import pytest

from pykafka_core.broker.producer_ids import BLOCK_SIZE, ProducerIds
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from tests.broker.fakes import NODE_ID, FakeStore, ask


@pytest.fixture
def store():
    return FakeStore()


async def init(ids, version=4, **fields):
    fields = {"transactional_id": None} | fields
    ports = {"producer_ids": ids, "transactions": None}
    answer = await ask(ports, InitProducerIdRequest(**fields), version)
    return answer.error_code, answer.producer_id, answer.producer_epoch


@pytest.mark.parametrize("version", range(6))
async def test_each_version_gives_an_id_with_epoch_0(store, version):
    assert await init(ProducerIds(store=store, node_id=NODE_ID), version) == (0, 0, 0)


async def test_ids_do_not_repeat_across_blocks_and_restarts(store):
    first, second = (ProducerIds(store=store, node_id=NODE_ID) for _ in range(2))
    given = [await first.next() for _ in range(BLOCK_SIZE + 1)]
    given += [await second.next() for _ in range(BLOCK_SIZE + 1)]
    assert len(set(given)) == len(given)
    assert store.image.next_producer_id == 4 * BLOCK_SIZE


async def test_many_at_once_share_a_block(store):
    ids = ProducerIds(store=store, node_id=NODE_ID)
    given = await asyncio.gather(*(ids.next() for _ in range(100)))
    assert sorted(given) == list(range(100))
    assert len(store.commits) == 1


async def test_the_block_is_durable_before_its_first_id_is_given(store):
    ids = ProducerIds(store=store, node_id=NODE_ID)
    commit = store.commit

    async def failing(records, *, expected_revision=None):
        raise RuntimeError("no disk")

    store.commit = failing
    with pytest.raises(RuntimeError):
        await ids.next()
    store.commit = commit
    assert await ids.next() == 0


@pytest.mark.parametrize(
    "fields",
    [{"producer_id": 5, "producer_epoch": -1}, {"producer_id": -1, "producer_epoch": 0}],
)
async def test_contradictory_requests_are_refused(store, fields):
    assert await init(ProducerIds(store=store, node_id=NODE_ID), **fields) == (42, -1, -1)


async def test_a_producer_that_has_an_id_gets_another(store):
    ids = ProducerIds(store=store, node_id=NODE_ID)
    _, producer_id, epoch = await init(ids)
    assert await init(ids, producer_id=producer_id, producer_epoch=epoch) == (0, producer_id + 1, 0)
