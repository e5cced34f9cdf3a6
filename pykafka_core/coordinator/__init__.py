"""Coordinators as pure state machines: `step(event, now) -> effects`.

    events.py         what can happen to a group, as the broker tells it
    effects.py        what the broker is to do about it: append records, answer, set timers
    groups.py         all groups of a broker: finds the group that an event is for, by its type
    classic.py        one classic group: membership, rebalances, generations (KIP-62, KIP-345, KIP-394, KIP-559)
    member.py         one member of a classic group
    membership.py     who is in a classic group, and what members have in common
    offsets.py        the committed offsets of one group, and when they expire
    records.py        the records of __consumer_offsets that this state is kept in, both ways
    partitioning.py   which partition of __consumer_offsets a group belongs to

Nothing here waits, reads a clock, logs or draws a random number: time is the argument `now`, random names come inside
events, and whatever is to be done in the world is an effect. The service that runs the effects is
`pykafka_core.broker.groups`.
"""
