/* load-plugin PLUGIN.so [LIMIT_MS]: does with the plug-in what ggml does at start-up, twice, and prints "score S devices N". Fails when
 * that takes longer than an application would forgive (100 ms, or what is given), or when the second load does not give the same registry. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <ggml-backend.h>

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fputs("usage: load-plugin PLUGIN.so [LIMIT_MS]\n", stderr);
        return 2;
    }
    double limit = argc == 3 ? atof(argv[2]) : 100;
    ggml_log_set(NULL, NULL);
    double start = now_ms();
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*score)(void) = NULL;
    ggml_backend_reg_t (*init)(void) = NULL;
    *(void **)&score = dlsym(plugin, "ggml_backend_score");
    *(void **)&init = dlsym(plugin, "ggml_backend_init");
    if (!score || !init) {
        fputs("the plug-in lacks a symbol\n", stderr);
        return 1;
    }
    int points = score();
    ggml_backend_reg_t reg = points > 0 ? init() : NULL;
    size_t devices = reg ? ggml_backend_reg_dev_count(reg) : 0;
    double took = now_ms() - start;
    printf("score %d devices %zu\n", points, devices);
    if (reg && init() != reg) {
        fputs("the second load gave another registry\n", stderr);
        return 1;
    }
    if (devices == 0 && took > limit) {
        fprintf(stderr, "declining took %.1f ms, more than %.0f\n", took, limit);
        return 1;
    }
    return 0;
}
