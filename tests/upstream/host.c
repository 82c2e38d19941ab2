#include "upstream/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

static void *serve(void *data)
{
    struct upstream_host *host = data;
    struct apir_server_options options = {
        .fd = host->fd,
        .handlers = apir_executor_handlers(),
        .handler_data = host->executor,
        .memory = &host->memory,
        .log = &host->log,
        .upstream = apir_executor_upstream_backend(),
        .upstream_data = host->executor,
    };
    host->result = apir_server_run(&options);
    return NULL;
}

int upstream_host_start(struct upstream_host *host, const struct upstream_setup *setup)
{
    int pair[2];
    FILE *stream = setup ? setup->log : NULL;
    host->log = (struct apir_log){
        .stream = getenv("APIR_TEST_DEBUG") ? stderr : stream, .level = APIR_LOG_DEBUG, .prefix = "host"};
    apir_shm_table_init(&host->memory);
    struct apir_executor_options options = setup ? setup->executor : (struct apir_executor_options){0};
    if (!options.library)
        options.library = "cpu";
    options.threads = 1;
    options.memory = &host->memory;
    options.log = &host->log;
    host->executor = apir_executor_create(&options);
    assert_non_null(host->executor);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    host->fd = pair[0];
    assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
    return pair[1];
}

int upstream_host_stop(struct upstream_host *host)
{
    pthread_join(host->thread, NULL);
    apir_executor_destroy(host->executor);
    apir_shm_table_finish(&host->memory);
    return host->result;
}

void upstream_session_open(struct upstream_session *session, const struct upstream_setup *setup, bool fromptr,
                           uint64_t data_size)
{
    int fd = upstream_host_start(&session->host, setup);
    assert_int_equal(deployed_guest_init(&session->guest, fd, DEPLOYED_VENUS_BASE, data_size), 0);
    replay_init(&session->replay, &session->guest, UPSTREAM_VECTORS, fromptr);
}

int upstream_session_close(struct upstream_session *session)
{
    deployed_guest_finish(&session->guest);
    return upstream_host_stop(&session->host);
}

void upstream_session_replay(struct upstream_session *session, const char *until)
{
    if (replay_until(&session->replay, until) < 0)
        fail_msg("%s", session->replay.error);
}
