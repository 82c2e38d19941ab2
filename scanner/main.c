/* apir-scanner: turns a protocol file into the C of both sides and the chapter of the manual. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "emit.h"
#include "parse.h"
#include "protocol.h"

enum { EXIT_OK = 0, EXIT_BAD_INPUT = 1, EXIT_TROUBLE = 2 };

struct output_kind {
    const char *name;
    const char *makes;
    void (*emit)(struct out *o);
};

static const struct output_kind output_kinds[] = {
    {"header", "PREFIX-protocol.h", emit_header},
    {"codec-header", "PREFIX-codec.h", emit_codec_header},
    {"codec", "PREFIX-codec.c", emit_codec},
    {"client-header", "PREFIX-calls.h", emit_client_header},
    {"client", "PREFIX-calls.c", emit_client},
    {"server-header", "PREFIX-dispatch.h", emit_server_header},
    {"server", "PREFIX-dispatch.c", emit_server},
    {"print-header", "PREFIX-print.h", emit_print_header},
    {"print", "PREFIX-print.c", emit_print},
    {"doc", "protocol.md", emit_doc},
    {"fuzz", "PREFIX-fuzz.c", emit_fuzz},
};

enum { N_KINDS = sizeof output_kinds / sizeof *output_kinds };

struct options {
    const char *input;
    const char *output;
    const struct output_kind *kind;
    bool summary;
};

static void print_usage(FILE *file)
{
    fprintf(file, "usage: apir-scanner --input FILE.yaml [--kind KIND --output FILE] [--summary]\n"
                  "Generates code from the description of a protocol. KIND, and what FILE is to be "
                  "called:\n");
    for (size_t i = 0; i < N_KINDS; i++)
        fprintf(file, "  %-14s %s\n", output_kinds[i].name, output_kinds[i].makes);
    fprintf(
        file,
        "--summary prints what the protocol has. Without --kind the input is only checked.\n"
        "Exit status: 0, 1 when the input has errors, 2 on wrong usage or when a file fails.\n");
}

static const struct output_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (!strcmp(output_kinds[i].name, name))
            return &output_kinds[i];
    }
    fprintf(stderr, "apir-scanner: there is no kind '%s', see --help\n", name);
    return NULL;
}

/* -1: go on; else the exit status. */
static int read_option(struct options *options, int option)
{
    switch (option) {
    case 'i':
        options->input = optarg;
        return -1;
    case 'o':
        options->output = optarg;
        return -1;
    case 'k':
        options->kind = find_kind(optarg);
        return options->kind ? -1 : EXIT_TROUBLE;
    case 's':
        options->summary = true;
        return -1;
    case 'h':
        print_usage(stdout);
        return EXIT_OK;
    default:
        fprintf(stderr, "apir-scanner: see --help\n");
        return EXIT_TROUBLE;
    }
}

static int check_options(const struct options *options)
{
    const char *wrong = NULL;
    if (!options->input)
        wrong = "--input is missing";
    else if (options->kind && !options->output)
        wrong = "--kind needs --output";
    else if (options->output && !options->kind)
        wrong = "--output needs --kind";
    else if (!options->kind && !options->summary)
        wrong = "--kind or --summary is missing";
    if (!wrong)
        return -1;
    fprintf(stderr, "apir-scanner: %s, see --help\n", wrong);
    return EXIT_TROUBLE;
}

static int read_options(struct options *options, int argc, char **argv)
{
    const struct option names[] = {
        {"input", required_argument, NULL, 'i'}, {"output", required_argument, NULL, 'o'},
        {"kind", required_argument, NULL, 'k'},  {"summary", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        int status = read_option(options, option);
        if (status >= 0)
            return status;
    }
    if (optind < argc) {
        fprintf(stderr, "apir-scanner: '%s' is not an option, see --help\n", argv[optind]);
        return EXIT_TROUBLE;
    }
    return check_options(options);
}

static int trouble(const char *path)
{
    fprintf(stderr, "apir-scanner: %s: %s\n", path, strerror(errno));
    return EXIT_TROUBLE;
}

/* Reads and checks the protocol. */
static int load(struct protocol *p, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return trouble(path);
    errno = EIO;
    (void)!fgetc(file);
    if (ferror(file)) { /* a folder opens, but cannot be read */
        int status = trouble(path);
        fclose(file);
        return status;
    }
    rewind(file);
    parse_protocol(p, file);
    fclose(file);
    if (!p->errors)
        check_protocol(p);
    return p->errors ? EXIT_BAD_INPUT : EXIT_OK;
}

/* A new file beside path, whose name goes to name. */
static FILE *create_beside(const char *path, char *name, size_t size)
{
    if ((size_t)snprintf(name, size, "%s.XXXXXX", path) >= size) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int fd = mkstemp(name);
    if (fd < 0)
        return NULL;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        unlink(name);
    }
    return file;
}

/* Closes file; whether all of it was written. */
static bool close_written(FILE *file)
{
    bool ok = !ferror(file);
    return fclose(file) == 0 && ok;
}

static int write_output(const struct protocol *p, const struct options *options)
{
    char name[4096];
    struct out out = {.p = p};
    out.file = create_beside(options->output, name, sizeof name);
    if (!out.file)
        return trouble(options->output);
    options->kind->emit(&out);
    if (close_written(out.file) && rename(name, options->output) == 0)
        return EXIT_OK;
    int status = trouble(options->output);
    unlink(name);
    return status;
}

static void print_count(size_t n, const char *one)
{
    printf("%zu %s%s", n, one, n == 1 ? "" : "s");
}

static void print_summary(const struct protocol *p)
{
    size_t disabled = p->n_calls - protocol_enabled_calls(p);
    printf("%s %u.%u: ", p->name.s, (unsigned)p->major.magnitude, (unsigned)p->minor.magnitude);
    print_count(p->n_calls, "call");
    if (disabled)
        printf(" (%zu disabled)", disabled);
    printf(", ");
    print_count(p->n_enums, "enum");
    printf(", ");
    print_count(p->n_structs, "struct");
    printf(", ");
    print_count(p->n_limits, "limit");
    printf("\n");
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct protocol protocol;
    int status = read_options(&options, argc, argv);
    if (status >= 0)
        return status;
    protocol_init(&protocol, options.input);
    status = load(&protocol, options.input);
    if (status == EXIT_OK && options.kind)
        status = write_output(&protocol, &options);
    if (status == EXIT_OK && options.summary)
        print_summary(&protocol);
    protocol_finish(&protocol);
    return status;
}
