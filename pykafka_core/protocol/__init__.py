"""Kafka's protocol: message classes, codec, headers, error codes. Knows no socket and no broker.

    message     what message classes are
    messages/   one generated module per request, response and header
    records/    the same for what a broker writes into its own topics and files
    _codec      bytes <-> message objects (Cython)
    framing     headers and whole frames
    api         API keys and versions
    errors      error codes, exceptions the exceptions raised here
    uuids       topic ids and directory ids as text

Nothing is imported here, so that a caller pays for what it asks for only.
"""
