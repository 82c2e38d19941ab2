/* apir-deployed-guest: a deployed guest, from the samples, on the socket of a host. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "upstream/loop.h"
#include "upstream/replay.h"
#include "upstream/rss.h"
#include "util/fd.h"

enum {
    MAX_CONTEXTS = 2,
    MAX_GROWTH_KIB = 2048, /* a leak of 10 bytes a node shows in 1,000 graphs of 500 */
};

struct options {
    const char *socket, *samples;
    bool fromptr, many, graphs;
    unsigned base, loop;
    int watch; /* process, or parent of the process, whose memory is watched; 0: none */
};

struct context {
    struct deployed_guest guest;
    struct replay replay;
};

static const char usage[] = "usage: apir-deployed-guest --socket PATH --samples FOLDER [options]\n"
                            "\n"
                            "  --base 0|331   on a context of the APIR capset, or of the Venus capset (0)\n"
                            "  --fromptr      the samples with buffers of the guest's memory\n"
                            "  --many         two contexts at once, call by call\n"
                            "  --loop N       N calls and N/10 graphs of 500 nodes instead of all samples\n"
                            "  --graphs       graphs with one number spoiled in each; connects again when refused\n"
                            "  --watch PID    with --loop: fails if that process, or its first child, grows\n";

static bool open_context(const struct options *options, struct context *context)
{
    int fd = apir_fd_connect(options->socket);
    if (fd < 0 || deployed_guest_init(&context->guest, fd, options->base, DEPLOYED_DATA_SIZE) < 0) {
        fprintf(stderr, "cannot connect to %s\n", options->socket);
        return false;
    }
    replay_init(&context->replay, &context->guest, options->samples, options->fromptr);
    return true;
}

static bool is_good(const struct context *context, int ret)
{
    if (ret < 0)
        fprintf(stderr, "%s\n", context->replay.error);
    return ret >= 0;
}

static bool replay_all(const struct options *options, struct context *contexts)
{
    unsigned n = options->many ? 2 : 1;
    for (int ret = 0; ret != REPLAY_DONE;)
        for (unsigned i = 0; i < n; i++) {
            ret = replay_next(&contexts[i].replay);
            if (!is_good(&contexts[i], ret))
                return false;
        }
    for (unsigned i = 0; i < n; i++)
        if (!is_good(&contexts[i], replay_until(&contexts[i].replay, NULL)))
            return false;
    printf("%u contexts, %u exchanges each: as in the samples\n", n, contexts->replay.step);
    return true;
}

/* A tenth of the calls is made before memory is looked at first, so that what is taken once has been taken. */
static bool loop(const struct options *options, struct context *context)
{
    struct replay *replay = &context->replay;
    if (!is_good(context, replay_until(replay, "backend_graph_compute")) ||
        !is_good(context, loop_run(replay, options->loop / 10 + 10)))
        return false;
    long before = rss_kib(options->watch), own_before = rss_kib(0);
    if (!is_good(context, loop_run(replay, options->loop)))
        return false;
    long after = rss_kib(options->watch), own_after = rss_kib(0);
    printf("%u calls, %u graphs of %u nodes: host %ld KiB, then %ld KiB; guest %ld KiB, then %ld KiB\n",
           options->loop, options->loop / 10, LOOP_NODES, before, after, own_before, own_after);
    return after - before <= MAX_GROWTH_KIB && own_after - own_before <= MAX_GROWTH_KIB;
}

/* One number of the first graph is spoiled. False if the host neither answers nor ends the session. */
static bool send_spoiled(struct context *context, size_t at, uint32_t word, unsigned *n_lost)
{
    struct sample sample;
    uint32_t notif;
    if (!replay_prepare(&context->replay, "backend_graph_compute", &sample))
        return is_good(context, -1);
    deployed_put_u32(sample.shm.data + at, word);
    memcpy(context->guest.data.data, sample.shm.data, sample.shm.size);
    int ret = deployed_guest_call(&context->guest, sample.request.data, sample.request.size, &notif);
    if (ret == -ETIMEDOUT)
        fprintf(stderr, "word %u at %zu of a graph: no answer\n", word, at);
    *n_lost += ret == -EPIPE;
    return ret == 0 || ret == -EPIPE;
}

static bool is_lost(struct context *context)
{
    char trash[64];
    return recv(context->guest.connection.fd, trash, sizeof trash, MSG_DONTWAIT) == 0;
}

static bool spoil_graphs(const struct options *options, struct context *context)
{
    static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    enum { N_WORDS = sizeof words / sizeof *words, GRAPH = 1240 };
    unsigned n_lost = 0, n = 0;
    for (size_t at = 0; at + 4 <= GRAPH; at += 4)
        for (unsigned i = 0; i < N_WORDS; i++, n++) {
            if (n > 0 && is_lost(context)) {
                deployed_guest_finish(&context->guest);
                if (!open_context(options, context))
                    return false;
            }
            if (context->replay.step == 0 && !is_good(context, replay_until(&context->replay, "backend_graph_compute")))
                return false;
            if (!send_spoiled(context, at, words[i], &n_lost))
                return false;
        }
    printf("%u graphs with a spoiled number: all were answered but %u, which ended their context\n", n, n_lost);
    return true;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"socket", required_argument, NULL, 's'}, {"samples", required_argument, NULL, 'd'},
        {"base", required_argument, NULL, 'b'},   {"fromptr", no_argument, NULL, 'p'},
        {"many", no_argument, NULL, 'm'},         {"loop", required_argument, NULL, 'l'},
        {"watch", required_argument, NULL, 'w'},  {"graphs", no_argument, NULL, 'g'},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 's': options->socket = optarg; break;
        case 'd': options->samples = optarg; break;
        case 'b': options->base = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'p': options->fromptr = true; break;
        case 'm': options->many = true; break;
        case 'l': options->loop = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'g': options->graphs = true; break;
        case 'w': options->watch = atoi(optarg); break;
        default: return false;
        }
    }
    return options->socket && options->samples && optind == argc;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct context contexts[MAX_CONTEXTS];
    if (!parse(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    for (unsigned i = 0; i < (options.many ? 2 : 1); i++)
        if (!open_context(&options, &contexts[i]))
            return 1;
    bool good = options.graphs ? spoil_graphs(&options, &contexts[0])
                : options.loop ? loop(&options, &contexts[0])
                               : replay_all(&options, contexts);
    for (unsigned i = 0; i < (options.many ? 2 : 1); i++)
        deployed_guest_finish(&contexts[i].guest);
    return good ? 0 : 1;
}
