"""The version of pykafka-core: stated here and nowhere else. pyproject.toml reads it without importing the package."""

__version__ = "0.1.0"
