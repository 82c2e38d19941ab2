#include "apir-client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-calls.h"
#include "apir-protocol.h"
#include "client/queue.h"
#include "client/session.h"
#include "util/arena.h"

struct apir_client {
    struct apir_log log;
    struct apir_session *session; /* owned */
    struct apir_arena arena;      /* of the reply that was decoded last */
    uint32_t devices;             /* of a loaded library */
};

static void copy_string(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void fill_failure(struct apir_client_failure *failure, enum apir_client_problem problem,
                         int error, const char *message)
{
    if (!failure)
        return;
    failure->problem = problem;
    failure->error = error;
    copy_string(failure->message, sizeof failure->message, message);
}

/* Why a door did not open. */
static enum apir_client_problem door_problem(bool is_socket, int error)
{
    if (is_socket)
        return APIR_CLIENT_NO_SOCKET;
    switch (error) {
    case ENODEV:
        return APIR_CLIENT_NO_DEVICE;
    case EACCES:
        return APIR_CLIENT_NO_ACCESS;
    case EOPNOTSUPP:
        return APIR_CLIENT_NO_APIR;
    default:
        return APIR_CLIENT_NO_ANSWER;
    }
}

static struct apir_transport *open_door(struct apir_client *client, const char *path,
                                        struct apir_client_failure *failure)
{
    char reason[sizeof failure->message] = "";
    struct apir_transport *transport =
        path ? apir_transport_socket_open(path, reason, sizeof reason)
             : apir_transport_open(&client->log, reason, sizeof reason);
    if (transport)
        return transport;
    int error = errno;
    const char *variable = getenv("GGML_VIRTGPU_SOCKET");
    bool is_socket = path || (variable && variable[0]);
    fill_failure(failure, door_problem(is_socket, error), error, reason);
    errno = error;
    return NULL;
}

static struct apir_session *shake_hands(struct apir_client *client,
                                        struct apir_transport *transport,
                                        struct apir_client_failure *failure)
{
    char reason[sizeof failure->message] = "";
    struct apir_session *session =
        apir_session_open(transport, &client->log, reason, sizeof reason);
    if (session)
        return session;
    int error = errno;
    fill_failure(failure, error == EPROTO ? APIR_CLIENT_BAD_VERSION : APIR_CLIENT_NO_ANSWER, error,
                 reason);
    errno = error;
    return NULL;
}

struct apir_client *apir_client_open(const struct apir_client_options *options,
                                     struct apir_client_failure *failure)
{
    const struct apir_client_options defaults = {0};
    if (!options)
        options = &defaults;
    struct apir_client *client = calloc(1, sizeof *client);
    if (!client) {
        fill_failure(failure, APIR_CLIENT_NO_ANSWER, ENOMEM, "out of memory");
        return NULL;
    }
    client->log = (struct apir_log){
        .stream = options->log,
        .level = (enum apir_log_level)options->log_level,
        .prefix = "apir-client",
    };
    struct apir_transport *transport = open_door(client, options->socket, failure);
    if (!transport)
        goto err_client;
    client->session = shake_hands(client, transport, failure);
    if (!client->session)
        goto err_client;
    fill_failure(failure, APIR_CLIENT_NO_PROBLEM, 0, "");
    return client;

err_client:
    free(client); /* keeps errno */
    return NULL;
}

void apir_client_close(struct apir_client *client)
{
    if (!client)
        return;
    apir_session_close(client->session);
    apir_arena_finish(&client->arena);
    free(client);
}

const char *apir_client_door(const struct apir_client *client)
{
    return apir_session_door(client->session);
}

void apir_client_own_version(uint32_t *major, uint32_t *minor)
{
    *major = APIR_PROTOCOL_MAJOR;
    *minor = APIR_PROTOCOL_MINOR;
}

void apir_client_spoken_version(const struct apir_client *client, uint32_t *major, uint32_t *minor)
{
    apir_session_own_version(client->session, major, minor);
}

void apir_client_host_version(const struct apir_client *client, uint32_t *major, uint32_t *minor)
{
    apir_session_host_version(client->session, major, minor);
}

static struct apir_queue *control(struct apir_client *client)
{
    apir_arena_reset(&client->arena);
    return apir_session_control(client->session);
}

int apir_client_load(struct apir_client *client, struct apir_client_library *library,
                     struct apir_client_failure *failure)
{
    struct apir_load_library_reply reply;
    int ret = apir_call_load_library(control(client), &client->arena, &reply);
    if (ret < 0) {
        fill_failure(failure, APIR_CLIENT_NO_ANSWER, -ret, strerror(-ret));
        return ret;
    }
    if (reply.status != APIR_LOAD_STATUS_OK) {
        fill_failure(failure, APIR_CLIENT_NO_LIBRARY, ENODEV, reply.message);
        return -ENODEV;
    }
    fill_failure(failure, APIR_CLIENT_NO_PROBLEM, 0, "");
    copy_string(library->file, sizeof library->file, reply.library);
    copy_string(library->ggml_version, sizeof library->ggml_version, reply.ggml_version);
    copy_string(library->sandbox, sizeof library->sandbox, reply.sandbox);
    copy_string(library->sandbox_lacks, sizeof library->sandbox_lacks, reply.sandbox_lacks);
    library->devices = reply.devices;
    client->devices = reply.devices;
    return 0;
}

int apir_client_get_device(struct apir_client *client, uint32_t index,
                           struct apir_client_device *device)
{
    struct apir_device_get_info_args args = {.device = index};
    struct apir_device_get_info_reply reply;
    if (index >= client->devices)
        return -EINVAL;
    int ret = apir_call_device_get_info(control(client), &client->arena, &args, &reply);
    if (ret < 0)
        return ret;
    copy_string(device->name, sizeof device->name, reply.info.name);
    copy_string(device->description, sizeof device->description, reply.info.description);
    device->type = apir_device_type_name(reply.info.type);
    device->alignment = reply.info.alignment;
    device->max_buffer_size = reply.info.max_buffer_size;
    return 0;
}

int apir_client_get_memory(struct apir_client *client, uint32_t index, uint64_t *free,
                           uint64_t *total)
{
    struct apir_device_get_memory_args args = {.device = index};
    struct apir_device_get_memory_reply reply;
    if (index >= client->devices)
        return -EINVAL;
    int ret = apir_call_device_get_memory(control(client), &client->arena, &args, &reply);
    if (ret < 0)
        return ret;
    *free = reply.free;
    *total = reply.total;
    return 0;
}

int apir_client_get_stats(struct apir_client *client, struct apir_client_stats *stats)
{
    struct apir_session_get_stats_reply reply;
    int ret = apir_call_session_get_stats(control(client), &client->arena, &reply);
    if (ret < 0)
        return ret;
    *stats = (struct apir_client_stats){
        .graphs = reply.graphs,
        .nodes = reply.nodes,
        .buffers = reply.buffers,
        .buffer_bytes = reply.buffer_bytes,
    };
    return 0;
}
