#include "attach/worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

enum { MAX_ARGUMENTS = 32 };

int apir_worker_options_set_functions(struct apir_worker_options *options, const char *text)
{
    unsigned first, second;
    char rest;
    if (text[strspn(text, "0123456789,")] || sscanf(text, "%9u,%9u%c", &first, &second, &rest) != 2 || first == 0 ||
        second == 0 || first == second)
        return -EINVAL;
    options->backend_initialize = first;
    options->backend_cleanup = second;
    return 0;
}

static void give_back_line(struct apir_worker_process *process)
{
    if (process->account)
        apir_account_give_back(process->account, process->line);
    process->account = NULL;
}

static void forget(struct apir_worker_process *process)
{
    apir_worker_log_close(&process->log);
    apir_loop_clear_timer(&process->timer);
    apir_loop_unwatch(process->loop, &process->source);
    apir_fd_close(&process->pidfd);
    apir_cgroup_remove(process->groups, process->client, process->pid);
    process->groups = NULL;
    process->pid = 0;
    give_back_line(process);
}

static void process_ready(void *owner, uint32_t events)
{
    struct apir_worker_process *process = owner;
    int status;
    (void)events;
    /* what it has started and left behind: as long as it is not reaped, this group is its own */
    kill(-process->pid, SIGKILL);
    pid_t pid = waitpid(process->pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return;
    if (pid < 0)
        status = 0; /* somebody else reaped it: it is gone all the same */
    forget(process);
    process->ended(process->owner, status);
}

static void patience_over(void *owner)
{
    apir_worker_process_kill(owner);
}

void apir_worker_process_init(struct apir_worker_process *process, struct apir_loop *loop,
                              void (*ended)(void *owner, int status), void *owner)
{
    process->loop = loop;
    process->pid = 0;
    process->pidfd = -1;
    process->killed = false;
    process->account = NULL;
    process->groups = NULL;
    process->ended = ended;
    process->owner = owner;
    apir_worker_log_init(&process->log, loop);
    apir_source_init(&process->source, process_ready, process);
    apir_timer_init(&process->timer, patience_over, process);
}

/* The child's fds. closefrom: what this program inherited from its parent may lack CLOEXEC. */
static int set_files(posix_spawn_file_actions_t *files, const struct apir_worker_fds *fds)
{
    int ret = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (ret == 0)
        ret = posix_spawn_file_actions_adddup2(files, fds->output, STDOUT_FILENO);
    if (ret == 0)
        ret = posix_spawn_file_actions_adddup2(files, fds->error, STDERR_FILENO);
    if (ret == 0 && fds->connection >= 0)
        ret = posix_spawn_file_actions_adddup2(files, fds->connection, APIR_WORKER_FD);
    if (ret == 0 && fds->ledger >= 0)
        ret = posix_spawn_file_actions_adddup2(files, fds->ledger, APIR_WORKER_LEDGER_FD);
    if (ret == 0)
        ret = posix_spawn_file_actions_addclosefrom_np(files, fds->ledger >= 0       ? APIR_WORKER_LEDGER_FD + 1
                                                              : fds->connection >= 0 ? APIR_WORKER_FD + 1
                                                                                     : STDERR_FILENO + 1);
    return ret;
}

/* Signals as if started from a shell, and a session of its own: Ctrl-C is for the daemon, which ends its workers, and a
 * terminal is not for them to type into. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int ret = posix_spawnattr_setsigmask(attributes, &none);
    if (ret == 0)
        ret = posix_spawnattr_setsigdefault(attributes, &all);
    if (ret == 0)
        ret = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    return ret;
}

static int spawn(pid_t *pid, const char *const *argv, const char *const *environment,
                 const struct apir_worker_fds *fds)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int ret = posix_spawn_file_actions_init(&files);
    if (ret != 0)
        return -ret;
    ret = posix_spawnattr_init(&attributes);
    if (ret != 0)
        goto err_files;
    ret = set_files(&files, fds);
    if (ret == 0)
        ret = set_attributes(&attributes);
    if (ret == 0)
        ret = posix_spawn(pid, argv[0], &files, &attributes, (char *const *)(uintptr_t)argv,
                          environment ? (char *const *)(uintptr_t)environment : environ);
    posix_spawnattr_destroy(&attributes);
err_files:
    posix_spawn_file_actions_destroy(&files);
    return -ret;
}

int apir_worker_process_exec(struct apir_worker_process *process, const char *const *argv,
                             const char *const *environment, const struct apir_worker_fds *fds)
{
    pid_t pid;
    int ret = spawn(&pid, argv, environment, fds);
    if (ret < 0)
        return ret;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* is CLOEXEC */
    if (process->pidfd < 0) {
        ret = -errno;
        goto err_pid;
    }
    ret = apir_loop_watch(process->loop, &process->source, process->pidfd, EPOLLIN);
    if (ret < 0)
        goto err_pidfd;
    process->pid = pid;
    process->killed = false;
    return 0;

err_pidfd:
    apir_fd_close(&process->pidfd);
err_pid:
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return ret;
}

