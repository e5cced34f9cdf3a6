/* produce_answer.h: the answer to a gathered Produce request, written into its connection's output.  Thread: the reactor's. */
#ifndef KC_HOT_PRODUCE_ANSWER_H
#define KC_HOT_PRODUCE_ANSWER_H

#include "hot/gather.h"

/* Bytes that the answer takes, at most, with its size field. */
size_t kc_produce_answer_size_max(const struct kc_gather *gather, const struct kc_gathered_request *request);
/* Writes it into a buffer of that size and notes in each entry where its error code stands; returns the bytes used. */
size_t kc_produce_answer_write(const struct kc_gather *gather, const struct kc_gathered_request *request, uint8_t *buffer,
                               size_t capacity);
/* Turns the answer for one entry, whose error code stands here, into this error. */
void kc_produce_answer_fail(uint8_t *error_code, int16_t version, int16_t error);

/* With acks=0 nothing is written, and an error closes the connection, as Kafka does to make the client look again. */
void kc_produce_answer(const struct kc_gather *gather, const struct kc_gathered_request *request);

#endif
