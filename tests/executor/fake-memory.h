/* The buffer type of a fake device with memory of its own. */
#ifndef APIR_TESTS_EXECUTOR_FAKE_MEMORY_H
#define APIR_TESTS_EXECUTOR_FAKE_MEMORY_H

#include <ggml-backend.h>

ggml_backend_buffer_type_t fake_memory(ggml_backend_dev_t device);

#endif
