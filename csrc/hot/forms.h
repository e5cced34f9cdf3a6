/* forms.h: strings and array counts in the form that a version calls for: classic, or compact in flexible versions (KIP-482).
 * Thread: any. */
#ifndef KC_HOT_FORMS_H
#define KC_HOT_FORMS_H

#include "wire/reader.h"
#include "wire/writer.h"

static inline struct kc_slice kc_form_read_string(struct kc_reader *r, bool flexible) {
    return flexible ? kc_read_compact_string(r) : kc_read_string(r);
}
/* A null array counts as an empty one. */
static inline int32_t kc_form_read_count(struct kc_reader *r, bool flexible, size_t element_size_min) {
    int32_t count = flexible ? kc_read_compact_array_count(r, element_size_min) : kc_read_array_count(r, element_size_min);
    return count < 0 ? 0 : count;
}
static inline void kc_form_read_tags(struct kc_reader *r, bool flexible) {
    if (flexible) kc_read_skip_tags(r);
}

static inline void kc_form_write_string(struct kc_writer *w, bool flexible, struct kc_slice s) {
    if (flexible) kc_write_compact_string(w, s);
    else kc_write_string(w, s);
}
static inline void kc_form_write_count(struct kc_writer *w, bool flexible, int32_t count) {
    if (flexible) kc_write_compact_array_count(w, count);
    else kc_write_array_count(w, count);
}
static inline void kc_form_write_tags(struct kc_writer *w, bool flexible) {
    if (flexible) kc_write_empty_tags(w);
}

#endif
