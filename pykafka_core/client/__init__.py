"""A small Kafka client on asyncio: what the command-line tools and other parts of this package talk to brokers with.

    errors      KafkaError: an error code, with the name and the words that Kafka's own clients use for it
    settings    the client settings that are understood, from a properties file or the command line
    connection  one socket: version negotiation, pipelining, bounded frames and time limits
    cluster     Client: bootstrap, nodes, metadata, retries
    admin       topics, configurations, offsets, log directories
    partitioner which partition a key belongs to
    producer    batches, codecs, acknowledgements, idempotence
    consumer    reads assigned partitions
    group       a member of a classic group; group_consumer reads topics as one
    groups      what an administrator asks of groups

Works against any broker that speaks Kafka's protocol. Nothing is imported here, so that a command pays for what it
uses only; numpy is never imported.
"""
