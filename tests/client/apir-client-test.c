/* The libraries for embedders, each tested with the other: a service of two invented devices, and a client. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-client.h"
#include "apir-server.h"

struct host {
    char path[64];
    int listener;
    pthread_t thread;
    int result; /* of the service */
    bool has_library;
    struct apir_service *service;
};

static int load_library(void *data, struct apir_arena *scratch, struct apir_load_library_reply *reply)
{
    struct host *host = data;
    char *name = apir_service_alloc(scratch, 32);
    if (!name)
        return -ENOMEM;
    strcpy(name, "libinvented.so");
    reply->status = host->has_library ? APIR_LOAD_STATUS_OK : APIR_LOAD_STATUS_PATH_MISSING;
    reply->message = host->has_library ? "" : "set the path on the host";
    reply->library = name;
    reply->ggml_version = "1.2.3";
    reply->devices = host->has_library ? 2 : 0;
    reply->sandbox = "walls, doors";
    reply->sandbox_lacks = "a roof";
    return 0;
}

static int device_get_info(void *data, struct apir_arena *scratch, const struct apir_device_get_info_args *args,
                           struct apir_device_get_info_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->info = (struct apir_device_info){
        .name = args->device ? "Second" : "First",
        .description = "a device that does not exist",
        .type = APIR_DEVICE_TYPE_GPU,
        .buffer_type_name = "memory",
        .alignment = 64,
        .max_buffer_size = 1000,
    };
    return 0;
}

static int device_get_memory(void *data, struct apir_arena *scratch, const struct apir_device_get_memory_args *args,
                             struct apir_device_get_memory_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->free = 10 + args->device;
    reply->total = 20;
    return 0;
}

/* Says whether memory that nobody shares is found. */
static int session_get_stats(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply)
{
    struct host *host = data;
    struct apir_service_memory memory;
    (void)scratch;
    reply->graphs = apir_service_get_memory(host->service, 4000000000u, &memory) == -ENOENT;
    reply->nodes = 5;
    return 0;
}

static const struct apir_handlers handlers = {
    .load_library = load_library,
    .device_get_info = device_get_info,
    .device_get_memory = device_get_memory,
    .session_get_stats = session_get_stats,
};

static void *serve(void *data)
{
    struct host *host = data;
    struct apir_service_options options = {
        .fd = accept(host->listener, NULL, NULL),
        .handlers = &handlers,
        .handler_data = host,
    };
    host->service = apir_service_create(&options);
    host->result = apir_service_run(host->service);
    apir_service_destroy(host->service);
    return NULL;
}

static int start_host(void **state)
{
    struct host *host = calloc(1, sizeof *host);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    host->has_library = true;
    snprintf(host->path, sizeof host->path, "/tmp/apir-client-test-%d", (int)getpid());
    strcpy(address.sun_path, host->path);
    unlink(host->path);
    host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(host->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(host->listener, 1), 0);
    assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
    *state = host;
    return 0;
}

static int stop_host(void **state)
{
    struct host *host = *state;
    close(host->listener);
    unlink(host->path);
    free(host);
    return 0;
}

static struct apir_client *connect_client(struct host *host)
{
    struct apir_client_options options = {.socket = host->path};
    struct apir_client_failure failure;
    struct apir_client *client = apir_client_open(&options, &failure);
    assert_non_null(client);
    assert_int_equal(failure.problem, APIR_CLIENT_NO_PROBLEM);
    return client;
}

/* Ends both sides; the service must have ended well. */
static void disconnect(struct host *host, struct apir_client *client)
{
    apir_client_close(client);
    pthread_join(host->thread, NULL);
    assert_int_equal(host->result, 0);
}

static void the_door_and_the_versions_are_told(void **state)
{
    struct host *host = *state;
    struct apir_client *client = connect_client(host);
    uint32_t own[2], hosts[2];
    apir_client_own_version(&own[0], &own[1]);
    apir_client_host_version(client, &hosts[0], &hosts[1]);
    assert_memory_equal(own, hosts, sizeof own);
    apir_client_spoken_version(client, &own[0], &own[1]);
    assert_memory_equal(own, hosts, sizeof own);
    assert_non_null(strstr(apir_client_door(client), host->path));
    disconnect(host, client);
}

