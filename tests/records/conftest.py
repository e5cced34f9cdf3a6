"""The first example imports the codecs' libraries, which on a busy machine takes longer than hypothesis allows an
example."""

from hypothesis import settings

settings.register_profile("records", deadline=None, max_examples=50)
settings.load_profile("records")
