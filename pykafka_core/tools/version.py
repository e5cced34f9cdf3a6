"""The release of Apache Kafka whose commands these are: what `--version` prints, as scripts compare it."""

KAFKA_VERSION = "4.3.1"
