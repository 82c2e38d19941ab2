#include "parse.h"

#include <string.h>
#include <yaml.h>

struct parser {
    struct protocol *p;
    FILE *file;
    yaml_document_t document;
};

struct key {
    const char *name;
    bool required;
};

static int line_of(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

static size_t count_items(const yaml_node_t *list)
{
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

static yaml_node_t *item_at(struct parser *ps, const yaml_node_t *list, size_t i)
{
    return yaml_document_get_node(&ps->document, list->data.sequence.items.start[i]);
}

/* The text of a scalar; s is NULL after an error. key names it in messages. */
static struct text parse_text(struct parser *ps, const yaml_node_t *node, const char *key)
{
    struct text text = {.line = line_of(node)};
    if (node->type != YAML_SCALAR_NODE) {
        protocol_error(ps->p, text.line, "'%s' must be a plain value", key);
        return text;
    }
    const char *value = (const char *)node->data.scalar.value;
    size_t length = node->data.scalar.length;
    if (strlen(value) != length) {
        protocol_error(ps->p, text.line, "'%s' contains a NUL", key);
        return text;
    }
    char *copy = protocol_alloc(ps->p, length + 1, 1);
    memcpy(copy, value, length);
    text.s = copy;
    return text;
}

static struct text parse_optional_text(struct parser *ps, const yaml_node_t *node, const char *key)
{
    return node ? parse_text(ps, node, key) : (struct text){0};
}

/* Text for people, without white space at its end; "" if it is not given. */
static const char *parse_doc(struct parser *ps, const yaml_node_t *node, const char *key)
{
    struct text text = parse_optional_text(ps, node, key);
    if (!text.s)
        return "";
    size_t length = strlen(text.s);
    while (length && strchr(" \n\t", text.s[length - 1]))
        length--;
    return protocol_format(ps->p, "%.*s", (int)length, text.s);
}

static bool parse_bool(struct parser *ps, const yaml_node_t *node, const char *key, bool otherwise)
{
    if (!node)
        return otherwise;
    struct text text = parse_text(ps, node, key);
    if (text.s && strcmp(text.s, "true") && strcmp(text.s, "false"))
        protocol_error(ps->p, text.line, "'%s' must be true or false", key);
    return text.s && !strcmp(text.s, "true");
}

static struct number parse_number(struct parser *ps, const yaml_node_t *node, const char *key)
{
    return (struct number){.text = parse_optional_text(ps, node, key)};
}

static size_t find_key(const struct key *keys, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(keys[i].name, name))
        i++;
    return i;
}

static void read_pair(struct parser *ps, const yaml_node_pair_t *pair, const char *what,
                      const struct key *keys, size_t n, yaml_node_t **values)
{
    yaml_node_t *key = yaml_document_get_node(&ps->document, pair->key);
    struct text name = parse_text(ps, key, "key");
    if (!name.s)
        return;
    size_t i = find_key(keys, n, name.s);
    if (i == n)
        protocol_error(ps->p, name.line, "%s has an unknown key '%s'", what, name.s);
    else if (values[i])
        protocol_error(ps->p, name.line, "%s has '%s' twice", what, name.s);
    else
        values[i] = yaml_document_get_node(&ps->document, pair->value);
}

/* Sets values[i] to what keys[i] is in the mapping, NULL where it is not given. False when there is
 * nothing to go on with. */
static bool read_mapping(struct parser *ps, const yaml_node_t *node, const char *what,
                         const struct key *keys, size_t n, yaml_node_t **values)
{
    bool complete = true;
    if (node->type != YAML_MAPPING_NODE) {
        protocol_error(ps->p, line_of(node), "%s must be a mapping", what);
        return false;
    }
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < end; pair++)
        read_pair(ps, pair, what, keys, n, values);
    for (size_t i = 0; i < n; i++) {
        if (keys[i].required && !values[i]) {
            protocol_error(ps->p, line_of(node), "%s has no '%s'", what, keys[i].name);
            complete = false;
        }
    }
    return complete;
}

