#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void apir_command_add(struct apir_command *command, const char *argument)
{
    if (command->count < APIR_MAX_ARGUMENTS)
        command->list[command->count] = argument;
    command->count++;
}

/* In the child, between fork and exec. */
static void become(const struct apir_command *command, const int *input, const int *output, int quiet, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    int null = quiet ? open("/dev/null", O_WRONLY) : -1;
    if (null >= 0)
        dup2(null, STDERR_FILENO);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    execvp(command->list[0], (char *const *)(uintptr_t)command->list);
    _exit(127);
}

static void close_pipe(int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

int apir_child_start(struct apir_child *child, const struct apir_command *command, int quiet)
{
    int input[2], output[2];
    pid_t parent = getpid();
    if (command->count > APIR_MAX_ARGUMENTS)
        return -E2BIG;
    if (pipe2(input, O_CLOEXEC))
        return -errno;
    if (pipe2(output, O_CLOEXEC)) {
        close_pipe(input);
        return -EMFILE;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(command, input, output, quiet, parent);
    if (pid < 0) {
        close_pipe(input);
        close_pipe(output);
        return -EAGAIN;
    }
    close(input[0]);
    close(output[1]);
    *child = (struct apir_child){.pid = pid, .input = fdopen(input[1], "w"), .output = fdopen(output[0], "r")};
    if (child->input && child->output)
        return 0;
    kill(pid, SIGKILL);
    apir_child_finish(child);
    return -ENOMEM;
}

int apir_child_finish(struct apir_child *child)
{
    int status = 0;
    char rest[512];
    if (child->input)
        fclose(child->input);
    while (child->output && fread(rest, 1, sizeof rest, child->output) > 0)
        continue;
    if (child->output)
        fclose(child->output);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int apir_child_beside(const char *name, char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return -errno;
    path[length] = '\0';
    char *file = strrchr(path, '/');
    if (!file || (size_t)(file + 1 - path) + strlen(name) >= size)
        return -ENAMETOOLONG;
    strcpy(file + 1, name);
    return 0;
}
