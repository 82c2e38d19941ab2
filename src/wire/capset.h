/* The APIR capset and the commands of an EXECBUFFER payload: how a guest knows an APIR host, and the numbers with
 * which every payload starts. Source: the APIR wire as deployed (docs/protocol, "compatibility"). */
#ifndef APIR_WIRE_CAPSET_H
#define APIR_WIRE_CAPSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    APIR_CAPSET_VENUS = 4,       /* virtio-gpu capset id of Venus */
    APIR_CAPSET_APIR = 10,       /* virtio-gpu capset id of APIR */
    APIR_CAPSET_SIZE = 24,       /* bytes of struct apir_capset */
    APIR_CAPSET_VERSION = 1,     /* apir_capset.version of an APIR host */
    APIR_CAPSET_NOTHING = 2,     /* who offers the capset in this version, too, with the same data, takes
                                    APIR_COMMAND_NOTHING */
    APIR_VENUS_COMMAND_BASE = 331, /* added to every command on a context of the Venus capset */
};

/* The capset data of an APIR host. A real Venus capset holds other values in these places. */
struct apir_capset {
    uint32_t version;                 /* APIR_CAPSET_VERSION */
    uint32_t supports_blob_resources; /* 1 */
    uint32_t reserved[4];             /* 0 */
};

/* First word of a payload, besides the commands of deployed guests (apir_upstream_command, generated), of which the
 * handshake is ours too. */
enum apir_command {
    APIR_COMMAND_OPEN_QUEUE = 16,  /* u32 queue, u32 shm of its ring */
    APIR_COMMAND_CLOSE_QUEUE = 17, /* u32 queue, u32 0 */
    APIR_COMMAND_KICK = 18,        /* u32 queue, u32 0: the ring of that queue holds a request */
    APIR_COMMAND_SYNC = 19,        /* u32 number, u32 0: the host stores the number in the status page once it has taken
                                      all before: requests in rings do not wait for commands, nor for shared memory */
    APIR_COMMAND_NOTHING = 20,     /* u32 0, u32 0; at any time: for the fence behind it, which tells that the host lives */
};

/* Handshake: u32 command, u32 flags, u32 status-page shm, u32 major, u32 minor (both of the deployed protocol), then
 * our trailer: u32 magic, u32 major, u32 minor (of apir's own protocol). The reply, in the status page: u32 notif,
 * u32 major, u32 minor, and the trailer if the host speaks apir's own protocol. */
enum {
    APIR_HANDSHAKE_MAGIC = 0x52495041, /* "APIR" */
    APIR_HANDSHAKE_CODE = 0xab1e,      /* notif - 1 */
    APIR_COMPAT_MAJOR = 0,             /* version of the deployed protocol that is announced */
    APIR_COMPAT_MINOR = 2,
};

/* A Venus context whose debug name starts so is ours, on a host that serves real Venus contexts too. Without a name of
 * its own a context has its task's, of up to 15 characters: the marker is longer than that. */
#define APIR_CONTEXT_MARKER "apir-ggml-virtgpu"

/* What a host that serves both puts behind the data of the real Venus capset, whose size differs between releases: 16
 * bytes of magic, then struct apir_capset. Who wants real Venus reads only the start. */
#define APIR_TRAILER_MAGIC "apir-capset/1.0" /* with its NUL 16 bytes */

enum {
    APIR_TRAILER_MAGIC_SIZE = 16,
    APIR_TRAILER_SIZE = APIR_TRAILER_MAGIC_SIZE + APIR_CAPSET_SIZE,
    APIR_MAX_CAPSET = 4096, /* bytes of capset data that a guest looks through */
};

/* Writes the trailer, APIR_TRAILER_SIZE bytes. */
void apir_capset_write_trailer(void *data);

/* True if a trailer stands in these size bytes, at a multiple of 4. */
bool apir_capset_has_trailer(const void *data, size_t size);

/* Fills data, the capset that an APIR host offers. */
void apir_capset_fill(struct apir_capset *capset);

/* True if these size bytes are the capset data of an APIR host. */
bool apir_capset_is_apir(const void *data, size_t size);

#endif