/* How many arguments that makes. */
static unsigned add_option(const char **argv, const char *name, const char *value)
{
    if (!value)
        return 0;
    argv[0] = name;
    argv[1] = value;
    return 2;
}

static int take_line(struct apir_worker_process *process, struct apir_account *account)
{
    int line = account ? apir_account_take(account) : 0;
    if (line < 0)
        return line;
    process->account = account;
    process->line = line;
    return 0;
}

/* It has hardly begun by now: what it will take, it takes in its group. */
static int set_group(struct apir_worker_process *process, const struct apir_worker_options *options)
{
    int ret = apir_cgroup_add(options->groups, options->client, process->pid);
    if (ret < 0) {
        apir_worker_process_finish(process);
        return ret;
    }
    process->groups = options->groups;
    process->client = options->client;
    return 0;
}

static int exec_worker(struct apir_worker_process *process, const struct apir_worker_options *options,
                       const char *const *argv, int connection)
{
    int log;
    int ret = apir_worker_log_open(&process->log, options->log, options->log_level < APIR_LOG_DEBUG, &log);
    if (ret < 0)
        return ret;
    /* stdout goes to the log too: libraries print there */
    const struct apir_worker_fds fds = {log, log, connection, options->account ? options->account->fd : -1};
    ret = apir_worker_process_exec(process, argv, options->environment, &fds);
    apir_fd_close(&log);
    if (ret < 0)
        apir_worker_log_close(&process->log);
    return ret;
}

int apir_worker_process_start(struct apir_worker_process *process, const struct apir_worker_options *options,
                              unsigned context, int connection)
{
    char parent_text[16], context_text[16], threads_text[16], level_text[16], fd_text[16], functions_text[32];
    char limits_text[APIR_LIMITS_TEXT], line_text[16];
    int ret = take_line(process, options->account);
    if (ret < 0)
        return ret;
    snprintf(line_text, sizeof line_text, "%d", process->line);
    snprintf(fd_text, sizeof fd_text, "%d", APIR_WORKER_FD);
    snprintf(parent_text, sizeof parent_text, "%d", (int)getpid());
    snprintf(context_text, sizeof context_text, "%u", context);
    snprintf(threads_text, sizeof threads_text, "%u", options->threads);
    snprintf(level_text, sizeof level_text, "%d", (int)options->log_level);
    apir_limits_print(&options->limits, limits_text);
    snprintf(functions_text, sizeof functions_text, "%u,%u", options->backend_initialize, options->backend_cleanup);

    const char *argv[MAX_ARGUMENTS] = {options->path, "--fd",        fd_text,    "--context",  context_text,
                                       "--parent",    parent_text,   "--log-level", level_text};
    unsigned count = 9;
    count += add_option(argv + count, "--ggml-library", options->ggml_library);
    count += add_option(argv + count, "--ggml-reg", options->ggml_reg);
    count += add_option(argv + count, "--backend-library", options->backend_library);
    count += add_option(argv + count, "--single-device", options->single_device);
    count += add_option(argv + count, "--user-base", options->user_base);
    count += add_option(argv + count, "--sandbox-path", options->sandbox_paths);
    if (options->require_sandbox)
        argv[count++] = "--require-sandbox";
    count += add_option(argv + count, "--threads", options->threads > 0 ? threads_text : NULL);
    count += add_option(argv + count, "--limits", *limits_text ? limits_text : NULL);
    count += add_option(argv + count, "--ledger", options->account ? line_text : NULL);
    if (options->backend_initialize || options->backend_cleanup)
        count += add_option(argv + count, "--upstream-functions", functions_text);
    ret = exec_worker(process, options, argv, connection);
    if (ret == 0 && options->groups)
        ret = set_group(process, options);
    if (ret < 0)
        give_back_line(process);
    return ret;
}

void apir_worker_process_kill(struct apir_worker_process *process)
{
    if (process->pid == 0)
        return;
    process->killed = true;
    kill(process->pid, SIGKILL); /* not yet reaped, hence still this process */
    kill(-process->pid, SIGKILL); /* and what it has started */
}

void apir_worker_process_expire(struct apir_worker_process *process, unsigned ms)
{
    if (process->pid != 0 && !process->timer.set)
        apir_loop_set_timer(process->loop, &process->timer, ms);
}

void apir_worker_process_finish(struct apir_worker_process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGKILL);
    kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(process);
}

void apir_worker_process_describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "died by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                 WTERMSIG(status) == SIGSYS ? ": its sandbox forbids a system call that it made" : "");
    else
        snprintf(text, size, "exited with code %d", WEXITSTATUS(status));
}
