/* The numbering of a session: the guest lists its ops and types by name, and this maps its numbers to the host's. Names
 * alone do not prove that both mean the same: between releases outside the tested ones, only ops whose parameters
 * have been stable are taken. */
#include <errno.h>
#include <string.h>

#include "executor/private.h"

/* Ops without parameters, or whose parameters have not changed since 2024: taken from any release. All others run on
 * the guest's own processor when the releases differ. */
static const char *const stable_ops[] = {
    "NONE", "DUP",  "ADD",     "SUB",       "MUL",     "DIV",      "SQR",      "SQRT",    "SUM",
    "CONT", "CPY",  "RESHAPE", "VIEW",      "PERMUTE", "TRANSPOSE", "GET_ROWS", "MUL_MAT", "REPEAT",
};

/* Releases are major.minor.patch; the first two decide. */
static bool same_release(const char *a, const char *b)
{
    const char *end_a = strrchr(a, '.'), *end_b = strrchr(b, '.');
    if (!end_a || !end_b)
        return strcmp(a, b) == 0;
    return end_a - a == end_b - b && strncmp(a, b, (size_t)(end_a - a)) == 0;
}

static bool is_stable_op(const char *name)
{
    for (size_t i = 0; i < sizeof stable_ops / sizeof *stable_ops; i++)
        if (strcmp(stable_ops[i], name) == 0)
            return true;
    return false;
}

static int16_t find_op(const char *name)
{
    for (int op = 0; op < GGML_OP_COUNT; op++)
        if (strcmp(ggml_op_name((enum ggml_op)op), name) == 0)
            return (int16_t)op;
    return APIR_NO_NUMBER;
}

static int16_t find_unary(const char *name)
{
    for (int op = 0; op < GGML_UNARY_OP_COUNT; op++)
        if (strcmp(ggml_unary_op_name((enum ggml_unary_op)op), name) == 0)
            return (int16_t)op;
    return APIR_NO_NUMBER;
}

static int16_t find_glu(const char *name)
{
    for (int op = 0; op < GGML_GLU_OP_COUNT; op++)
        if (strcmp(ggml_glu_op_name((enum ggml_glu_op)op), name) == 0)
            return (int16_t)op;
    return APIR_NO_NUMBER;
}

static int16_t find_type(const struct apir_type_info *info)
{
    if (info->block_size == 0)
        return APIR_NO_NUMBER;
    for (int type = 0; type < GGML_TYPE_COUNT; type++) {
        const char *name = ggml_type_name((enum ggml_type)type);
        if (name && strcmp(name, info->name) == 0 &&
            (uint64_t)ggml_blck_size((enum ggml_type)type) == info->block_size &&
            ggml_type_size((enum ggml_type)type) == info->type_size)
            return (int16_t)type;
    }
    return APIR_NO_NUMBER;
}

/* Ops that carry function pointers of the guest. */
static bool has_pointers(int16_t op)
{
    return op == GGML_OP_CUSTOM || op == GGML_OP_MAP_CUSTOM1 || op == GGML_OP_MAP_CUSTOM2 ||
           op == GGML_OP_MAP_CUSTOM3;
}

static void map_ops(struct apir_names *names, const struct apir_negotiate_args *args)
{
    bool same_shape = args->max_src == GGML_MAX_SRC && args->max_dims == GGML_MAX_DIMS &&
                      args->max_op_params == GGML_MAX_OP_PARAMS;
    bool tested = same_shape && same_release(args->ggml_version, ggml_version());
    for (uint32_t i = 0; i < args->n_ops; i++) {
        int16_t op = find_op(args->ops[i]);
        bool taken = op != APIR_NO_NUMBER && !has_pointers(op) && (tested || is_stable_op(args->ops[i]));
        names->ops[i] = taken ? op : APIR_NO_NUMBER;
    }
    names->n_ops = args->n_ops;
}

int handle_negotiate(void *data, struct apir_arena *scratch, const struct apir_negotiate_args *args,
                     struct apir_negotiate_reply *reply)
{
    struct apir_executor *executor = data;
    struct apir_names *names = &executor->names;
    bool *ops = apir_arena_alloc(scratch, args->n_ops * sizeof *ops);
    bool *types = apir_arena_alloc(scratch, args->n_types * sizeof *types);
    if (!ops || !types)
        return -ENOMEM;
    /* relaxed: decides only which of two queues that ask at once fills the tables */
    if (atomic_exchange_explicit(&names->begun, true, memory_order_relaxed))
        return -EALREADY;

    map_ops(names, args);
    for (uint32_t i = 0; i < args->n_unary_ops; i++)
        names->unary_ops[i] = find_unary(args->unary_ops[i]);
    for (uint32_t i = 0; i < args->n_glu_ops; i++)
        names->glu_ops[i] = find_glu(args->glu_ops[i]);
    for (uint32_t i = 0; i < args->n_types; i++)
        names->types[i] = find_type(&args->types[i]);
    names->n_unary_ops = args->n_unary_ops;
    names->n_glu_ops = args->n_glu_ops;
    names->n_types = args->n_types;

    for (uint32_t i = 0; i < args->n_ops; i++)
        ops[i] = names->ops[i] != APIR_NO_NUMBER;
    for (uint32_t i = 0; i < args->n_types; i++)
        types[i] = names->types[i] != APIR_NO_NUMBER;
    reply->ops = ops;
    reply->n_ops = args->n_ops;
    reply->types = types;
    reply->n_types = args->n_types;
    /* release: other queues' threads read the tables after an acquire of this flag */
    atomic_store_explicit(&names->negotiated, true, memory_order_release);
    return 0;
}

void apir_names_take_own(struct apir_names *names)
{
    for (int op = 0; op < GGML_OP_COUNT; op++)
        names->ops[op] = has_pointers((int16_t)op) ? APIR_NO_NUMBER : (int16_t)op;
    for (int op = 0; op < GGML_UNARY_OP_COUNT; op++)
        names->unary_ops[op] = (int16_t)op;
    for (int op = 0; op < GGML_GLU_OP_COUNT; op++)
        names->glu_ops[op] = (int16_t)op;
    for (int type = 0; type < GGML_TYPE_COUNT; type++) /* some numbers are those of types that are gone */
        names->types[type] = ggml_blck_size((enum ggml_type)type) > 0 ? (int16_t)type : APIR_NO_NUMBER;
    names->n_ops = GGML_OP_COUNT;
    names->n_unary_ops = GGML_UNARY_OP_COUNT;
    names->n_glu_ops = GGML_GLU_OP_COUNT;
    names->n_types = GGML_TYPE_COUNT;
    atomic_store_explicit(&names->begun, true, memory_order_relaxed);
    /* release: pairs with the acquire before the tables are read */
    atomic_store_explicit(&names->negotiated, true, memory_order_release);
}