/* Number of items of a list, 0 for none or after an error. */
static size_t check_list(struct parser *ps, const yaml_node_t *node, const char *key)
{
    if (!node)
        return 0;
    if (node->type == YAML_SEQUENCE_NODE)
        return count_items(node);
    protocol_error(ps->p, line_of(node), "'%s' must be a list", key);
    return 0;
}

static void parse_limit(struct parser *ps, const yaml_node_t *node, struct limit *limit)
{
    enum { NAME, VALUE, WHY, N };
    const struct key keys[N] = {{"name", true}, {"value", true}, {"why", true}};
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "limit", keys, N, values))
        return;
    limit->name = parse_text(ps, values[NAME], "name");
    limit->value = parse_number(ps, values[VALUE], "value");
    limit->why = parse_doc(ps, values[WHY], "why");
    if (!*limit->why)
        protocol_error(ps->p, line_of(values[WHY]),
                       "'why' is empty: give the reason for the limit");
}

static void parse_enum_value(struct parser *ps, const yaml_node_t *node, struct enum_value *value)
{
    enum { NAME, VALUE, DOC, N };
    const struct key keys[N] = {{"name", true}, {"value", true}, {"doc", false}};
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "enum value", keys, N, values))
        return;
    value->name = parse_text(ps, values[NAME], "name");
    value->value = parse_number(ps, values[VALUE], "value");
    value->doc = parse_doc(ps, values[DOC], "doc");
}

static void parse_enum(struct parser *ps, const yaml_node_t *node, struct enumeration *e)
{
    enum { NAME, DOC, VALUES, N };
    const struct key keys[N] = {{"name", true}, {"doc", false}, {"values", true}};
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "enum", keys, N, values))
        return;
    e->name = parse_text(ps, values[NAME], "name");
    e->doc = parse_doc(ps, values[DOC], "doc");
    e->n_values = check_list(ps, values[VALUES], "values");
    e->values = protocol_alloc(ps->p, e->n_values, sizeof *e->values);
    for (size_t i = 0; i < e->n_values; i++)
        parse_enum_value(ps, item_at(ps, values[VALUES], i), &e->values[i]);
}

static void parse_field(struct parser *ps, const yaml_node_t *node, struct field *field)
{
    enum {
        NAME,
        TYPE,
        DOC,
        OF,
        MIN,
        MAX,
        COUNT,
        ITEM_OF,
        ITEM_MIN,
        ITEM_MAX,
        OPTIONAL,
        IF,
        LEADING,
        N
    };
    const struct key keys[N] = {
        {"name", true},      {"type", true},      {"doc", false},      {"of", false},
        {"min", false},      {"max", false},      {"count", false},    {"item_of", false},
        {"item_min", false}, {"item_max", false}, {"optional", false}, {"if", false},
        {"leading", false},
    };
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "field", keys, N, values))
        return;
    field->name = parse_text(ps, values[NAME], "name");
    field->type_name = parse_text(ps, values[TYPE], "type");
    field->doc = parse_doc(ps, values[DOC], "doc");
    field->of = parse_optional_text(ps, values[OF], "of");
    field->item_of = parse_optional_text(ps, values[ITEM_OF], "item_of");
    field->optional_text = parse_optional_text(ps, values[OPTIONAL], "optional");
    field->optional = parse_bool(ps, values[OPTIONAL], "optional", false);
    field->condition = parse_optional_text(ps, values[IF], "if");
    field->leading = parse_optional_text(ps, values[LEADING], "leading");
    field->min = parse_number(ps, values[MIN], "min");
    field->max = parse_number(ps, values[MAX], "max");
    field->count = parse_number(ps, values[COUNT], "count");
    field->item_min = parse_number(ps, values[ITEM_MIN], "item_min");
    field->item_max = parse_number(ps, values[ITEM_MAX], "item_max");
}

static void parse_fields(struct parser *ps, const yaml_node_t *list, const char *key,
                         struct record *record)
{
    record->n_fields = check_list(ps, list, key);
    record->fields = protocol_alloc(ps->p, record->n_fields, sizeof *record->fields);
    for (size_t i = 0; i < record->n_fields; i++)
        parse_field(ps, item_at(ps, list, i), &record->fields[i]);
}

