"""pykafka-core: a Kafka broker and its storage engine. C moves the data, Python decides.

This module imports nothing but the version, so that `import pykafka_core` costs nothing and every command starts quickly.
"""

from ._version import __version__

__all__ = ["__version__"]
