/* apir-calls.h and apir-calls.c: a function for each call. */
#include "emit.h"

static bool is_posted(const struct out *o, const struct call *call)
{
    return o->p->client_posts && call->reply.n_fields == 0;
}

static void emit_head(struct out *o, const struct call *call, const char *tail)
{
    const char *prefix = o->p->prefix.s;
    char head[256];
    char args[256];
    char reply[256];
    char client[256];
    const char *list[4] = {client};
    size_t n = 1;
    snprintf(head, sizeof head, "int %s_call_%s", prefix, call->name.s);
    snprintf(client, sizeof client, "struct %s *%s", o->p->client_type.s, o->p->client_name);
    snprintf(args, sizeof args, "const struct %s_%s_args *args", prefix, call->name.s);
    snprintf(reply, sizeof reply, "struct %s_%s_reply *reply", prefix, call->name.s);
    if (!is_posted(o, call))
        list[n++] = "struct apir_arena *arena";
    if (call->args.n_fields)
        list[n++] = args;
    if (call->reply.n_fields)
        list[n++] = reply;
    emit_call(o, head, list, n, tail);
}

static void emit_prototype(struct out *o, const struct call *call)
{
    emit(o, "\n");
    emit_comment(o, 0, call->doc);
    emit_head(o, call, ";\n");
}

void emit_client_header(struct out *o)
{
    const char *type = o->p->client_type.s;
    char text[1024];
    char posted[512] = "";
    if (o->p->client_posts)
        snprintf(posted, sizeof posted,
                 " A call without results\nis sent and not waited for: 0 as soon as it is on its "
                 "way, see %s_post.",
                 type);
    snprintf(text, sizeof text,
             "One function for each call: sends it on %s and waits for the reply. 0, or -errno as "
             "%s_submit and\n%s_end (%s) give it; -EBADMSG too for a reply that the protocol does "
             "not allow. *reply is written\non success only; its strings and arrays live in arena, "
             "which the caller owns.%s",
             o->p->client_name, type, type, o->p->client_header.s, posted);
    emit_guard(o, "CALLS");
    emit_comment(o, 0, text);
    emit(o, "#include \"%s-protocol.h\"\n\nstruct apir_arena;\nstruct %s;\n", o->p->dashed, type);
    for_each_enabled(o, emit_prototype);
    emit_guard_end(o);
}

static void emit_begin(struct out *o, const struct call *call)
{
    emit(o, "    int ret = %s_begin(%s, %s, &enc);\n    if (ret)\n        return ret;\n",
         o->p->client_type.s, o->p->client_name, call->c_name);
    if (call->args.n_fields)
        emit(o, "    %s_encode_%s_args(&enc, args);\n", o->p->prefix.s, call->name.s);
}

static void emit_posted_body(struct out *o, const struct call *call)
{
    emit(o, "    struct apir_enc enc;\n");
    emit_begin(o, call);
    emit(o, "    return %s_post(%s, &enc);\n", o->p->client_type.s, o->p->client_name);
}

static void emit_body(struct out *o, const struct call *call)
{
    const char *prefix = o->p->prefix.s;
    const char *name = call->name.s;
    const char *type = o->p->client_type.s;
    const char *client = o->p->client_name;
    bool replies = call->reply.n_fields > 0;
    emit(o, "    struct apir_enc enc;\n    struct apir_dec dec;\n");
    if (replies)
        emit(o, "    struct %s_%s_reply result;\n", prefix, name);
    emit_begin(o, call);
    emit(o, "    ret = %s_submit(%s, &enc, arena, &dec);\n", type, client);
    if (replies)
        emit(o, "    if (!ret)\n        %s_decode_%s_reply(&dec, &result);\n", prefix, name);
    emit(o, "    %s %s_end(%s, ret ? NULL : &dec, ret);\n", replies ? "ret =" : "return", type,
         client);
    if (replies)
        emit(o, "    if (!ret)\n        *reply = result;\n    return ret;\n");
}

static void emit_stub(struct out *o, const struct call *call)
{
    emit(o, "\n");
    emit_head(o, call, "\n{\n");
    if (is_posted(o, call))
        emit_posted_body(o, call);
    else
        emit_body(o, call);
    emit(o, "}\n");
}

void emit_client(struct out *o)
{
    emit_banner(o);
    emit(o, "#include \"%s-calls.h\"\n\n#include <stddef.h>\n\n", o->p->dashed);
    emit(o, "#include \"%s\"\n#include \"%s-codec.h\"\n#include \"wire/cs.h\"\n",
         o->p->client_header.s, o->p->dashed);
    for_each_enabled(o, emit_stub);
}
