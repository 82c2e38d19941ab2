#include "attach/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

/* A first start of a GPU may compile its kernels. */
enum { PROBE_LIMIT_MS = 60 * 1000 };

static void log_line(struct apir_probe_stream *stream)
{
    if (stream->used == 0)
        return;
    apir_log_print(stream->probe->log, stream->level, "%s: %.*s", stream->probe->options->ggml_library,
                   (int)stream->used, stream->line);
    stream->used = 0;
    stream->lines++;
}

static void close_stream(struct apir_probe_stream *stream)
{
    apir_loop_unwatch(stream->probe->loop, &stream->source);
    apir_fd_close(&stream->fd);
}

/* Logs what has come. False at the end. */
static bool read_stream(struct apir_probe_stream *stream)
{
    char bytes[APIR_PROBE_LINE];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n')
            stream->line[stream->used++] = bytes[i];
        if (bytes[i] == '\n' || stream->used == sizeof stream->line)
            log_line(stream);
    }
    return got > 0;
}

static void stream_ready(void *owner, uint32_t events)
{
    struct apir_probe_stream *stream = owner;
    (void)events;
    if (read_stream(stream))
        return;
    log_line(stream);
    close_stream(stream);
}

/* Reads what the ended process left in its pipe: it is all there, unless a child of it still writes. */
static void drain_stream(struct apir_probe_stream *stream)
{
    char bytes;
    while (stream->fd >= 0 && read(stream->fd, &bytes, 1) == 1) {
        if (bytes != '\n')
            stream->line[stream->used++] = bytes;
        if (bytes == '\n' || stream->used == sizeof stream->line)
            log_line(stream);
    }
    log_line(stream);
    close_stream(stream);
}

static void probe_ended(void *owner, int status)
{
    struct apir_probe *probe = owner;
    char text[96];
    drain_stream(&probe->output);
    drain_stream(&probe->error);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        apir_info(probe->log, "ggml library %s: %u device%s", probe->options->ggml_library, probe->output.lines,
                  probe->output.lines == 1 ? "" : "s");
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == APIR_PROBE_NOT_CONFINED && probe->unconfined) {
        probe->unconfined(probe->owner);
        return;
    }
    apir_worker_process_describe(status, text, sizeof text);
    apir_warn(probe->log,
              "ggml library %s cannot be used (its probe %s%s): clients will see no device until apird is "
              "started with one that can (--ggml-library)",
              probe->options->ggml_library, probe->process.killed ? "took too long: " : "", text);
}

static int open_stream(struct apir_probe_stream *stream, struct apir_probe *probe, enum apir_log_level level,
                       int *child_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    stream->probe = probe;
    stream->level = level;
    apir_source_init(&stream->source, stream_ready, stream);
    int ret = apir_loop_watch(probe->loop, &stream->source, ends[0], EPOLLIN);
    if (ret < 0) {
        close(ends[0]);
        close(ends[1]);
        return ret;
    }
    stream->fd = ends[0];
    *child_end = ends[1];
    return 0;
}

static int exec_probe(struct apir_probe *probe, const struct apir_worker_fds *fds)
{
    const struct apir_worker_options *options = probe->options;
    char parent[16];
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    const char *argv[16] = {options->path, "--probe", "--parent", parent, "--ggml-library", options->ggml_library};
    unsigned count = 6;
    if (options->ggml_reg) {
        argv[count++] = "--ggml-reg";
        argv[count++] = options->ggml_reg;
    }
    if (options->user_base) {
        argv[count++] = "--user-base";
        argv[count++] = options->user_base;
    }
    if (options->sandbox_paths) {
        argv[count++] = "--sandbox-path";
        argv[count++] = options->sandbox_paths;
    }
    if (options->require_sandbox)
        argv[count++] = "--require-sandbox";
    return apir_worker_process_exec(&probe->process, argv, options->environment, fds);
}

int apir_probe_start(struct apir_probe *probe, struct apir_loop *loop, const struct apir_log *log,
                     const struct apir_worker_options *options)
{
    struct apir_worker_fds fds = {-1, -1, -1, -1};
    memset(probe, 0, sizeof *probe);
    probe->loop = loop;
    probe->log = log;
    probe->options = options;
    probe->output.fd = -1;
    probe->error.fd = -1;
    apir_worker_process_init(&probe->process, loop, probe_ended, probe);
    int ret = open_stream(&probe->output, probe, APIR_LOG_INFO, &fds.output);
    if (ret < 0)
        goto err_probe;
    ret = open_stream(&probe->error, probe, APIR_LOG_WARN, &fds.error);
    if (ret < 0)
        goto err_output;
    ret = exec_probe(probe, &fds);
    if (ret < 0)
        goto err_error;
    apir_fd_close(&fds.output);
    apir_fd_close(&fds.error);
    apir_worker_process_expire(&probe->process, PROBE_LIMIT_MS);
    return 0;

err_error:
    apir_fd_close(&fds.error);
    close_stream(&probe->error);
err_output:
    apir_fd_close(&fds.output);
    close_stream(&probe->output);
err_probe:
    probe->loop = NULL;
    return ret;
}

void apir_probe_finish(struct apir_probe *probe)
{
    if (!probe->loop)
        return;
    apir_worker_process_finish(&probe->process);
    close_stream(&probe->output);
    close_stream(&probe->error);
}
