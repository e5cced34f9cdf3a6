"""The records that a broker commits, by what it wants to do: pure functions from an image to a list of records.

create_topic(image, name, partition_count, broker_id, directory_ids, configs) -> list[Record]
delete_topic(image, topic_id); create_partitions(image, topic, count, ...); alter_configs(resource_type, name,
{key: value | None}) register_broker(image, ...); bump_leader_epochs(image, broker_id);
allocate_producer_ids(image, broker_id, broker_epoch, count=1000)
"""

from __future__ import annotations
