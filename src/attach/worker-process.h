/* The life of a worker as a process: started by exec with one socket, watched, ended, reaped. */
#ifndef APIR_ATTACH_WORKER_PROCESS_H
#define APIR_ATTACH_WORKER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "attach/account.h"
#include "attach/cgroup.h"
#include "attach/loop.h"
#include "attach/worker-log.h"
#include "util/limits.h"
#include "util/log.h"

enum {
    APIR_WORKER_FD = 3,            /* where a worker finds its connection */
    APIR_WORKER_LEDGER_FD = 4,     /* and its client's ledger */
    APIR_WORKER_PATIENCE_MS = 1000, /* how long a worker may take to answer, or to end, before it is killed */
};

/* How workers are started. Borrowed by everyone, immutable. */
struct apir_worker_options {
    const char *path;              /* the executable */
    const char *socket;            /* --listen socket of a running apird, to be used instead; NULL: start workers */
    const char *const *environment; /* of a worker, ended by NULL; NULL: ours */
    const char *ggml_library;      /* paths or short names, separated by ':'; NULL: unset, the worker tells its client */
    const char *ggml_reg;          /* NULL: the worker's default */
    const char *backend_library;   /* serves guests of the deployed protocol instead of the executor; NULL: none */
    const char *single_device;     /* name or index of the device that those guests see; NULL: the first */
    uint32_t backend_initialize;   /* numbers of two functions in a later revision of that protocol; both 0: none */
    uint32_t backend_cleanup;
    const char *sandbox_paths;     /* what the worker may read beyond what is usual, separated by ':'; NULL: nothing */
    bool require_sandbox;          /* nobody is served in a sandbox that lacks a layer */
    unsigned threads;              /* 0: the worker's default */
    const char *user_base;         /* number of the first user for workers of root, or "none"; NULL: the worker's default */
    unsigned starts;               /* of workers for one virtual machine in a second; 0: without limit */
    struct apir_limits limits;     /* of a context, and of its client */
    struct apir_account *account;  /* of the client; NULL: it has none */
    const struct apir_cgroup *groups; /* in which each worker gets one of its own; NULL: none */
    unsigned client;               /* with the others of that number it has its share of the processors there */
    enum apir_log_level log_level; /* of the worker */
    FILE *log;                     /* where the worker's lines go, borrowed; NULL: nowhere */
};

/* Sets the numbers of the two functions from "INIT,CLEANUP": neither is 0, and they differ. 0, or -EINVAL. */
int apir_worker_options_set_functions(struct apir_worker_options *options, const char *text);

/* Lives inside its owner, which must keep it until ended is called (only then the process is gone). */
struct apir_worker_process {
    struct apir_loop *loop;
    pid_t pid;  /* 0: none */
    int pidfd;
    bool killed; /* by us */
    struct apir_account *account; /* where it has a line; NULL: nowhere */
    int line;
    const struct apir_cgroup *groups; /* that have one for it; NULL: none */
    unsigned client;                  /* whose it is there */
    struct apir_worker_log log;
    struct apir_source source;
    struct apir_timer timer;
    void (*ended)(void *owner, int status); /* status as of waitpid(); the process is reaped */
    void *owner;
};

/* Which fds a process gets besides /dev/null as stdin. Borrowed; closed in the child are all others. */
struct apir_worker_fds {
    int output;     /* stdout */
    int error;      /* stderr */
    int connection; /* APIR_WORKER_FD; -1: none */
    int ledger;     /* APIR_WORKER_LEDGER_FD, none of the fds above; -1: none */
};

void apir_worker_process_init(struct apir_worker_process *process, struct apir_loop *loop,
                              void (*ended)(void *owner, int status), void *owner);

/* Starts argv[0] (a path) with that environment (NULL: ours) and those fds, in a session of its own, with default
 * signals. 0 or -errno. */
int apir_worker_process_exec(struct apir_worker_process *process, const char *const *argv,
                             const char *const *environment, const struct apir_worker_fds *fds);

/* Starts a worker for that context with the connection (borrowed) as APIR_WORKER_FD. 0 or -errno. */
int apir_worker_process_start(struct apir_worker_process *process, const struct apir_worker_options *options,
                              unsigned context, int connection);

/* Kills the process and what it has started now, or in ms milliseconds unless it has ended by then. */
void apir_worker_process_kill(struct apir_worker_process *process);
void apir_worker_process_expire(struct apir_worker_process *process, unsigned ms);

/* Kills and reaps the process now, without calling ended. No process is a no-op. */
void apir_worker_process_finish(struct apir_worker_process *process);

/* Writes "exited with code N" or "died by signal N (name)" to text, and what that means if the sandbox did it. */
void apir_worker_process_describe(int status, char *text, size_t size);

#endif
