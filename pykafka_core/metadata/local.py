"""The local engine: metadata of one broker in a `__cluster_metadata-0` log, in Apache Kafka's own formats.

directories = open_directories(config.log_dirs, node_id=config.node_id)
store = LocalMetadataStore.open(directories, settings)
image = await store.commit([TopicRecord(...), PartitionRecord(...)])
await store.close()
"""

from __future__ import annotations
