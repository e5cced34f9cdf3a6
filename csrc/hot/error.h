/* error.h: the Kafka error codes that the data path can answer, and how refusals below become one of them.
 *
 * Only what csrc answers by itself stands here; the whole list is pykafka_core/protocol/errors.py.  Source:
 * org.apache.kafka.common.protocol.Errors.  Thread: any. */
#ifndef KC_HOT_ERROR_H
#define KC_HOT_ERROR_H

#include "log/log.h"
#include "record/validate.h"

enum kc_error {
    KC_ERROR_NONE = 0,
    KC_ERROR_UNKNOWN_SERVER_ERROR = -1,
    KC_ERROR_OFFSET_OUT_OF_RANGE = 1,
    KC_ERROR_CORRUPT_MESSAGE = 2,
    KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION = 3,
    KC_ERROR_NOT_LEADER_OR_FOLLOWER = 6,
    KC_ERROR_MESSAGE_TOO_LARGE = 10,
    KC_ERROR_INVALID_TOPIC = 17,
    KC_ERROR_RECORD_LIST_TOO_LARGE = 18,
    KC_ERROR_NOT_ENOUGH_REPLICAS = 19,
    KC_ERROR_INVALID_REQUIRED_ACKS = 21,
    KC_ERROR_INVALID_TIMESTAMP = 32,
    KC_ERROR_UNSUPPORTED_VERSION = 35,
    KC_ERROR_INVALID_REQUEST = 42,
    KC_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    KC_ERROR_INVALID_PRODUCER_EPOCH = 47,
    KC_ERROR_INVALID_TXN_STATE = 48,
    KC_ERROR_TRANSACTION_COORDINATOR_FENCED = 52,
    KC_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    KC_ERROR_KAFKA_STORAGE_ERROR = 56,
    KC_ERROR_FETCH_SESSION_ID_NOT_FOUND = 70,
    KC_ERROR_INVALID_FETCH_SESSION_EPOCH = 71,
    KC_ERROR_FENCED_LEADER_EPOCH = 74,
    KC_ERROR_UNKNOWN_LEADER_EPOCH = 75,
    KC_ERROR_UNSUPPORTED_COMPRESSION_TYPE = 76,
    KC_ERROR_INVALID_RECORD = 87,
    KC_ERROR_UNKNOWN_TOPIC_ID = 100,
    KC_ERROR_FETCH_SESSION_TOPIC_ID_ERROR = 106,
};

enum kc_error kc_error_from_fault(enum kc_batch_fault fault);
enum kc_error kc_error_from_append(enum kc_append_fault fault);
/* What a read that failed with this status is answered with. */
enum kc_error kc_error_from_read(kc_status status);

#endif
