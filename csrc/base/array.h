/* array.h: arrays that grow by doubling and are emptied, not freed.  Thread: that of the array's owner. */
#ifndef KC_BASE_ARRAY_H
#define KC_BASE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Room for `wanted` elements.  False: no memory, and nothing has changed. */
static inline bool kc_array_reserve(void **array, uint32_t *capacity, uint32_t wanted, size_t element_size) {
    if (wanted <= *capacity) return true;
    uint64_t next = *capacity ? *capacity : 8;
    while (next < wanted) next *= 2;
    if (next > UINT32_MAX || next > SIZE_MAX / element_size) return false;
    void *grown = realloc(*array, (size_t)next * element_size);
    if (!grown) return false;
    *array = grown;
    *capacity = (uint32_t)next;
    return true;
}

#define KC_ARRAY_RESERVE(array, capacity, wanted) kc_array_reserve((void **)&(array), &(capacity), (wanted), sizeof *(array))

#endif
