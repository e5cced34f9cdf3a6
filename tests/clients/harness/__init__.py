"""What the client tests share: a broker to test, one adapter per client, sample records, and a raw wire client.

Everything here is written against the protocol and never imports pykafka_core, so that an error in the broker's own
codec cannot hide itself: `wire` and `batch` are a second, independent reading of the same documents.
"""
