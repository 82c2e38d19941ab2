/* The state of the library, of which a process has one: it is called without a handle. */
#ifndef APIR_INTERPOSER_INTERPOSER_H
#define APIR_INTERPOSER_INTERPOSER_H

#include <stdbool.h>

#include "interposer/real.h"
#include "interposer/renderer.h"

/* The contexts and blobs that are ours. */
struct apir_renderer *apir_interposer_renderer(void);

/* Where everything else goes; functions may be NULL. */
const struct apir_real_functions *apir_interposer_real(void);

/* Whether the user wants all Venus contexts to be APIR contexts. */
bool apir_interposer_routes_venus(void);

/* Whether the real library was built with Venus. */
bool apir_interposer_has_venus(void);

#endif
