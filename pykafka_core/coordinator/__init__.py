"""Coordinators as pure state machines: `step(event, now) -> effects`.

    events.py         what can happen to a group, as the broker tells it
    effects.py        what the broker is to do about it: append records, answer, set timers
    groups.py         all groups of a broker: finds the group that an event is for, by its type
    classic.py        one classic group: membership, rebalances, generations (KIP-62, KIP-345, KIP-394, KIP-559)
    member.py         one member of a classic group
    membership.py     who is in a classic group, and what members have in common

    consumer_groups.py     consumer groups (KIP-848): makes plans of events, has them written, carries them out
    consumer_group.py      one consumer group: what its records say
    consumer_member.py     one member of it
    consumer_heartbeat.py  members that speak the new protocol
    consumer_classic.py    members that still speak the classic one
    consumer_steps.py      what both have in common: epoch, target assignment, the way there
    consumer_reconcile.py  the next step of one member: give up, then be given
    consumer_regex.py      subscriptions by regular expression; regex.py and regex_automaton.py are the engines
    consumer_migration.py  a classic group becomes a consumer group, and the other way round
    consumer_describe.py   what others may know, and whether a member may commit
    consumer_records.py    the records of consumer groups, both ways
    assignor.py            the assignors: uniform_same.py, uniform_mixed.py (with member_loads.py), range_assignor.py
    topics.py              what groups know of topics, and the hash by which they notice a change (xxh3.py)

    offsets.py        the committed offsets of one group, and when they expire
    records.py        the records of __consumer_offsets that this state is kept in, both ways
    pending_offsets.py        offsets of one group that transactions have sent and not yet ended
    transactional_commits.py  what transactions mean to groups
    partitioning.py   which partition of __consumer_offsets a group belongs to

    transactions.py   all transactional ids of a broker: decides, has partitions told, completes (KIP-98)
    transaction.py    one transactional id as a value, and its transitions
    transaction_events.py, transaction_records.py

Nothing here waits, reads a clock, logs or draws a random number: time is the argument `now`, random names come inside
events, and whatever is to be done in the world is an effect. The services that run the effects are
`pykafka_core.broker.groups` and `pykafka_core.broker.transactions`.
"""