static void parse_struct(struct parser *ps, const yaml_node_t *node, struct record *record)
{
    enum { NAME, DOC, FIELDS, N };
    const struct key keys[N] = {{"name", true}, {"doc", false}, {"fields", true}};
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "struct", keys, N, values))
        return;
    record->name = parse_text(ps, values[NAME], "name");
    record->label = record->name.s;
    record->doc = parse_doc(ps, values[DOC], "doc");
    parse_fields(ps, values[FIELDS], "fields", record);
}

static void parse_call(struct parser *ps, const yaml_node_t *node, struct call *call)
{
    enum { NAME, NUMBER, ENABLED, DOC, ARGS, RESULTS, N };
    const struct key keys[N] = {{"name", true}, {"number", true}, {"enabled", false},
                                {"doc", false}, {"args", false},  {"results", false}};
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, node, "call", keys, N, values))
        return;
    call->name = parse_text(ps, values[NAME], "name");
    call->number = parse_number(ps, values[NUMBER], "number");
    call->enabled = parse_bool(ps, values[ENABLED], "enabled", true);
    call->doc = parse_doc(ps, values[DOC], "doc");
    parse_fields(ps, values[ARGS], "args", &call->args);
    parse_fields(ps, values[RESULTS], "results", &call->reply);
    if (!call->name.s)
        return;
    call->args.name =
        (struct text){protocol_format(ps->p, "%s_args", call->name.s), call->name.line};
    call->args.label = call->name.s;
    call->args.doc = protocol_format(ps->p, "Arguments of %s.", call->name.s);
    call->reply.name =
        (struct text){protocol_format(ps->p, "%s_reply", call->name.s), call->name.line};
    call->reply.label = call->reply.name.s;
    call->reply.doc = protocol_format(ps->p, "Results of %s.", call->name.s);
}

static void parse_version(struct parser *ps, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE || count_items(node) != 2) {
        protocol_error(ps->p, line_of(node), "'version' must be [MAJOR, MINOR]");
        return;
    }
    ps->p->major = parse_number(ps, item_at(ps, node, 0), "version");
    ps->p->minor = parse_number(ps, item_at(ps, node, 1), "version");
}

static void parse_count_type(struct parser *ps, const yaml_node_t *node)
{
    struct text text = parse_optional_text(ps, node, "count_type");
    if (!text.s)
        return;
    ps->p->count_u64 = !strcmp(text.s, "u64");
    if (!ps->p->count_u64 && strcmp(text.s, "u32"))
        protocol_error(ps->p, text.line, "'count_type' must be u32 or u64");
}

/* What sends the calls of the client; a queue unless the file says otherwise. */
static void parse_client(struct parser *ps, const yaml_node_t *node)
{
    enum { TYPE, HEADER, POSTS, N };
    const struct key keys[N] = {{"type", true}, {"header", true}, {"posts", false}};
    yaml_node_t *values[N] = {0};
    ps->p->client_type.s = "apir_queue";
    ps->p->client_header.s = "client/queue.h";
    ps->p->client_posts = true;
    if (!node || !read_mapping(ps, node, "client", keys, N, values))
        return;
    ps->p->client_type = parse_text(ps, values[TYPE], "type");
    ps->p->client_header = parse_text(ps, values[HEADER], "header");
    ps->p->client_posts = parse_bool(ps, values[POSTS], "posts", false);
}

static void parse_limits(struct parser *ps, const yaml_node_t *list)
{
    struct protocol *p = ps->p;
    p->n_limits = check_list(ps, list, "limits");
    p->limits = protocol_alloc(p, p->n_limits, sizeof *p->limits);
    for (size_t i = 0; i < p->n_limits; i++)
        parse_limit(ps, item_at(ps, list, i), &p->limits[i]);
}

