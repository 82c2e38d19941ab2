#include "upstream/rss.h"

#include <stdio.h>
#include <unistd.h>

static int newest_child(int pid)
{
    char path[64];
    int child = 0, next;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *stream = fopen(path, "re");
    if (!stream)
        return 0;
    while (fscanf(stream, "%d", &next) == 1)
        child = next;
    fclose(stream);
    return child;
}

long rss_kib(int pid)
{
    char path[64], line[128];
    long kib = -1;
    if (pid == 0)
        pid = (int)getpid();
    int child = newest_child(pid);
    snprintf(path, sizeof path, "/proc/%d/status", child ? child : pid);
    FILE *stream = fopen(path, "re");
    if (!stream)
        return -1;
    while (kib < 0 && fgets(line, sizeof line, stream))
        sscanf(line, "RssAnon: %ld kB", &kib);
    fclose(stream);
    return kib;
}
