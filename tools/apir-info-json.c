#include "apir-info.h"

#include <inttypes.h>
#include <string.h>

/* A JSON string. Bytes from 0x80 on are copied: what ggml reports is UTF-8. */
static void put_string(FILE *stream, const char *text)
{
    putc('"', stream);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(stream, "\\%c", c);
        else if (c < 0x20)
            fprintf(stream, "\\u%04x", c);
        else
            putc(c, stream);
    }
    putc('"', stream);
}

/* Begins a member of an object: a comma before all but the first, and its name. */
static void put_name(FILE *stream, bool first, const char *name)
{
    fputs(first ? "" : ", ", stream);
    put_string(stream, name);
    fputs(": ", stream);
}

static void put_text(FILE *stream, bool first, const char *name, const char *text)
{
    put_name(stream, first, name);
    put_string(stream, text);
}

static void put_number(FILE *stream, bool first, const char *name, uint64_t number)
{
    put_name(stream, first, name);
    fprintf(stream, "%" PRIu64, number);
}

static void put_bool(FILE *stream, bool first, const char *name, bool value)
{
    put_name(stream, first, name);
    fputs(value ? "true" : "false", stream);
}

static void put_version(FILE *stream, const char *name, uint32_t major, uint32_t minor)
{
    put_name(stream, false, name);
    fprintf(stream, "[%" PRIu32 ", %" PRIu32 "]", major, minor);
}

/* Names with ", " between them, as an array of strings. */
static void put_list(FILE *stream, bool first, const char *name, const char *list)
{
    char item[256];
    put_name(stream, first, name);
    putc('[', stream);
    for (const char *comma = ""; *list; comma = ", ") {
        size_t length = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)length, list);
        fputs(comma, stream);
        put_string(stream, item);
        list += length + strspn(list + length, ", ");
    }
    putc(']', stream);
}

static void put_device(FILE *stream, const struct apir_info_device *d)
{
    putc('{', stream);
    put_text(stream, true, "name", d->device.name);
    put_text(stream, false, "description", d->device.description);
    put_text(stream, false, "type", d->device.type);
    put_number(stream, false, "memory_free", d->free);
    put_number(stream, false, "memory_total", d->total);
    put_number(stream, false, "alignment", d->device.alignment);
    put_number(stream, false, "max_buffer_size", d->device.max_buffer_size);
    putc('}', stream);
}

static void put_host(FILE *stream, const struct apir_info *info)
{
    put_name(stream, false, "host");
    putc('{', stream);
    put_text(stream, true, "library", info->library.file);
    put_text(stream, false, "ggml_version", info->library.ggml_version);
    put_name(stream, false, "sandbox");
    putc('{', stream);
    put_bool(stream, true, "complete", info->library.sandbox[0] && !info->library.sandbox_lacks[0]);
    put_list(stream, false, "holds", info->library.sandbox);
    put_list(stream, false, "lacks", info->library.sandbox_lacks);
    putc('}', stream);
    put_name(stream, false, "devices");
    putc('[', stream);
    for (uint32_t i = 0; i < info->library.devices; i++) {
        fputs(i ? ", " : "", stream);
        put_device(stream, &info->devices[i]);
    }
    fputs("]}", stream);
    put_name(stream, false, "session");
    putc('{', stream);
    put_number(stream, true, "graphs", info->stats.graphs);
    put_number(stream, false, "nodes", info->stats.nodes);
    put_number(stream, false, "buffers", info->stats.buffers);
    put_number(stream, false, "buffer_bytes", info->stats.buffer_bytes);
    putc('}', stream);
}

static void put_ggml(FILE *stream, const struct apir_info *info)
{
    put_name(stream, false, "ggml");
    putc('{', stream);
    put_text(stream, true, "version", info->ggml.version);
    put_text(stream, false, "library", info->ggml.path);
    put_text(stream, false, "plugin", info->ggml.plugin);
    if (info->connected && info->ggml.plugin[0])
        put_bool(stream, false, "accepted", info->ggml.accepted);
    putc('}', stream);
}

void apir_info_print_json(const struct apir_info *info, FILE *stream)
{
    putc('{', stream);
    put_bool(stream, true, "usable", info->usable);
    put_text(stream, false, "problem", apir_info_problem_name(info));
    put_text(stream, false, "message", info->failure.message);
    if (info->connected) {
        put_text(stream, false, "door", info->door);
        put_version(stream, "protocol", info->own_major, info->own_minor);
        put_version(stream, "host_protocol", info->host_major, info->host_minor);
    }
    if (info->loaded)
        put_host(stream, info);
    if (info->ggml.found)
        put_ggml(stream, info);
    fputs("}\n", stream);
}
