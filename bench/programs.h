/* Measurements that need programs of their own: with another environment, with llama.cpp, or watched by strace. */
#ifndef APIR_BENCH_PROGRAMS_H
#define APIR_BENCH_PROGRAMS_H

#include "child.h"
#include "micro.h"

/* All that were asked for and can be had; others are told on stderr. 0 or -errno. */
int apir_programs_measure(struct apir_bench *bench);

/* Adds what a program of ours needs to have the same arms. */
void apir_programs_add_arms(struct apir_command *command, const struct apir_bench_options *options);

/* llama-bench and ours with llama.cpp. */
int apir_llama_measure(struct apir_bench *bench);

/* For the program that --hold starts: makes a call on each arm, says "ready" and waits for the end of its input. */
int apir_programs_hold(const struct apir_arms *arms);

/* Starts a program that says "ready" when it is, and is to wait for its input; traces it and its worker. 0 or -errno.
 */
struct apir_trace;
int apir_programs_start_traced(struct apir_child *child, struct apir_trace *trace, const struct apir_command *command);

#endif
