#include "support/host.h"

#include <stdlib.h>
#include <sys/socket.h>

/* Guests may ask for more memory than there is: for sanitizers that is an error unless they are told. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void *serve(void *data)
{
    struct test_host *host = data;
    struct apir_server_options options = {
        .fd = host->fd,
        .handlers = apir_executor_handlers(),
        .handler_data = host->executor,
        .memory = &host->memory,
        .log = &host->log,
    };
    host->result = apir_server_run(&options);
    return NULL;
}

int test_host_start(struct test_host *host)
{
    int pair[2];
    const char *library = getenv("APIR_TEST_LIBRARY");
    host->log = (struct apir_log){
        .stream = getenv("APIR_TEST_DEBUG") ? stderr : NULL, .level = APIR_LOG_DEBUG, .prefix = "host"};
    apir_shm_table_init(&host->memory);
    struct apir_executor_options options = {
        .library = library ? library : "cpu", .threads = 1, .memory = &host->memory, .log = &host->log};
    host->executor = apir_executor_create(&options);
    if (!host->executor || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    host->fd = pair[0];
    if (pthread_create(&host->thread, NULL, serve, host) != 0)
        abort();
    return pair[1];
}

int test_host_stop(struct test_host *host)
{
    pthread_join(host->thread, NULL);
    apir_executor_destroy(host->executor);
    apir_shm_table_finish(&host->memory);
    return host->result;
}
