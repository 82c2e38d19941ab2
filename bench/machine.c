#include "machine.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

enum { LOOK_NS = 500000000 };

/* Leaves out what JSON would want escaped, and spaces in a row. */
static void copy_plain(char *to, size_t size, const char *from)
{
    size_t length = 0;
    for (; *from && length + 1 < size; from++) {
        bool plain = isalnum((unsigned char)*from) || strchr(" ()-@.,+/", *from);
        bool doubled = *from == ' ' && (length == 0 || to[length - 1] == ' ');
        if (plain && !doubled)
            to[length++] = *from;
    }
    to[length] = '\0';
}

static void find_processor(struct apir_machine *machine)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            copy_plain(machine->processor, sizeof machine->processor, strchr(line, ':') + 1);
            break;
        }
    if (file)
        fclose(file);
}

/* The time of all processors, and that part of it in which they had nothing to do; in any unit. */
static void read_times(double *all, double *idle)
{
    double user = 0, nice = 0, system = 0, rest = 0, waiting = 0, interrupts = 0, soft = 0, stolen = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file) {
        if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &rest, &waiting, &interrupts,
                   &soft, &stolen) < 4)
            rest = 0;
        fclose(file);
    }
    *idle = rest + waiting;
    *all = user + nice + system + *idle + interrupts + soft + stolen;
}

void apir_machine_look(struct apir_machine *machine)
{
    double all[2], idle[2];
    *machine = (struct apir_machine){.processors = sysconf(_SC_NPROCESSORS_ONLN)};
    find_processor(machine);
    read_times(&all[0], &idle[0]);
    apir_clock_sleep(LOOK_NS);
    read_times(&all[1], &idle[1]);
    double time = all[1] - all[0];
    if (time > 0)
        machine->busy = (double)machine->processors * (1 - (idle[1] - idle[0]) / time);
}
