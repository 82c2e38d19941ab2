/* Runs the scanner in a folder of its own, and keeps what it said. */
#ifndef RUN_SCANNER_H
#define RUN_SCANNER_H

#include <stdbool.h>
#include <stddef.h>

/* Where things are. Borrowed strings, but for folder. */
struct workbench {
    const char *scanner;
    const char *tests;     /* the folder of these tests */
    const char *protocols; /* the folder of the protocol files */
    bool update;           /* write golden files, do not compare */
    char folder[256];      /* for files that tests make; removed by workbench_finish */
};

/* What a run left. Release with outcome_finish. */
struct outcome {
    int status; /* exit status; -1: it did not exit */
    char *out;  /* what it wrote to stdout, with a NUL */
    char *err;  /* likewise, stderr */
};

/* Makes the folder. False if that fails. */
bool workbench_init(struct workbench *bench);
void workbench_finish(struct workbench *bench);

/* Runs the scanner with the arguments, which end with NULL, in the folder. */
struct outcome run_scanner(const struct workbench *bench, const char *const *args);
void outcome_finish(struct outcome *outcome);

/* The content of a file with a NUL behind it, NULL if it cannot be read. The caller frees it. */
char *read_whole(const char *path);
bool write_whole(const char *path, const char *text);
/* Number of files in the folder whose name contains part. */
size_t count_files(const struct workbench *bench, const char *part);

#endif
