"""Cluster metadata: the image, the store that keeps it, and the engine that keeps it in a log of Kafka's own format."""
