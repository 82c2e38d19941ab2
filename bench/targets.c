#include "targets.h"

#define MIB (UINT64_C(1) << 20)

/* clang-format off */
const struct apir_target apir_targets[] = {
    {"tg64, socket, of the floor", APIR_MEASURE_TG, 0, "apir", APIR_RELATION_RATIO, "floor", true, 0.99},
    {"pp64, socket, of the floor", APIR_MEASURE_PP, 0, "apir", APIR_RELATION_RATIO, "floor", true, 0.99},
    {"1 ADD of 16 floats + get of 64 B, us", APIR_MEASURE_CALL, 0, "apir", APIR_RELATION_VALUE, NULL, false, 5},
    {"the same, of ggml-rpc's time", APIR_MEASURE_CALL, 0, "apir", APIR_RELATION_RATIO, "rpc", false, 0.1},
    {"graph of 1,000 nodes + get, us more than native", APIR_MEASURE_GRAPH, 1000, "apir", APIR_RELATION_DIFFERENCE, "native", false, 15},
    {"posted set of 64 B, us", APIR_MEASURE_POST, 0, "apir", APIR_RELATION_VALUE, NULL, false, 0.5},
    {"set of 1 MiB from the host buffer type, of memcpy", APIR_MEASURE_SET_HOST, MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.8},
    {"get of 1 MiB to the host buffer type, of memcpy", APIR_MEASURE_GET_HOST, MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.8},
    {"set of 256 MiB from the host buffer type, of memcpy", APIR_MEASURE_SET_HOST, 256 * MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.8},
    {"get of 256 MiB to the host buffer type, of memcpy", APIR_MEASURE_GET_HOST, 256 * MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.8},
    {"set of 1 MiB from ordinary memory, of memcpy", APIR_MEASURE_SET, MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.45},
    {"get of 1 MiB to ordinary memory, of memcpy", APIR_MEASURE_GET, MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.45},
    {"set of 256 MiB from ordinary memory, of memcpy", APIR_MEASURE_SET, 256 * MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.45},
    {"get of 256 MiB to ordinary memory, of memcpy", APIR_MEASURE_GET, 256 * MIB, "apir", APIR_RELATION_RATIO, "memcpy", true, 0.45},
    {"waits per token", APIR_MEASURE_WAITS, 0, "apir", APIR_RELATION_VALUE, NULL, false, 1},
    {"doorbells per token", APIR_MEASURE_DOORBELLS, 0, "apir", APIR_RELATION_VALUE, NULL, false, 0},
    {"bytes per token besides inputs and logits", APIR_MEASURE_MESSAGE_BYTES, 0, "apir", APIR_RELATION_VALUE, NULL, false, 1024},
    {"first call after 20 ms of idleness, us", APIR_MEASURE_IDLE_CALL, 0, "apir", APIR_RELATION_VALUE, NULL, false, 100},
    {"system calls in 10 s of idleness", APIR_MEASURE_IDLE_SYSCALLS, 0, "apir", APIR_RELATION_VALUE, NULL, false, 0},
    {"tg64 without graph reuse, of native", APIR_MEASURE_TG_NO_REUSE, 0, "apir", APIR_RELATION_RATIO, "native", true, 0.95},
    {"in the VM: 1 ADD of 16 floats + get of 64 B, us", APIR_MEASURE_CALL, 0, "vm", APIR_RELATION_VALUE, NULL, false, 20},
    {"in the VM: graph of 500 nodes + get, us", APIR_MEASURE_GRAPH, 500, "vm", APIR_RELATION_VALUE, NULL, false, 100},
    {"in the VM: set of 16 MiB, time of the guest's memcpy", APIR_MEASURE_SET, 16 * MIB, "vm", APIR_RELATION_INVERSE, "vm-memcpy", false, 1.15},
    {"two contexts at once, of one's throughput", APIR_MEASURE_PAIR, 0, "apir", APIR_RELATION_VALUE, NULL, true, 1.6},
};
/* clang-format on */

const size_t apir_targets_count = sizeof apir_targets / sizeof *apir_targets;

/* Times and differences of times: noise only ever adds to them. */
static bool is_time(const struct apir_target *target)
{
    const char *unit = apir_measure_get(target->measure)->unit;
    return unit[0] == 'u' && target->relation != APIR_RELATION_RATIO && target->relation != APIR_RELATION_INVERSE;
}

static size_t collect(const struct apir_target *target, const struct apir_samples *samples, double *values)
{
    struct apir_samples_key key = {target->measure, target->parameter, target->arm};
    struct apir_samples_key other = {target->measure, target->parameter, target->other};
    switch (target->relation) {
    case APIR_RELATION_DIFFERENCE:
        return apir_samples_collect(samples, key, APIR_PAIRING_DIFFERENCE, target->other, values);
    case APIR_RELATION_RATIO:
        return apir_samples_collect(samples, key, APIR_PAIRING_RATIO, target->other, values);
    case APIR_RELATION_INVERSE:
        return apir_samples_collect(samples, other, APIR_PAIRING_RATIO, target->arm, values);
    case APIR_RELATION_VALUE:
        break;
    }
    return apir_samples_collect(samples, key, APIR_PAIRING_NONE, NULL, values);
}

enum apir_verdict apir_target_judge(const struct apir_target *target, const struct apir_samples *samples, double *value)
{
    double values[APIR_MAX_ROUNDS];
    size_t count = collect(target, samples, values);
    if (!count)
        return APIR_VERDICT_NOT_MEASURED;
    *value = is_time(target) ? apir_stats_best_of_three(values, count) : apir_stats_median(values, count);
    bool met = target->at_least ? *value >= target->limit : *value <= target->limit;
    return met ? APIR_VERDICT_PASS : APIR_VERDICT_MISS;
}
