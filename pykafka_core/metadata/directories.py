"""The log directories of a broker: whose they are, that nobody else uses them, and which partition directories lie in
them.

    open_directories(paths, node_id=None, cluster_id=None) -> LogDirectories     formats what is empty, refuses what
    is not ours partition_directory_name(topic, partition) / deleted_directory_name(...)      Kafka's names
    list_partition_directories(directory) -> list[PartitionDirectory]             with their topic ids, strays marked
    by the caller
"""

from __future__ import annotations
