/* apir-test-renderer: the renderer of renderer.h on a socket, where each client is a context. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "upstream/renderer.h"
#include "util/fd.h"
#include "wire/connection.h"

static const char usage[] = "usage: apir-test-renderer --socket PATH [options]\n"
                            "\n"
                            "  --backend-library PATH   as VIRGL_APIR_BACKEND_LIBRARY\n"
                            "  --ggml-library PATH      as APIR_LLAMA_CPP_GGML_LIBRARY_PATH\n"
                            "  --ggml-reg SYMBOL        as APIR_LLAMA_CPP_GGML_LIBRARY_REG\n"
                            "  --say-sizes              tell the library the size of shared memory\n"
                            "  --base 0|331             numbers of commands: APIR capset, or Venus capset (0)\n"
                            "  --version MAJOR.MINOR    to answer in the handshake (0.1)\n"
                            "  --kill-after N           the process ends at call N\n"
                            "  --stall-after N          call N and those after it are not answered\n"
                            "  --code X                 every FORWARD returns X\n"
                            "  --no-fences              fences never signal\n";

static bool add(struct renderer_context *context, const struct apir_frame *frame)
{
    struct apir_frame_shm shm;
    if (frame->size != sizeof shm || frame->fd < 0)
        return false;
    memcpy(&shm, frame->data, sizeof shm);
    return renderer_shm_add(renderer_get(), context, shm.id, frame->fd, shm.offset, shm.size);
}

static bool handle(struct apir_connection *connection, struct renderer_context *context, const struct apir_frame *frame)
{
    struct renderer *renderer = renderer_get();
    uint32_t id;
    switch (frame->type) {
    case APIR_FRAME_SUBMIT:
        return renderer_submit(renderer, context, frame->data, frame->size);
    case APIR_FRAME_SHM_ADD:
        return add(context, frame);
    case APIR_FRAME_SHM_REMOVE:
        if (frame->size != sizeof id)
            return false;
        memcpy(&id, frame->data, sizeof id);
        renderer_shm_remove(renderer, context, id);
        return apir_connection_send(connection, APIR_FRAME_SHM_REMOVED, &id, sizeof id, -1) == 0;
    case APIR_FRAME_FENCE:
        return renderer->options.no_fences ||
               apir_connection_send(connection, APIR_FRAME_FENCE_DONE, frame->data, frame->size, -1) == 0;
    default:
        return false;
    }
}

static void *serve(void *data)
{
    struct apir_connection *connection = data;
    struct renderer_context *context = renderer_context_create(renderer_get());
    struct apir_frame frame;
    bool good = context != NULL;
    while (good && apir_connection_receive(connection, &frame) == 1) {
        good = handle(connection, context, &frame);
        apir_fd_close(&frame.fd);
    }
    if (context)
        renderer_context_destroy(renderer_get(), context);
    apir_connection_finish(connection);
    free(connection);
    return NULL;
}

static void start(int fd)
{
    pthread_t thread;
    struct apir_connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    apir_connection_init(connection, fd);
    if (pthread_create(&thread, NULL, serve, connection) != 0)
        abort();
    pthread_detach(thread);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0)
        apir_fd_close(&fd);
    return fd;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool parse(int argc, char **argv, struct renderer_options *options, const char **socket_path)
{
    static const struct option names[] = {
        {"socket", required_argument, NULL, 's'},      {"backend-library", required_argument, NULL, 'l'},
        {"ggml-library", required_argument, NULL, 'g'}, {"ggml-reg", required_argument, NULL, 'r'},
        {"say-sizes", no_argument, NULL, 'S'},         {"base", required_argument, NULL, 'b'},
        {"version", required_argument, NULL, 'v'},     {"kill-after", required_argument, NULL, 'k'},
        {"stall-after", required_argument, NULL, 't'}, {"code", required_argument, NULL, 'c'},
        {"no-fences", no_argument, NULL, 'f'},         {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 's': *socket_path = optarg; break;
        case 'l': options->backend_library = optarg; break;
        case 'g': options->ggml_library = optarg; break;
        case 'r': options->ggml_reg = optarg; break;
        case 'S': options->say_sizes = true; break;
        case 'b': options->base = number(optarg); break;
        case 'v':
            if (sscanf(optarg, "%u.%u", &options->major, &options->minor) != 2)
                return false;
            break;
        case 'k': options->kill_after = number(optarg); break;
        case 't': options->stall_after = number(optarg); break;
        case 'c':
            options->code = number(optarg);
            options->has_code = true;
            break;
        case 'f': options->no_fences = true; break;
        default: return false;
        }
    }
    return *socket_path && optind == argc;
}

int main(int argc, char **argv)
{
    struct renderer_options *options = &renderer_get()->options;
    const char *path = NULL;
    options->minor = 1;
    if (!parse(argc, argv, options, &path)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_at(path);
    if (listener < 0) {
        perror(path);
        return 1;
    }
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            perror("accept");
            return 1;
        }
        start(fd);
    }
}
