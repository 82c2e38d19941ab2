#include "measures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct apir_measure_info measures[APIR_MEASURE_COUNT] = {
    [APIR_MEASURE_CALL] = {"call", "1 ADD of 16 floats + get of 64 B, hot", "us", APIR_PARAMETER_NONE, "native", false},
    [APIR_MEASURE_IDLE_CALL] = {"idle-call", "the same, the first after 20 ms of idleness", "us", APIR_PARAMETER_NONE,
                                "native", false},
    [APIR_MEASURE_POST] = {"post", "set of 64 B, in bursts", "us", APIR_PARAMETER_NONE, "native", false},
    [APIR_MEASURE_GRAPH] = {"graph", "graph seen before + get of 64 B", "us", APIR_PARAMETER_NODES, "native", false},
    [APIR_MEASURE_SET] = {"set", "set from ordinary memory", "GB/s", APIR_PARAMETER_BYTES, "memcpy", true},
    [APIR_MEASURE_GET] = {"get", "get to ordinary memory", "GB/s", APIR_PARAMETER_BYTES, "memcpy", true},
    [APIR_MEASURE_SET_HOST] = {"set-host", "set from the host buffer type", "GB/s", APIR_PARAMETER_BYTES, "memcpy",
                               true},
    [APIR_MEASURE_GET_HOST] = {"get-host", "get to the host buffer type", "GB/s", APIR_PARAMETER_BYTES, "memcpy", true},
    [APIR_MEASURE_PAIR] = {"pair", "two contexts at once, of one's throughput", "x", APIR_PARAMETER_NONE, "native",
                           true},
    [APIR_MEASURE_TG] = {"tg64", "llama-bench tg64", "t/s", APIR_PARAMETER_NONE, "native", true},
    [APIR_MEASURE_PP] = {"pp64", "llama-bench pp64", "t/s", APIR_PARAMETER_NONE, "native", true},
    [APIR_MEASURE_TG_NO_REUSE] = {"tg64-no-reuse", "llama-bench tg64, LLAMA_GRAPH_REUSE_DISABLE=1", "t/s",
                                  APIR_PARAMETER_NONE, "native", true},
    [APIR_MEASURE_TG_ALTERNATING] = {"tg64-one", "tg64, all arms in one process", "t/s", APIR_PARAMETER_NONE, "native",
                                     true},
    [APIR_MEASURE_PP_ALTERNATING] = {"pp64-one", "pp64, all arms in one process", "t/s", APIR_PARAMETER_NONE, "native",
                                     true},
    [APIR_MEASURE_WAITS] = {"waits", "per token: waits", "", APIR_PARAMETER_NONE, NULL, false},
    [APIR_MEASURE_SLEEPS] = {"sleeps", "per token: waits that slept", "", APIR_PARAMETER_NONE, NULL, false},
    [APIR_MEASURE_DOORBELLS] = {"doorbells", "per token: doorbells", "", APIR_PARAMETER_NONE, NULL, false},
    [APIR_MEASURE_MESSAGE_BYTES] = {"message-bytes", "per token: bytes of messages", "B", APIR_PARAMETER_NONE, NULL,
                                    false},
    [APIR_MEASURE_DATA_BYTES] = {"data-bytes", "per token: bytes of inputs and logits", "B", APIR_PARAMETER_NONE, NULL,
                                 false},
    [APIR_MEASURE_SYSCALLS] = {"syscalls", "per token: system calls of client and worker", "", APIR_PARAMETER_NONE,
                               NULL, false},
    [APIR_MEASURE_IDLE_SYSCALLS] = {"idle-syscalls", "system calls in 10 s, client and worker idle", "",
                                    APIR_PARAMETER_NONE, NULL, false},
};

const struct apir_measure_info *apir_measure_get(enum apir_measure measure)
{
    return &measures[measure];
}

enum apir_measure apir_measure_find(const char *key)
{
    enum apir_measure measure = 0;
    while (measure < APIR_MEASURE_COUNT && strcmp(measures[measure].key, key) != 0)
        measure++;
    return measure;
}

static void print_bytes(uint64_t bytes, char *text, size_t size)
{
    if (bytes >= UINT64_C(1) << 20 && bytes % (UINT64_C(1) << 20) == 0)
        snprintf(text, size, "%" PRIu64 " MiB", bytes >> 20);
    else if (bytes >= 1024 && bytes % 1024 == 0)
        snprintf(text, size, "%" PRIu64 " KiB", bytes >> 10);
    else
        snprintf(text, size, "%" PRIu64 " B", bytes);
}

void apir_measure_print_parameter(enum apir_measure measure, uint64_t parameter, char *text, size_t size)
{
    switch (measures[measure].parameter) {
    case APIR_PARAMETER_BYTES:
        print_bytes(parameter, text, size);
        return;
    case APIR_PARAMETER_NODES:
        if (parameter >= 1000)
            snprintf(text, size, "%" PRIu64 ",%03" PRIu64 " nodes", parameter / 1000, parameter % 1000);
        else
            snprintf(text, size, "%" PRIu64 " nodes", parameter);
        return;
    case APIR_PARAMETER_NONE:
        break;
    }
    snprintf(text, size, "%s", "");
}
