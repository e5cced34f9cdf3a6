/* produce_answer.h: the answer to a gathered Produce request, written into its connection's output.  Thread: the reactor's. */
#ifndef KC_HOT_PRODUCE_ANSWER_H
#define KC_HOT_PRODUCE_ANSWER_H

#include "hot/gather.h"

/* With acks=0 nothing is written, and an error closes the connection, as Kafka does to make the client look again. */
void kc_produce_answer(const struct kc_gather *gather, const struct kc_gathered_request *request);

#endif
