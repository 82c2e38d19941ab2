#include "upstream-faults/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 16, PATIENCE = 2000 }; /* of 5 ms each */

static void run(const struct process *process, const char *program, const char *const *arguments)
{
    char *argv[MAX_ARGUMENTS + 2] = {strdup(program)};
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (int i = 0; arguments[i] && i < MAX_ARGUMENTS; i++)
        argv[i + 1] = strdup(strcmp(arguments[i], "@") == 0 ? process->socket : arguments[i]);
    unsetenv("GGML_BACKEND_PATH");
    unsetenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH");
    if (!getenv("APIR_TEST_DEBUG")) {
        dup2(quiet, STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO);
    }
    execv(program, argv);
    _exit(127);
}

bool process_start(struct process *process, const char *program, const char *const *arguments)
{
    struct stat info;
    strcpy(process->folder, "/tmp/apir-fault.XXXXXX");
    if (!mkdtemp(process->folder))
        return false;
    snprintf(process->socket, sizeof process->socket, "%s/sock", process->folder);
    process->pid = fork();
    if (process->pid == 0)
        run(process, program, arguments);
    for (int i = 0; i < PATIENCE && stat(process->socket, &info) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return process->pid > 0 && stat(process->socket, &info) == 0;
}

void process_stop(struct process *process)
{
    kill(process->pid, SIGTERM);
    waitpid(process->pid, NULL, 0);
    unlink(process->socket);
    rmdir(process->folder);
}
