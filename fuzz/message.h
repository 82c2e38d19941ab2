/* Changes one message. */
#ifndef APIR_FUZZ_MESSAGE_H
#define APIR_FUZZ_MESSAGE_H

#include "walk.h"

/* Changes a message of size bytes, with room for capacity, in one way. Its new size. */
size_t fuzz_message_change(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                           size_t size, size_t capacity, struct fuzz_random *random);

/* Makes a message up. Its size. */
size_t fuzz_message_make(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                         size_t capacity, struct fuzz_random *random);

#endif
