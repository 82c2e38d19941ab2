#include "backend/names.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/random.h"

/* Fisher-Yates; state 0 leaves the identity. */
static void number(struct apir_numbering *numbering, uint32_t count, uint64_t *state)
{
    numbering->count = count;
    for (uint32_t i = 0; i < count; i++)
        numbering->to_session[i] = (uint16_t)i;
    if (*state == 0)
        return;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(apir_random_next(state) % (i + 1));
        uint16_t kept = numbering->to_session[i];
        numbering->to_session[i] = numbering->to_session[j];
        numbering->to_session[j] = kept;
    }
}

void apir_names_init(struct apir_names *names, uint64_t seed)
{
    static_assert(GGML_OP_COUNT <= APIR_MAX_OPS && GGML_TYPE_COUNT <= APIR_MAX_OPS,
                  "limits of the protocol");
    memset(names, 0, sizeof *names);
    number(&names->ops, GGML_OP_COUNT, &seed);
    number(&names->unary_ops, GGML_UNARY_OP_COUNT, &seed);
    number(&names->glu_ops, GGML_GLU_OP_COUNT, &seed);
    number(&names->types, GGML_TYPE_COUNT, &seed);
}

static const char *op_name(uint32_t op)
{
    return ggml_op_name((enum ggml_op)op);
}

static const char *unary_op_name(uint32_t op)
{
    return ggml_unary_op_name((enum ggml_unary_op)op);
}

static const char *glu_op_name(uint32_t op)
{
    return ggml_glu_op_name((enum ggml_glu_op)op);
}

/* Names in the order of their session numbers. */
static const char *const *list(const struct apir_numbering *numbering,
                               const char *(*name)(uint32_t), struct apir_arena *arena)
{
    const char **names = apir_arena_alloc(arena, numbering->count * sizeof *names);
    for (uint32_t i = 0; names && i < numbering->count; i++)
        names[numbering->to_session[i]] = name(i);
    return names;
}

/* A type that this ggml no longer uses has no blocks. */
static struct apir_type_info type_info(enum ggml_type type)
{
    const char *name = ggml_type_name(type);
    int64_t blck = ggml_blck_size(type);
    if (!name || blck <= 0)
        return (struct apir_type_info){.name = ""};
    return (struct apir_type_info){
        .name = name, .block_size = (uint64_t)blck, .type_size = ggml_type_size(type)};
}

int apir_names_request(const struct apir_names *names, struct apir_arena *arena,
                       struct apir_negotiate_args *args)
{
    struct apir_type_info *types = apir_arena_alloc(arena, names->types.count * sizeof *types);
    *args = (struct apir_negotiate_args){
        .ggml_version = ggml_version(),
        .max_src = GGML_MAX_SRC,
        .max_dims = GGML_MAX_DIMS,
        .max_op_params = GGML_MAX_OP_PARAMS,
        .ops = list(&names->ops, op_name, arena),
        .n_ops = names->ops.count,
        .unary_ops = list(&names->unary_ops, unary_op_name, arena),
        .n_unary_ops = names->unary_ops.count,
        .glu_ops = list(&names->glu_ops, glu_op_name, arena),
        .n_glu_ops = names->glu_ops.count,
        .types = types,
        .n_types = names->types.count,
    };
    if (!args->ops || !args->unary_ops || !args->glu_ops || !types)
        return -ENOMEM;
    for (uint32_t i = 0; i < names->types.count; i++)
        types[names->types.to_session[i]] = type_info((enum ggml_type)i);
    return 0;
}

/* Ops whose parameters hold function pointers of this process. */
static bool has_pointers(uint32_t op)
{
    return op == GGML_OP_MAP_CUSTOM1 || op == GGML_OP_MAP_CUSTOM2 || op == GGML_OP_MAP_CUSTOM3 ||
           op == GGML_OP_CUSTOM;
}

void apir_names_learn(struct apir_names *names, const struct apir_negotiate_reply *reply)
{
    for (uint32_t i = 0; i < names->ops.count; i++) {
        uint32_t at = names->ops.to_session[i];
        names->op_known[i] = at < reply->n_ops && reply->ops[at] && !has_pointers(i);
    }
    for (uint32_t i = 0; i < names->types.count; i++) {
        uint32_t at = names->types.to_session[i];
        names->type_known[i] = at < reply->n_types && reply->types[at];
    }
}

bool apir_names_knows_type(const struct apir_names *names, const struct ggml_tensor *tensor)
{
    return (uint32_t)tensor->type < names->types.count && names->type_known[tensor->type];
}

bool apir_names_knows_op(const struct apir_names *names, const struct ggml_tensor *tensor)
{
    if ((uint32_t)tensor->op >= names->ops.count || !names->op_known[tensor->op])
        return false;
    uint32_t sub_op = (uint32_t)tensor->op_params[0];
    if (tensor->op == GGML_OP_UNARY)
        return sub_op < names->unary_ops.count;
    if (tensor->op == GGML_OP_GLU)
        return sub_op < names->glu_ops.count;
    return true;
}

uint32_t apir_names_type(const struct apir_names *names, enum ggml_type type)
{
    return names->types.to_session[type];
}

uint32_t apir_names_op(const struct apir_names *names, enum ggml_op op)
{
    return names->ops.to_session[op];
}

void apir_names_op_params(const struct apir_names *names, const struct ggml_tensor *tensor,
                          int32_t params[APIR_MAX_OP_PARAMS])
{
    static_assert(sizeof tensor->op_params == APIR_MAX_OP_PARAMS * sizeof(int32_t),
                  "limits of the protocol");
    memcpy(params, tensor->op_params, sizeof tensor->op_params);
    if (tensor->op == GGML_OP_UNARY)
        params[0] = names->unary_ops.to_session[params[0]];
    else if (tensor->op == GGML_OP_GLU)
        params[0] = names->glu_ops.to_session[params[0]];
}