static void parse_enums(struct parser *ps, const yaml_node_t *list)
{
    struct protocol *p = ps->p;
    p->n_enums = check_list(ps, list, "enums");
    p->enums = protocol_alloc(p, p->n_enums, sizeof *p->enums);
    for (size_t i = 0; i < p->n_enums; i++)
        parse_enum(ps, item_at(ps, list, i), &p->enums[i]);
}

static void parse_structs(struct parser *ps, const yaml_node_t *list)
{
    struct protocol *p = ps->p;
    p->n_structs = check_list(ps, list, "structs");
    p->structs = protocol_alloc(p, p->n_structs, sizeof *p->structs);
    for (size_t i = 0; i < p->n_structs; i++)
        parse_struct(ps, item_at(ps, list, i), &p->structs[i]);
}

static void parse_calls(struct parser *ps, const yaml_node_t *list)
{
    struct protocol *p = ps->p;
    p->n_calls = check_list(ps, list, "calls");
    p->calls = protocol_alloc(p, p->n_calls, sizeof *p->calls);
    for (size_t i = 0; i < p->n_calls; i++)
        parse_call(ps, item_at(ps, list, i), &p->calls[i]);
}

static void parse_root(struct parser *ps, const yaml_node_t *root)
{
    enum { PROTOCOL, PREFIX, VERSION, DOC, COUNT_TYPE, CLIENT, LIMITS, ENUMS, STRUCTS, CALLS, N };
    const struct key keys[N] = {
        {"protocol", true},    {"prefix", true},  {"version", true}, {"doc", false},
        {"count_type", false}, {"client", false}, {"limits", false}, {"enums", false},
        {"structs", false},    {"calls", true},
    };
    yaml_node_t *values[N] = {0};
    if (!read_mapping(ps, root, "protocol", keys, N, values))
        return;
    ps->p->name = parse_text(ps, values[PROTOCOL], "protocol");
    ps->p->prefix = parse_text(ps, values[PREFIX], "prefix");
    ps->p->doc = parse_doc(ps, values[DOC], "doc");
    parse_version(ps, values[VERSION]);
    parse_count_type(ps, values[COUNT_TYPE]);
    parse_client(ps, values[CLIENT]);
    parse_limits(ps, values[LIMITS]);
    parse_enums(ps, values[ENUMS]);
    parse_structs(ps, values[STRUCTS]);
    parse_calls(ps, values[CALLS]);
}

/* The line of a byte of the file, which is read anew. */
static int line_of_byte(FILE *file, size_t offset)
{
    int line = 1;
    rewind(file);
    for (size_t i = 0; i < offset; i++)
        line += fgetc(file) == '\n';
    return line;
}

/* Loads the next document; false after a syntax error. */
static bool load_document(struct parser *ps, yaml_parser_t *yaml)
{
    if (yaml_parser_load(yaml, &ps->document))
        return true;
    int line = yaml->error == YAML_READER_ERROR ? line_of_byte(ps->file, yaml->problem_offset)
                                                : (int)yaml->problem_mark.line + 1;
    protocol_error(ps->p, line, "%s", yaml->problem ? yaml->problem : "cannot be read");
    return false;
}

static void parse_document(struct parser *ps, yaml_parser_t *yaml)
{
    if (!load_document(ps, yaml))
        return;
    yaml_node_t *root = yaml_document_get_root_node(&ps->document);
    if (root)
        parse_root(ps, root);
    else
        protocol_error(ps->p, 1, "file is empty");
    yaml_document_delete(&ps->document);
    if (!root || !load_document(ps, yaml))
        return;
    root = yaml_document_get_root_node(&ps->document);
    if (root)
        protocol_error(ps->p, line_of(root), "file has a second document");
    yaml_document_delete(&ps->document);
}

void parse_protocol(struct protocol *p, FILE *file)
{
    struct parser ps = {.p = p, .file = file};
    yaml_parser_t yaml;
    if (!yaml_parser_initialize(&yaml)) {
        protocol_error(p, 1, "out of memory");
        return;
    }
    yaml_parser_set_input_file(&yaml, file);
    parse_document(&ps, &yaml);
    yaml_parser_delete(&yaml);
}
