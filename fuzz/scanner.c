/* Protocol files: each is refused with the line of what is wrong with it, or all that is generated from it is written.
 */
#include <stdarg.h>
#include <stdio.h>

#include "../scanner/check.h"
#include "../scanner/emit.h"
#include "../scanner/parse.h"
#include "fuzz.h"

void __wrap_protocol_error(struct protocol *p, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* In place of the one that prints. */
void __wrap_protocol_error(struct protocol *p, int line, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    FUZZ_CHECK(length > 0 && line > 0);
    p->errors++;
}

static void emit_all(const struct protocol *p)
{
    static void (*const emitters[])(struct out *) = {
        emit_header,        emit_codec_header, emit_codec,        emit_client_header, emit_client, emit_server,
        emit_server_header, emit_print,        emit_print_header, emit_doc,           emit_fuzz,
    };
    struct out out = {.p = p, .file = fopen("/dev/null", "w")};
    for (size_t i = 0; out.file && i < sizeof emitters / sizeof emitters[0]; i++)
        emitters[i](&out);
    if (out.file)
        fclose(out.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct protocol p;
    FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (!file)
        return 0;
    protocol_init(&p, "folder/fuzz.yaml");
    parse_protocol(&p, file);
    if (!p.errors)
        check_protocol(&p);
    if (!p.errors)
        emit_all(&p);
    protocol_finish(&p);
    fclose(file);
    return 0;
}
