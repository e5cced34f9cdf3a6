"""What can go wrong between a client and a broker, in the words of Kafka's own clients.

Scripts look for these names and sentences in the output of the tools, so `java_name` and the sentence that stands in
for a missing one are Kafka's (org.apache.kafka.common.protocol.Errors).

    KafkaError               a broker's answer, or no answer: `code`, `java_name`
        KafkaTimeoutError    no answer in time
        DisconnectedError    the connection ended while an answer was awaited
        UnsupportedError     the broker lacks the API or all its versions that we know
    ConnectionProtocolError  the bytes that came are no answer of a Kafka broker
"""

from __future__ import annotations

from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "ConnectionProtocolError",
    "DisconnectedError",
    "KafkaError",
    "KafkaTimeoutError",
    "UnsupportedError",
    "check",
    "java_name",
]

_PACKAGE = "org.apache.kafka.common.errors."

# Where the exception's name is not that of the code.
_JAVA_NAMES = {
    "TOPIC_ALREADY_EXISTS": "TopicExistsException",
    "INVALID_TOPIC_EXCEPTION": "InvalidTopicException",
    "INVALID_CONFIG": "InvalidConfigurationException",
    "REQUEST_TIMED_OUT": "TimeoutException",
    "MESSAGE_TOO_LARGE": "RecordTooLargeException",
    "RECORD_LIST_TOO_LARGE": "RecordBatchTooLargeException",
    "OFFSET_METADATA_TOO_LARGE": "OffsetMetadataTooLarge",
    "COORDINATOR_LOAD_IN_PROGRESS": "CoordinatorLoadInProgressException",
    "INVALID_FETCH_SIZE": "InvalidFetchSizeException",
    "CORRUPT_MESSAGE": "CorruptRecordException",
    "NETWORK_EXCEPTION": "NetworkException",
    "REASSIGNMENT_IN_PROGRESS": "ReassignmentInProgressException",
    "INVALID_PARTITIONS": "InvalidPartitionsException",
    "KAFKA_STORAGE_ERROR": "KafkaStorageException",
    "UNKNOWN_SERVER_ERROR": "UnknownServerException",
    "UNSUPPORTED_VERSION": "UnsupportedVersionException",
    "FEATURE_UPDATE_FAILED": "FeatureUpdateFailedException",
    "NON_EMPTY_GROUP": "GroupNotEmptyException",
    "INCONSISTENT_GROUP_PROTOCOL": "InconsistentGroupProtocolException",
    "DUPLICATE_SEQUENCE_NUMBER": "DuplicateSequenceException",
    "OUT_OF_ORDER_SEQUENCE_NUMBER": "OutOfOrderSequenceException",
    "INVALID_PRODUCER_ID_MAPPING": "InvalidPidMappingException",
    "INVALID_TRANSACTION_TIMEOUT": "InvalidTxnTimeoutException",
    "TRANSACTION_COORDINATOR_FENCED": "TransactionCoordinatorFencedException",
    "DELEGATION_TOKEN_AUTH_DISABLED": "DelegationTokenDisabledException",
}

# What Kafka says where a broker sent a code alone.
_SENTENCES = {
    "UNKNOWN_SERVER_ERROR": "The server experienced an unexpected error when processing the request.",
    "OFFSET_OUT_OF_RANGE": "The requested offset is not within the range of offsets maintained by the server.",
    "UNKNOWN_TOPIC_OR_PARTITION": "This server does not host this topic-partition.",
    "LEADER_NOT_AVAILABLE": "There is no leader for this topic-partition as we are in the middle of a leadership "
    "election.",
    "NOT_LEADER_OR_FOLLOWER": "For requests intended only for the leader, this error indicates that the broker is not "
    "the current leader. For requests intended for any replica, this error indicates that the broker is not a replica "
    "of the topic partition.",
    "REQUEST_TIMED_OUT": "The request timed out.",
    "MESSAGE_TOO_LARGE": "The request included a message larger than the max message size the server will accept.",
    "CORRUPT_MESSAGE": "This message has failed its CRC checksum, exceeds the valid size, has a null key for a "
    "compacted topic, or is otherwise corrupt.",
    "INVALID_TOPIC_EXCEPTION": "The request attempted to perform an operation on an invalid topic.",
    "NOT_ENOUGH_REPLICAS": "Messages are rejected since there are fewer in-sync replicas than required.",
    "TOPIC_AUTHORIZATION_FAILED": "Topic authorization failed.",
    "GROUP_AUTHORIZATION_FAILED": "Group authorization failed.",
    "CLUSTER_AUTHORIZATION_FAILED": "Cluster authorization failed.",
    "UNSUPPORTED_VERSION": "The version of API is not supported.",
    "TOPIC_ALREADY_EXISTS": "Topic with this name already exists.",
    "INVALID_PARTITIONS": "Number of partitions is below 1.",
    "INVALID_REPLICATION_FACTOR": "Replication factor is below 1 or larger than the number of available brokers.",
    "INVALID_REPLICA_ASSIGNMENT": "Replica assignment is invalid.",
    "INVALID_CONFIG": "Configuration is invalid.",
    "POLICY_VIOLATION": "Request parameters do not satisfy the configured policy.",
    "INVALID_TIMESTAMP": "The timestamp of the message is out of acceptable range.",
    "KAFKA_STORAGE_ERROR": "Disk error when trying to access log file on the disk.",
    "TOPIC_DELETION_DISABLED": "Topic deletion is disabled.",
    "UNKNOWN_TOPIC_ID": "This server does not host this topic ID.",
    "INVALID_RECORD": "This record has failed the validation on the broker and hence been rejected.",
    "COORDINATOR_NOT_AVAILABLE": "The coordinator is not available.",
    "GROUP_ID_NOT_FOUND": "The group id does not exist.",
    "NON_EMPTY_GROUP": "The group is not empty.",
}


def java_name(code: int) -> str:
    """The full name of the exception that Kafka's own clients raise for this code."""
    name = ErrorCode(code).name
    return _PACKAGE + (_JAVA_NAMES.get(name) or "".join(word.capitalize() for word in name.split("_")) + "Exception")


class KafkaError(Exception):
    """A request failed. `code` is the broker's, or the one that tells best what the client has found itself."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = ErrorCode(code)
        super().__init__(message or _SENTENCES.get(self.code.name) or self.code.meaning)

    @property
    def is_retriable(self) -> bool:
        return self.code.retriable

    @property
    def java_name(self) -> str:
        return java_name(self.code)

    def java_text(self) -> str:
        """Name and message, as Java prints an exception."""
        return f"{self.java_name}: {self}"


class KafkaTimeoutError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.REQUEST_TIMED_OUT, message)


class DisconnectedError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.NETWORK_EXCEPTION, message)

    @property
    def java_name(self) -> str:
        return _PACKAGE + "DisconnectException"


class UnsupportedError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNSUPPORTED_VERSION, message)


class ConnectionProtocolError(DisconnectedError):
    """The peer does not speak Kafka's protocol, or breaks it; the connection is closed."""


def check(code: int, message: str | None = None) -> None:
    """Raise KafkaError unless the code is that of success."""
    if code:
        raise KafkaError(code, message)
