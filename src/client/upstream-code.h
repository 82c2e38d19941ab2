/* What the return codes of the deployed protocol mean, for people and as errors. */
#ifndef APIR_CLIENT_UPSTREAM_CODE_H
#define APIR_CLIENT_UPSTREAM_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "apir-protocol.h"

struct apir_session;

/* Logs that call `what` was answered with code, another forward code than that of success. Ends the session if the host
 * can no longer be relied on. Returns the -errno. */
int apir_upstream_code_forward_failed(struct apir_session *session, const char *what, uint32_t code);

/* The status of a load code, and a message (size bytes) for people when it is not ok. */
enum apir_load_status apir_upstream_code_load_status(uint32_t code, char *message, size_t size);

#endif
