/* The byte-exact samples of the deployed protocol, as files: NAME.req.bin, NAME.rep.bin and NAME.shm.bin. */
#ifndef APIR_TESTS_UPSTREAM_SAMPLE_H
#define APIR_TESTS_UPSTREAM_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAMPLE_MAX_FILE = 2048, /* the largest is 1,248 bytes */
    SAMPLE_MAX_FILES = 160,
    SAMPLE_MAX_PATH = 512,
};

struct sample_bytes {
    uint8_t data[SAMPLE_MAX_FILE];
    size_t size; /* 0: there is no such file */
};

/* One exchange. */
struct sample {
    struct sample_bytes request, reply, shm;
};

/* A folder, and which of its files were used. */
struct sample_folder {
    char path[SAMPLE_MAX_PATH];
    char used[SAMPLE_MAX_FILES][64];
    unsigned n_used;
};

void sample_folder_init(struct sample_folder *folder, const char *path);

/* Reads the files of a name and notes that they are used. False if there is no request or no reply. */
bool sample_read(struct sample_folder *folder, const char *name, struct sample *sample);

/* Names a sample file of the folder that was not read; NULL: all were. The caller frees it. */
char *sample_unused(const struct sample_folder *folder);

/* The order of a folder's exchanges; NULL ends it. With and without buffers of the guest's memory. */
extern const char *const sample_order[];
extern const char *const sample_order_fromptr[];

#endif
