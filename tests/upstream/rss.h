/* Memory of a process. */
#ifndef APIR_TESTS_UPSTREAM_RSS_H
#define APIR_TESTS_UPSTREAM_RSS_H

/* KiB of private memory that the process has now; of its newest child if it has any: a daemon's worker. pid 0: this
 * process. -1 if there is no such process. Memory shared with others is left out: it is the guest's. */
long rss_kib(int pid);

#endif
