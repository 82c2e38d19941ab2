/* The interface between a renderer that has the APIR component and its backend library, as deployed. The renderer
 * dlopens the library, looks up the three functions, and calls them for each context; the library asks the renderer by
 * the callbacks. Names, order and types are theirs and cannot be changed here. */
#ifndef APIR_UPSTREAM_COMPONENT_H
#define APIR_UPSTREAM_COMPONENT_H

#include <stdint.h>

/* What the library may ask, from any thread while one of its functions runs. */
struct apir_component_callbacks {
    /* The value of a key, or NULL if there is none. The renderer's; valid until the context ends. */
    const char *(*get_config)(uint32_t ctx_id, const char *key);
    /* Where shared memory is mapped, or NULL if there is none of that id; valid until the function that asks
     * returns. Deployed renderers have no way to say the size. */
    void *(*get_shmem_ptr)(uint32_t ctx_id, uint32_t res_id);
};

/* Names of the functions of a library. */
#define APIR_COMPONENT_INITIALIZE "apir_backend_initialize"
#define APIR_COMPONENT_DEINIT "apir_backend_deinit"
#define APIR_COMPONENT_DISPATCHER "apir_backend_dispatcher"

/* Keys of the configuration. */
#define APIR_COMPONENT_KEY_BACKEND "apir.load_library.path" /* the backend library itself; the renderer's */
#define APIR_COMPONENT_KEY_LIBRARY "ggml.library.path"      /* the ggml backend library */
#define APIR_COMPONENT_KEY_REG "ggml.library.reg"           /* its registration symbol; NULL: ggml_backend_init */
#define APIR_COMPONENT_KEY_INIT "ggml.library.init"         /* read, but of no use */

/* Not deployed: a renderer of ours answers this prefix, followed by a res_id in decimal, with the size of that shared
 * memory in bytes, in decimal; the text is valid until the next question. Others answer NULL. */
#define APIR_COMPONENT_KEY_SHMEM_SIZE "apir.shmem_size."

enum {
    APIR_COMPONENT_INITIALIZED = 0,      /* what apir_backend_initialize returns when all is well ... */
    APIR_COMPONENT_INITIALIZED_BASE = 6, /* ... or this one; 1 to 5 are load codes, 6 + x is the library's code x */
};

/* Prepares a context. 0 or 6: ready. */
uint32_t apir_backend_initialize(uint32_t ctx_id, struct apir_component_callbacks *callbacks);

/* Ends a context, also one whose initialisation failed. */
void apir_backend_deinit(uint32_t ctx_id);

/* Runs a function on the arguments in [dec_cur, dec_end); writes results from enc_cur, not beyond enc_end, and stores
 * where they end in *enc_cur_after, which stays NULL if there is no such function. Returns a function code. */
uint32_t apir_backend_dispatcher(uint32_t ctx_id, struct apir_component_callbacks *callbacks, uint32_t function,
                                 char *dec_cur, const char *dec_end, char *enc_cur, const char *enc_end,
                                 char **enc_cur_after);

/* The three functions of a library that was opened. */
struct apir_component {
    uint32_t (*initialize)(uint32_t ctx_id, struct apir_component_callbacks *callbacks);
    void (*deinit)(uint32_t ctx_id);
    uint32_t (*dispatcher)(uint32_t ctx_id, struct apir_component_callbacks *callbacks, uint32_t function,
                           char *dec_cur, const char *dec_end, char *enc_cur, const char *enc_end,
                           char **enc_cur_after);
};

#endif
