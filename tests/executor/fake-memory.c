/* Memory of a fake device that the host's processor cannot reach: its addresses start at 0x1000, as with a GPU. */
#include "fake-memory.h"

#include <stdlib.h>
#include <string.h>

#include "abi/gen3.h"

#define FIRST_ADDRESS 0x1000

static char *place(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, size_t offset)
{
    return (char *)((struct apir_gen3_buffer *)buffer)->context + ((uintptr_t)tensor->data - FIRST_ADDRESS) + offset;
}

static void free_buffer(ggml_backend_buffer_t buffer)
{
    free(((struct apir_gen3_buffer *)buffer)->context);
}

static void *get_base(ggml_backend_buffer_t buffer)
{
    (void)buffer;
    return (void *)(uintptr_t)FIRST_ADDRESS;
}

static void memset_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, uint8_t value, size_t offset,
                          size_t size)
{
    memset(place(buffer, tensor, offset), value, size);
}

static void set_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, const void *data, size_t offset,
                       size_t size)
{
    memcpy(place(buffer, tensor, offset), data, size);
}

static void get_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, void *data, size_t offset,
                       size_t size)
{
    memcpy(data, place(buffer, tensor, offset), size);
}

static void clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    memset(((struct apir_gen3_buffer *)buffer)->context, value, ((struct apir_gen3_buffer *)buffer)->size);
}

static const char *get_name(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return "FAKE memory";
}

static ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t buft, size_t size)
{
    static const struct apir_gen3_buffer_i functions = {.free_buffer = free_buffer,
                                                        .get_base = get_base,
                                                        .memset_tensor = memset_tensor,
                                                        .set_tensor = set_tensor,
                                                        .get_tensor = get_tensor,
                                                        .clear = clear};
    void *memory = malloc(size);
    if (!memory)
        return NULL;
    memset(memory, 0xa5, size); /* as a device has somebody's data in its memory */
    return ggml_backend_buffer_init(buft, functions, memory, size);
}

static size_t get_alignment(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return 64;
}

static struct apir_gen3_buffer_type memory_type = {
    .iface = {.get_name = get_name, .alloc_buffer = alloc_buffer, .get_alignment = get_alignment},
};

ggml_backend_buffer_type_t fake_memory(ggml_backend_dev_t device)
{
    memory_type.device = device;
    return (ggml_backend_buffer_type_t)&memory_type;
}
