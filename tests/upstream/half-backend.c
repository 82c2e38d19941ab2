/* A library that lacks two of a backend library's functions. */
#include "upstream/component.h"

__attribute__((visibility("default"))) void apir_backend_deinit(uint32_t ctx_id)
{
    (void)ctx_id;
}
