"""The broker shell: asyncio and Python around the reactors in C.

    shell.py        a broker from start to stop
    start.py        its way up, without an event loop
    running.py      what it does once it listens, and its way down
    dispatch.py     a request that a reactor handed up, on its way to its handler and back
    handlers/       one file per API
    topics.py       the topics that this broker runs: their logs, their entries in the reactors' table
    kept_topics.py  what clients are told about topics, encoded, for as long as it holds
    topic_admin.py  create, delete, grow and reconfigure topics, durably
    log_dirs.py     the data directories: partitions, checkpoints, what waits for its deletion; log_directory.py: one of
                    them; boot.py: whether the kernel has kept what was written; log_loading.py: opening them all
    log_care.py     what is done for the logs by the clock; retention.py, cleaner.py
    listeners.py    sockets, and the addresses that clients are told; advertised_listeners.py: can they be reached?
    api_versions.py what the reactors answer to ApiVersions
    events.py       what went wrong on connections, in words
    config.py, topic_configs.py, checkpoints.py   Kafka's settings and files

After the start everything runs on the asyncio thread, but for disk work that would hold it up: that goes to a thread
and is awaited.
"""