static void every_device_is_told(void **state)
{
    struct host *host = *state;
    struct apir_client *client = connect_client(host);
    struct apir_client_library library;
    struct apir_client_device device;
    uint64_t free_bytes, total;
    assert_int_equal(apir_client_load(client, &library, NULL), 0);
    assert_string_equal(library.file, "libinvented.so");
    assert_string_equal(library.ggml_version, "1.2.3");
    assert_string_equal(library.sandbox, "walls, doors");
    assert_string_equal(library.sandbox_lacks, "a roof");
    assert_int_equal(library.devices, 2);
    assert_int_equal(apir_client_get_device(client, 1, &device), 0);
    assert_string_equal(device.name, "Second");
    assert_string_equal(device.type, "gpu");
    assert_int_equal(device.alignment, 64);
    assert_int_equal(apir_client_get_memory(client, 1, &free_bytes, &total), 0);
    assert_int_equal(free_bytes, 11);
    assert_int_equal(total, 20);
    disconnect(host, client);
}

static void a_device_that_does_not_exist_is_refused(void **state)
{
    struct host *host = *state;
    struct apir_client *client = connect_client(host);
    struct apir_client_library library;
    struct apir_client_device device;
    uint64_t bytes;
    assert_int_equal(apir_client_get_device(client, 0, &device), -EINVAL); /* before load */
    assert_int_equal(apir_client_load(client, &library, NULL), 0);
    assert_int_equal(apir_client_get_device(client, 2, &device), -EINVAL);
    assert_int_equal(apir_client_get_memory(client, 2, &bytes, &bytes), -EINVAL);
    disconnect(host, client);
}

static void a_host_without_library_says_so(void **state)
{
    struct host *host = *state;
    host->has_library = false;
    struct apir_client *client = connect_client(host);
    struct apir_client_library library;
    struct apir_client_failure failure;
    assert_int_equal(apir_client_load(client, &library, &failure), -ENODEV);
    assert_int_equal(failure.problem, APIR_CLIENT_NO_LIBRARY);
    assert_string_equal(failure.message, "set the path on the host");
    disconnect(host, client);
}

static void counters_are_told(void **state)
{
    struct host *host = *state;
    struct apir_client *client = connect_client(host);
    struct apir_client_stats stats;
    assert_int_equal(apir_client_get_stats(client, &stats), 0);
    assert_int_equal(stats.graphs, 1); /* unknown memory was not found */
    assert_int_equal(stats.nodes, 5);
    disconnect(host, client);
}

static void a_missing_socket_is_a_problem(void **state)
{
    struct apir_client_options options = {.socket = "/nonexistent/socket"};
    struct apir_client_failure failure;
    (void)state;
    assert_null(apir_client_open(&options, &failure));
    assert_int_equal(failure.problem, APIR_CLIENT_NO_SOCKET);
    assert_int_equal(failure.error, ENOENT);
    assert_non_null(strstr(failure.message, "/nonexistent/socket"));
    assert_null(apir_client_open(&options, NULL));
}

static void nothing_is_freed_twice(void **state)
{
    (void)state;
    apir_client_close(NULL);
    apir_service_destroy(NULL);
}

static void a_service_that_never_runs_closes_its_fd(void **state)
{
    int pair[2];
    char byte;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct apir_service_options options = {.fd = pair[0], .handlers = &handlers};
    apir_service_destroy(apir_service_create(&options));
    assert_int_equal(read(pair[1], &byte, 1), 0);
    close(pair[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_host, stop_host)
    const struct CMUnitTest tests[] = {
        TEST(the_door_and_the_versions_are_told),
        TEST(every_device_is_told),
        TEST(a_device_that_does_not_exist_is_refused),
        TEST(a_host_without_library_says_so),
        TEST(counters_are_told),
        cmocka_unit_test(a_missing_socket_is_a_problem),
        cmocka_unit_test(nothing_is_freed_twice),
        cmocka_unit_test(a_service_that_never_runs_closes_its_fd),
    };
    return cmocka_run_group_tests_name("apir-client", tests, NULL, NULL);
}
