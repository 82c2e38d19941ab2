/* The machine that is measured: without it figures mean nothing. */
#ifndef APIR_BENCH_MACHINE_H
#define APIR_BENCH_MACHINE_H

struct apir_machine {
    char processor[96]; /* its name; only characters that need no escaping in JSON */
    long processors;
    double busy; /* how many processors others kept busy while we looked */
};

/* Looks for half a second. What cannot be found out is empty or 0. */
void apir_machine_look(struct apir_machine *machine);

#endif
