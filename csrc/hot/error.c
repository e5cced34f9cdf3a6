#include "hot/error.h"

enum kc_error kc_error_from_fault(enum kc_batch_fault fault) {
    switch (fault) {
    case KC_FAULT_NONE: return KC_ERROR_NONE;
    case KC_FAULT_CORRUPT: return KC_ERROR_CORRUPT_MESSAGE;
    case KC_FAULT_INVALID_RECORD:
    case KC_FAULT_NULL_KEY: return KC_ERROR_INVALID_RECORD;
    case KC_FAULT_TOO_LARGE: return KC_ERROR_MESSAGE_TOO_LARGE;
    case KC_FAULT_INVALID_TIMESTAMP: return KC_ERROR_INVALID_TIMESTAMP;
    case KC_FAULT_UNSUPPORTED_CODEC: return KC_ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return KC_ERROR_UNKNOWN_SERVER_ERROR;
}

enum kc_error kc_error_from_append(enum kc_append_fault fault) {
    switch (fault) {
    case KC_APPEND_OK:
    case KC_APPEND_DUPLICATE: return KC_ERROR_NONE;
    case KC_APPEND_OUT_OF_ORDER_SEQUENCE: return KC_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case KC_APPEND_INVALID_PRODUCER_EPOCH: return KC_ERROR_INVALID_PRODUCER_EPOCH;
    case KC_APPEND_INVALID_TXN_STATE:
    case KC_APPEND_UNVERIFIED: return KC_ERROR_INVALID_TXN_STATE;
    case KC_APPEND_COORDINATOR_FENCED: return KC_ERROR_TRANSACTION_COORDINATOR_FENCED;
    case KC_APPEND_TOO_LARGE: return KC_ERROR_RECORD_LIST_TOO_LARGE;
    case KC_APPEND_STORAGE_ERROR: return KC_ERROR_KAFKA_STORAGE_ERROR;
    case KC_APPEND_CLOSED: return KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KC_ERROR_UNKNOWN_SERVER_ERROR;
}

enum kc_error kc_error_from_read(kc_status status) {
    switch (status) {
    case KC_OK: return KC_ERROR_NONE;
    case KC_OUT_OF_RANGE: return KC_ERROR_OFFSET_OUT_OF_RANGE;
    case KC_CORRUPT: return KC_ERROR_CORRUPT_MESSAGE;
    case KC_CLOSED: return KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    default: return KC_ERROR_KAFKA_STORAGE_ERROR;
    }
}
