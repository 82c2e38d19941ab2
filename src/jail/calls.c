#include "jail/calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail/call-lists.h"

enum {
    MAX_CALLS = 512,   /* numbers from 512 on are the kernel's for other purposes */
    FIRST_YOUNG = 450, /* set_mempolicy_home_node, Linux 5.17: what is younger is not missed yet */
};

enum verdict {
    UNKNOWN, /* nobody needs it here */
    REFUSED,
    CONDITIONAL,
    ALLOWED,
};

/* What becomes of each call, by its number; the default of the filter is EPERM. */
struct filter {
    scmp_filter_ctx context;
    uint32_t groups;
    uint8_t verdicts[MAX_CALLS];
};

static bool is_number(int call)
{
    return call >= 0 && call < MAX_CALLS;
}

static void raise_verdict(struct filter *filter, int call, enum verdict verdict)
{
    if (is_number(call) && filter->verdicts[call] < verdict)
        filter->verdicts[call] = (uint8_t)verdict;
}

static enum verdict verdict_of(const struct filter *filter, const struct apir_call_list *list)
{
    return list->group & filter->groups ? ALLOWED : list->group == APIR_CALLS_REFUSED ? REFUSED : UNKNOWN;
}

static void judge(struct filter *filter)
{
    size_t n_lists, n_conditions;
    const struct apir_call_list *lists = apir_call_lists(&n_lists);
    const struct apir_call_condition *conditions = apir_call_conditions(&n_conditions);
    for (size_t i = 0; i < n_lists; i++)
        for (size_t k = 0; k < lists[i].n; k++)
            raise_verdict(filter, lists[i].calls[k], verdict_of(filter, &lists[i]));
    for (size_t i = 0; i < n_conditions; i++)
        raise_verdict(filter, conditions[i].call, conditions[i].group & filter->groups ? CONDITIONAL : REFUSED);
    /* the others' processes are out of reach; abort() and pthread_kill() are not */
    raise_verdict(filter, SCMP_SYS(tgkill), CONDITIONAL);
}

/* Younger than this program, or than what it was tried with: libraries know what to do without. clone3 has its flags in
 * memory, where no filter sees them; clone does the same. */
static bool is_to_be_unknown(int call)
{
    return call == SCMP_SYS(clone3) || call >= FIRST_YOUNG;
}

static bool exists(int call)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
    bool known = name != NULL;
    free(name);
    return known;
}

/* The rules without conditions. 0 or -errno. */
static int add_calls(const struct filter *filter)
{
    int ret = 0;
    for (int call = 0; call < MAX_CALLS && ret == 0; call++) {
        if (filter->verdicts[call] == ALLOWED)
            ret = seccomp_rule_add(filter->context, SCMP_ACT_ALLOW, call, 0);
        else if (filter->verdicts[call] == UNKNOWN && is_to_be_unknown(call))
            ret = seccomp_rule_add(filter->context, SCMP_ACT_ERRNO(ENOSYS), call, 0);
        else if (filter->verdicts[call] == UNKNOWN && exists(call))
            ret = seccomp_rule_add(filter->context, SCMP_ACT_KILL_PROCESS, call, 0);
    }
    return ret;
}

static int add_condition(const struct filter *filter, int call, unsigned argument, uint64_t mask, uint64_t value)
{
    const struct scmp_arg_cmp compare = {argument, SCMP_CMP_MASKED_EQ, mask, value};
    return seccomp_rule_add_array(filter->context, SCMP_ACT_ALLOW, call, 1, &compare);
}

/* A thread that starts another on certain processors takes a failure for one of the start: OpenMP ends the process then. A
 * filter cannot tell threads from other processes of this user, so it does nothing, and says that it did. */
static int pretend_to_move_others(const struct filter *filter)
{
    if (filter->verdicts[SCMP_SYS(sched_setaffinity)] != CONDITIONAL)
        return 0;
    const struct scmp_arg_cmp other = {.arg = 0, .op = SCMP_CMP_NE, .datum_a = 0};
    return seccomp_rule_add_array(filter->context, SCMP_ACT_ERRNO(0), SCMP_SYS(sched_setaffinity), 1, &other);
}

static int add_conditions(const struct filter *filter)
{
    size_t n;
    const struct apir_call_condition *conditions = apir_call_conditions(&n);
    int ret = add_condition(filter, SCMP_SYS(tgkill), 0, UINT32_MAX, (uint64_t)getpid());
    if (ret == 0)
        ret = pretend_to_move_others(filter);
    for (size_t i = 0; i < n && ret == 0; i++) {
        const struct apir_call_condition *c = &conditions[i];
        if ((c->group & filter->groups) && is_number(c->call) && filter->verdicts[c->call] == CONDITIONAL)
            ret = add_condition(filter, c->call, c->argument, c->mask, c->value);
    }
    return ret;
}

/* Calls of another architecture end the process. Speculation is left to the kernel's own rules: there is nothing in this
 * process that the one who runs in it may not read. */
static int set_attributes(scmp_filter_ctx context)
{
    int ret = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (ret == 0)
        ret = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
    if (ret == 0)
        ret = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: calls with conditions are looked up */
    if (ret == 0)
        seccomp_attr_set(context, SCMP_FLTATR_CTL_SSB, 1); /* not all kernels know it */
    return ret;
}

static int load(struct filter *filter)
{
    judge(filter);
    int ret = set_attributes(filter->context);
    if (ret == 0)
        ret = add_calls(filter);
    if (ret == 0)
        ret = add_conditions(filter);
    if (ret == 0)
        ret = seccomp_load(filter->context);
    return ret;
}

int apir_jail_restrict_calls(uint32_t groups)
{
    struct filter filter = {.groups = groups | APIR_CALLS_ALWAYS};
    filter.context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter.context)
        return ENOMEM;
    int ret = load(&filter);
    seccomp_release(filter.context);
    return -ret;
}
