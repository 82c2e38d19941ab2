#include "run-scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 16, MAX_PATH = 1024 };

bool workbench_init(struct workbench *bench)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(bench->folder, sizeof bench->folder, "%s/scanner-test.XXXXXX",
             temporary ? temporary : "/tmp");
    return mkdtemp(bench->folder) != NULL;
}

static void remove_entry(int folder, const char *name)
{
    if (strcmp(name, ".") && strcmp(name, ".."))
        unlinkat(folder, name, 0);
}

void workbench_finish(struct workbench *bench)
{
    DIR *folder = opendir(bench->folder);
    if (folder) {
        struct dirent *entry;
        while ((entry = readdir(folder)))
            remove_entry(dirfd(folder), entry->d_name);
        closedir(folder);
    }
    rmdir(bench->folder);
}

size_t count_files(const struct workbench *bench, const char *part)
{
    size_t n = 0;
    struct dirent *entry;
    DIR *folder = opendir(bench->folder);
    if (!folder)
        return 0;
    while ((entry = readdir(folder)))
        n += strstr(entry->d_name, part) != NULL;
    closedir(folder);
    return n;
}

static bool redirect(int to, const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return fd >= 0 && dup2(fd, to) == to;
}

/* In the child: does not return. */
static void become_scanner(const struct workbench *bench, const char *const *args)
{
    char *argv[MAX_ARGS] = {"apir-scanner"};
    for (size_t i = 0; args[i] && i + 2 < MAX_ARGS; i++)
        argv[i + 1] = (char *)args[i]; /* execv does not write to it */
    if (chdir(bench->folder) == 0 && redirect(STDOUT_FILENO, ".out") &&
        redirect(STDERR_FILENO, ".err"))
        execv(bench->scanner, argv);
    _exit(127);
}

static char *take_file(const struct workbench *bench, const char *name)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    char *text = read_whole(path);
    unlink(path);
    return text ? text : strdup("");
}

struct outcome run_scanner(const struct workbench *bench, const char *const *args)
{
    struct outcome outcome = {.status = -1};
    int wait_status;
    pid_t child = fork();
    if (child == 0)
        become_scanner(bench, args);
    if (child > 0 && waitpid(child, &wait_status, 0) == child && WIFEXITED(wait_status))
        outcome.status = WEXITSTATUS(wait_status);
    outcome.out = take_file(bench, ".out");
    outcome.err = take_file(bench, ".err");
    return outcome;
}

void outcome_finish(struct outcome *outcome)
{
    free(outcome->out);
    free(outcome->err);
}

char *read_whole(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0) { /* an empty file */
        free(text);
        text = strdup("");
    }
    fclose(file);
    return text;
}

bool write_whole(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool ok = fputs(text, file) >= 0;
    return fclose(file) == 0 && ok;
}
