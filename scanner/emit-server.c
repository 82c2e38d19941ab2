/* apir-dispatch.h and apir-dispatch.c: from the bytes of a call to its handler. */
#include "emit.h"

static void emit_handler(struct out *o, const struct call *call)
{
    const char *prefix = o->p->prefix.s;
    char head[256];
    char args[256];
    char reply[256];
    const char *list[4] = {"void *ctx", "struct apir_arena *scratch"};
    size_t n = 2;
    snprintf(head, sizeof head, "    int (*%s)", call->name.s);
    snprintf(args, sizeof args, "const struct %s_%s_args *args", prefix, call->name.s);
    snprintf(reply, sizeof reply, "struct %s_%s_reply *reply", prefix, call->name.s);
    if (call->args.n_fields)
        list[n++] = args;
    if (call->reply.n_fields)
        list[n++] = reply;
    emit_comment(o, 4, call->doc);
    emit_call(o, head, list, n, ";\n");
}

static void emit_dispatch_head(struct out *o, const char *tail)
{
    char head[128];
    char handlers[128];
    const char *list[] = {handlers,
                          "void *ctx",
                          "uint32_t call",
                          "struct apir_dec *in",
                          "struct apir_arena *scratch",
                          "struct apir_enc *out"};
    snprintf(head, sizeof head, "int %s_dispatch", o->p->prefix.s);
    snprintf(handlers, sizeof handlers, "const struct %s_handlers *h", o->p->prefix.s);
    emit_call(o, head, list, sizeof list / sizeof *list, tail);
}

void emit_server_header(struct out *o)
{
    const char *prefix = o->p->prefix.s;
    emit_guard(o, "DISPATCH");
    emit(o,
         "#include \"%s-protocol.h\"\n\nstruct apir_arena;\nstruct apir_dec;\nstruct apir_enc;\n\n",
         o->p->dashed);
    emit_comment(o, 0,
                 "What serves the calls; NULL: refused. A handler gets arguments that are within "
                 "the limits of the "
                 "protocol,\nand a zeroed reply. What it puts into the reply may live in scratch, "
                 "and is to be valid "
                 "until the dispatch returns.\n0, or a negative errno: the call is refused and "
                 "there is no reply. "
                 "A call without results may also give a positive\nnumber: it failed in normal use.");
    emit(o, "struct %s_handlers {\n", prefix);
    for_each_enabled(o, emit_handler);
    emit(o, "};\n\n");
    emit_comment(o, 0,
                 "Serves one call: decodes the arguments in in, calls the handler, encodes its "
                 "reply to out. Arrays "
                 "of the arguments\nlive in the arena of in. 0, or -ENOSYS: there is no such call, "
                 "it is disabled, or "
                 "it has no handler; -EBADMSG: the\narguments are malformed; -EMSGSIZE: the reply "
                 "does not fit out, "
                 "or breaks the protocol; else what the handler returned, also if it is "
                 "positive.\nAfter an error out "
                 "holds nothing of use. "
                 "The handler is not called unless all arguments are good.");
    emit_dispatch_head(o, ";\n");
    emit_guard_end(o);
}

static void emit_locals(struct out *o, const struct call *call)
{
    const char *prefix = o->p->prefix.s;
    if (call->args.n_fields)
        emit(o, "    struct %s_%s_args args;\n", prefix, call->name.s);
    if (call->reply.n_fields)
        emit(o, "    struct %s_%s_reply reply;\n", prefix, call->name.s);
    if (!call->reply.n_fields)
        emit(o, "    (void)out;\n");
}

static void emit_handler_call(struct out *o, const struct call *call)
{
    const char *list[4] = {"ctx", "scratch"};
    char head[256];
    size_t n = 2;
    if (call->args.n_fields)
        list[n++] = "&args";
    if (call->reply.n_fields)
        list[n++] = "&reply";
    snprintf(head, sizeof head, "    int ret = h->%s", call->name.s);
    emit_call(o, head, list, n, ";\n");
}

static void emit_served_head(struct out *o, const struct call *call)
{
    char head[128];
    char handlers[128];
    const char *list[] = {handlers, "void *ctx", "struct apir_dec *in",
                          "struct apir_arena *scratch", "struct apir_enc *out"};
    snprintf(head, sizeof head, "static int dispatch_%s", call->name.s);
    snprintf(handlers, sizeof handlers, "const struct %s_handlers *h", o->p->prefix.s);
    emit(o, "\n");
    emit_call(o, head, list, sizeof list / sizeof *list, "\n{\n");
}

static void emit_served(struct out *o, const struct call *call)
{
    const char *prefix = o->p->prefix.s;
    const char *name = call->name.s;
    emit_served_head(o, call);
    emit_locals(o, call);
    emit(o, "    if (!h->%s)\n        return -ENOSYS;\n", name);
    if (call->args.n_fields)
        emit(o, "    %s_decode_%s_args(in, &args);\n", prefix, name);
    emit(o, "    if (!apir_dec_finish(in))\n        return -EBADMSG;\n");
    if (call->reply.n_fields)
        emit(o, "    memset(&reply, 0, sizeof reply);\n");
    emit_handler_call(o, call);
    if (!call->reply.n_fields) {
        emit(o, "    return ret;\n}\n");
        return;
    }
    emit(o, "    if (ret < 0)\n        return ret;\n");
    emit(o, "    %s_encode_%s_reply(out, &reply);\n", prefix, name);
    emit(o, "    return apir_enc_ok(out) ? 0 : -EMSGSIZE;\n}\n");
}

static void emit_case(struct out *o, const struct call *call)
{
    emit(o, "    case %s:\n        return dispatch_%s(h, ctx, in, scratch, out);\n", call->c_name,
         call->name.s);
}

void emit_server(struct out *o)
{
    emit_banner(o);
    emit(o, "#include \"%s-dispatch.h\"\n\n#include <errno.h>\n#include <string.h>\n\n",
         o->p->dashed);
    emit(o, "#include \"%s-codec.h\"\n#include \"wire/cs.h\"\n", o->p->dashed);
    for_each_enabled(o, emit_served);
    emit(o, "\n");
    emit_dispatch_head(o, "\n{\n");
    emit(o, "    switch (call) {\n");
    for_each_enabled(o, emit_case);
    emit(o, "    default: /* unknown, or disabled */\n        return -ENOSYS;\n    }\n}\n");
}
