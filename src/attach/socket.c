#include "attach/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/fd.h"

enum {
    PAUSE_MS = 100,
    LINGER_MS = 2 * APIR_WORKER_PATIENCE_MS, /* the worker itself ends within one */
};

/* One connection. The door owns it until its worker is reaped. */
struct client {
    struct apir_list link; /* apir_socket.clients */
    struct apir_socket *door;
    unsigned context;
    int fd; /* our copy, kept to shut the connection down: the worker then ends by itself, in order */
    struct apir_source hangup; /* of the peer */
    struct apir_worker_process process;
};

/* The worker sees it, too, and ends. One that cannot, since it is stopped or does not want to, is not waited for. */
static void client_left(void *owner, uint32_t events)
{
    struct client *client = owner;
    (void)events;
    apir_loop_unwatch(client->door->loop, &client->hangup);
    apir_worker_process_expire(&client->process, LINGER_MS);
}

static void client_ended(void *owner, int status)
{
    struct client *client = owner;
    struct apir_socket *door = client->door;
    char text[96];
    apir_worker_process_describe(status, text, sizeof text);
    if (status == 0)
        apir_info(door->log, "context %u ended: closed", client->context);
    else
        apir_warn(door->log, "context %u ended: %sworker %s", client->context,
                  client->process.killed ? "killed: it did not end by itself: " : "", text);
    apir_loop_unwatch(door->loop, &client->hangup);
    shutdown(client->fd, SHUT_RDWR); /* the peer sees the end even if it passed its fd on */
    apir_fd_close(&client->fd);
    apir_list_remove(&client->link);
    free(client);
    door->client_count--;
    if (door->stopping && door->client_count == 0)
        door->idle(door->owner);
}

static void log_peer(const struct apir_socket *door, unsigned context, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        apir_debug(door->log, "context %u is of process %d, user %u", context, (int)peer.pid, (unsigned)peer.uid);
}

/* Takes ownership of fd. */
static int start_client(struct apir_socket *door, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return -ENOMEM;
    client->door = door;
    client->context = door->next_context;
    apir_worker_process_init(&client->process, door->loop, client_ended, client);
    apir_source_init(&client->hangup, client_left, client);
    int ret = apir_loop_watch(door->loop, &client->hangup, fd, 0); /* the end of both directions comes unasked */
    if (ret < 0)
        goto err_client;
    ret = apir_worker_process_start(&client->process, door->options, client->context, fd);
    if (ret < 0)
        goto err_watch;
    client->fd = fd;
    door->next_context++;
    door->client_count++;
    apir_list_append(&door->clients, &client->link);
    apir_info(door->log, "context %u started: %s, worker %d", client->context, door->listener.path,
              (int)client->process.pid);
    log_peer(door, client->context, fd);
    return 0;

err_watch:
    apir_loop_unwatch(door->loop, &client->hangup);
err_client:
    free(client);
    return ret;
}

static void pause_over(void *owner)
{
    struct apir_socket *door = owner;
    apir_loop_change(door->loop, &door->source, EPOLLIN);
}

/* Out of fds or memory: the connection stays in the backlog, so wait a little instead of spinning on it. */
static void pause_accepting(struct apir_socket *door, int error)
{
    apir_warn(door->log, "%s: cannot accept: %s", door->listener.path, strerror(-error));
    apir_loop_change(door->loop, &door->source, 0);
    apir_loop_set_timer(door->loop, &door->pause, PAUSE_MS);
}

static void door_ready(void *owner, uint32_t events)
{
    struct apir_socket *door = owner;
    (void)events;
    int fd = apir_listener_accept(&door->listener);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
        pause_accepting(door, fd);
    if (fd < 0)
        return;
    if (door->client_count >= door->max_clients) {
        apir_warn(door->log, "%s: refused a client: %u contexts are open already (--max-contexts)",
                  door->listener.path, door->client_count);
        goto err_fd;
    }
    int ret = start_client(door, fd);
    if (ret == 0)
        return;
    apir_error(door->log, "cannot start %s: %s", door->options->path, strerror(-ret));
err_fd:
    apir_fd_close(&fd);
}

int apir_socket_init(struct apir_socket *door, struct apir_loop *loop, const struct apir_log *log,
                     const struct apir_worker_options *options, const char *path, unsigned max_clients)
{
    memset(door, 0, sizeof *door);
    door->loop = loop;
    door->log = log;
    door->options = options;
    door->max_clients = max_clients;
    door->next_context = 1;
    apir_list_init(&door->clients);
    apir_source_init(&door->source, door_ready, door);
    apir_timer_init(&door->pause, pause_over, door);
    int ret = apir_listener_open(&door->listener, path);
    if (ret < 0)
        return ret;
    ret = apir_loop_watch(loop, &door->source, door->listener.fd, EPOLLIN);
    if (ret < 0)
        apir_listener_close(&door->listener);
    return ret;
}

void apir_socket_stop(struct apir_socket *door, void (*idle)(void *owner), void *owner)
{
    door->stopping = true;
    door->idle = idle;
    door->owner = owner;
    apir_loop_clear_timer(&door->pause);
    apir_loop_unwatch(door->loop, &door->source);
    apir_listener_close(&door->listener);
    for (struct apir_list *link = door->clients.next; link != &door->clients; link = link->next) {
        struct client *client = apir_list_entry(link, struct client, link);
        shutdown(client->fd, SHUT_RDWR);
        apir_worker_process_expire(&client->process, APIR_WORKER_PATIENCE_MS);
    }
    if (door->client_count == 0)
        idle(owner);
}
