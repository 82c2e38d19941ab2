/* Memory that somebody else may write at any time. */
#ifndef APIR_UTIL_SHARED_H
#define APIR_UTIL_SHARED_H

#include <stddef.h>
#include <string.h>

/* Copies size bytes out of it, once: what is checked afterwards is what is used. Without the barrier a compiler may do without
 * the copy, and read the memory each time instead. */
static inline void apir_shared_read(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    __asm__ volatile("" : : "r"(to) : "memory");
}

#endif
