"""pykafka-core: a Kafka broker and its storage engine. C moves the data, Python decides.

This module imports nothing but the version, so that importing it costs nothing and commands start quickly.
"""

from ._version import __version__

__all__ = ["__version__"]
