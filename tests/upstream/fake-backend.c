#include "upstream/fake-backend.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/component.h"

#define EXPORT __attribute__((visibility("default")))

extern EXPORT unsigned fake_backend_deinits;
unsigned fake_backend_deinits; /* calls of apir_backend_deinit */

EXPORT uint32_t apir_backend_initialize(uint32_t ctx_id, struct apir_component_callbacks *callbacks)
{
    const char *code = callbacks->get_config(ctx_id, APIR_COMPONENT_KEY_INIT);
    return code ? (uint32_t)strtoul(code, NULL, 10) : 0;
}

EXPORT void apir_backend_deinit(uint32_t ctx_id)
{
    (void)ctx_id;
    fake_backend_deinits++;
}

static _Atomic uint32_t *memory_of(uint32_t ctx_id, struct apir_component_callbacks *callbacks, const char *args)
{
    uint32_t id;
    memcpy(&id, args, sizeof id);
    return callbacks->get_shmem_ptr(ctx_id, id);
}

static void hold(_Atomic uint32_t *words)
{
    atomic_store(&words[0], 1);
    while (atomic_load(&words[1]) == 0)
        ;
    atomic_store(&words[2], 1);
}

static char *put(char *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

EXPORT uint32_t apir_backend_dispatcher(uint32_t ctx_id, struct apir_component_callbacks *callbacks,
                                        uint32_t function, char *dec_cur, const char *dec_end, char *enc_cur,
                                        const char *enc_end, char **enc_cur_after)
{
    uint32_t number = 0;
    uint64_t room = (uint64_t)(enc_end - enc_cur);
    _Atomic uint32_t *memory;
    const char *text;
    switch (function) {
    case FAKE_ECHO:
        *enc_cur_after = put(enc_cur, dec_cur, (size_t)(dec_end - dec_cur));
        return 0;
    case FAKE_CONFIG:
        text = callbacks->get_config(ctx_id, dec_cur);
        *enc_cur_after = text ? put(enc_cur, text, strlen(text) + 1) : enc_cur;
        return 0;
    case FAKE_STORE:
        memory = memory_of(ctx_id, callbacks, dec_cur);
        number = memory != NULL && memory_of(ctx_id, callbacks, dec_cur) == memory;
        if (memory)
            atomic_store(memory, 7);
        *enc_cur_after = put(enc_cur, &number, sizeof number);
        return 0;
    case FAKE_HOLD:
        hold(memory_of(ctx_id, callbacks, dec_cur));
        *enc_cur_after = enc_cur;
        return 0;
    case FAKE_CODE:
        memcpy(&number, dec_cur, sizeof number);
        *enc_cur_after = put(enc_cur, &number, sizeof number);
        return number;
    case FAKE_BEYOND:
        *enc_cur_after = enc_cur + room + 1;
        return 0;
    case FAKE_BEFORE:
        *enc_cur_after = enc_cur - 1;
        return 0;
    case FAKE_ROOM:
        *enc_cur_after = put(enc_cur, &room, sizeof room);
        return 0;
    case FAKE_MOST:
        memset(enc_cur, 0x5a, room);
        *enc_cur_after = enc_cur + room;
        return 0;
    default:
        return 6; /* and leaves *enc_cur_after alone, as the deployed one does */
    }
}
