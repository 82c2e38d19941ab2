/* The samples of the deployed protocol through the generated code: taken, printed, written anew to the same bytes, and
 * refused when spoiled. `vectors-test --update` writes vectors-prints.txt anew. */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-upstream-codec.h"
#include "upstream/vectors-codec.h"
#include "upstream/vectors-layout.h"

enum { MAX_PATH = 1024, MAX_NAME = 320, MAX_VECTORS = 256, MAX_SIZE = 4096, MAX_BODY = 64 };

struct vector {
    char name[MAX_NAME]; /* "fromptr/buffer_clear.req.bin" */
    const struct vector_row *row;
    enum vector_kind kind;
    size_t size;
    uint8_t bytes[MAX_SIZE];
};

struct vectors {
    struct vector list[MAX_VECTORS];
    size_t n;
    struct layout layout; /* of the one that a test is about */
    bool update;
};

/* --- the files --- */

/* The file's row: that of its name up to its kind, or without the number behind that. */
static const struct vector_row *find_row(const char *name, size_t length)
{
    size_t shorter = length;
    while (shorter && isdigit((unsigned char)name[shorter - 1]))
        shorter--;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < n_vector_rows; i++) {
            const char *row = vector_rows[i].name;
            if (strlen(row) == length && !memcmp(row, name, length))
                return &vector_rows[i];
        }
        length = shorter ? shorter - 1 : 0;
    }
    return NULL;
}

static bool ends_with(const char *name, const char *end)
{
    return strlen(name) > strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
}

static bool identify(struct vector *v, const char *name)
{
    static const char *const ends[] = {".req.bin", ".rep.bin", ".shm.bin"};
    for (unsigned i = 0; i < 3; i++) {
        if (!ends_with(name, ends[i]))
            continue;
        v->kind = (enum vector_kind)i;
        v->row = find_row(name, strlen(name) - strlen(ends[i]));
    }
    return v->row != NULL;
}

static bool read_bytes(struct vector *v)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/%s", VECTORS, v->name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    v->size = fread(v->bytes, 1, sizeof v->bytes, file);
    fclose(file);
    return v->size > 0 && v->size < sizeof v->bytes;
}

static bool read_vector(struct vectors *vs, const char *folder, const char *name)
{
    if (vs->n == MAX_VECTORS)
        return false;
    struct vector *v = &vs->list[vs->n++];
    snprintf(v->name, sizeof v->name, "%s%s", folder, name);
    if (identify(v, name) && read_bytes(v))
        return true;
    print_error("%s cannot be read, or has no row in the table\n", v->name);
    return false;
}

static bool read_folder(struct vectors *vs, const char *folder)
{
    char path[MAX_PATH];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", VECTORS, folder);
    int n = scandir(path, &entries, NULL, alphasort);
    bool ok = n > 0;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && strcmp(name, "README.txt") && strcmp(name, "fromptr"))
            ok &= read_vector(vs, folder, name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return ok;
}

/* Files of data that no message describes have no codec. */
static bool is_message(const struct vector *v)
{
    return v->kind != VECTOR_SHM || v->row->shm;
}

static const char *form_of(const struct vector *v, char form[MAX_BODY])
{
    const char *heads[] = {"IIs", "I", ""};
    const char *bodies[] = {v->row->args, v->row->results, v->row->shm};
    snprintf(form, MAX_BODY, "%s%s", heads[v->kind], bodies[v->kind]);
    return form;
}

static void lay_out(struct vectors *vs, const struct vector *v)
{
    char form[MAX_BODY];
    if (!layout_fill(&vs->layout, form_of(v, form), v->bytes, v->size))
        fail_msg("%s does not have the form %s", v->name, form);
    if (vs->layout.size != v->size)
        fail_msg("%s has %zu bytes, its form %s %zu", v->name, v->size, form, vs->layout.size);
}

/* Decodes bytes as a message like v, from memory of just their size, and encodes it into out, v->size bytes at most. */
static bool is_taken(const struct vector *v, const uint8_t *bytes, size_t size, struct apir_enc *enc, void *out)
{
    struct apir_arena arena = {0};
    struct apir_dec dec;
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    apir_dec_init(&dec, copy, size, &arena);
    apir_enc_init(enc, out, v->size);
    bool taken = vector_recode(v->row, v->kind, &dec, enc);
    apir_arena_finish(&arena);
    free(copy);
    return taken;
}

static void expect_refused(const struct vector *v, const uint8_t *bytes, size_t size, const char *what, size_t where)
{
    struct apir_enc enc;
    uint8_t out[MAX_SIZE];
    if (is_taken(v, bytes, size, &enc, out))
        fail_msg("%s is taken with %s %zu", v->name, what, where);
}

/* --- the promises --- */

static void every_row_has_its_files(void **state)
{
    const struct vectors *vs = *state;
    for (unsigned i = 0; i < n_vector_rows; i++) {
        unsigned found[3] = {0};
        for (size_t j = 0; j < vs->n; j++)
            found[vs->list[j].kind] += vs->list[j].row == &vector_rows[i];
        if (!found[VECTOR_REQUEST] || found[VECTOR_REQUEST] != found[VECTOR_REPLY])
            fail_msg("%s has %u requests and %u replies", vector_rows[i].name, found[0], found[1]);
    }
}

static void every_function_has_a_row(void **state)
{
    (void)state;
    for (uint32_t call = 0; call <= APIR_UPSTREAM_CALL_BACKEND_GRAPH_COMPUTE; call++) {
        const char *name = apir_upstream_call_name(call);
        assert_non_null(name);
        const struct vector_row *row = find_row(name, strlen(name));
        assert_non_null(row);
        assert_int_equal(row->function, call);
    }
}

static void heads_are_those_of_the_row(void **state)
{
    const struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        struct apir_dec dec;
        apir_dec_init(&dec, v->bytes, v->size, NULL);
        if (v->kind == VECTOR_REQUEST) {
            assert_int_equal(apir_dec_u32(&dec), v->row->command);
            assert_int_equal(apir_dec_u32(&dec), v->row->function);
        } else if (v->kind == VECTOR_REPLY) {
            assert_int_equal(apir_dec_u32(&dec), v->row->notif);
        }
    }
}

/* Bytes that mean nothing are written as zero. */
static void compare_recoded(const struct vectors *vs, const struct vector *v, const uint8_t *out)
{
    bool defined[MAX_SIZE];
    layout_defined(&vs->layout, v->bytes, defined);
    for (size_t i = 0; i < v->size; i++) {
        uint8_t expected = defined[i] ? v->bytes[i] : 0;
        if (out[i] != expected)
            fail_msg("%s: byte %zu is written as %02x, not %02x", v->name, i, out[i], expected);
    }
}

static void messages_are_taken_and_written_anew_to_the_same_bytes(void **state)
{
    struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        struct apir_enc enc;
        uint8_t out[MAX_SIZE];
        if (!is_message(v))
            continue;
        lay_out(vs, v);
        if (!is_taken(v, v->bytes, v->size, &enc, out))
            fail_msg("%s is refused", v->name);
        assert_true(apir_enc_ok(&enc));
        assert_int_equal(apir_enc_used(&enc), v->size);
        compare_recoded(vs, v, out);
    }
}

static void messages_truncated_at_any_byte_are_refused(void **state)
{
    struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        if (!is_message(v))
            continue;
        lay_out(vs, v);
        for (size_t size = 0; size < v->size; size++) {
            if (!size || size != vs->layout.optional)
                expect_refused(v, v->bytes, size, "size", size);
        }
    }
}

static void messages_with_bytes_behind_them_are_refused(void **state)
{
    struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        if (is_message(v))
            expect_refused(v, v->bytes, v->size + 1, "size", v->size + 1);
    }
}

/* All values that a field must not have; returns how many there are. */
static unsigned spoil_field(const struct vector *v, const struct layout_field *field)
{
    unsigned which = 0;
    uint8_t bytes[MAX_SIZE];
    for (;; which++) {
        memcpy(bytes, v->bytes, v->size);
        if (!layout_spoil(field, which, bytes))
            return which;
        expect_refused(v, bytes, v->size, "a bad value at", field->offset);
    }
}

static void fields_out_of_their_range_are_refused(void **state)
{
    struct vectors *vs = *state;
    unsigned spoiled = 0;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        if (!is_message(v))
            continue;
        lay_out(vs, v);
        for (size_t j = 0; j < vs->layout.n; j++)
            spoiled += spoil_field(v, &vs->layout.fields[j]);
    }
    assert_true(spoiled > 100);
}

/* Bytes that mean nothing may be anything. */
static void undefined_bytes_are_not_looked_at(void **state)
{
    struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        bool defined[MAX_SIZE];
        uint8_t bytes[MAX_SIZE], out[MAX_SIZE];
        struct apir_enc enc;
        if (!is_message(v))
            continue;
        lay_out(vs, v);
        layout_defined(&vs->layout, v->bytes, defined);
        for (size_t j = 0; j < v->size; j++)
            bytes[j] = defined[j] ? v->bytes[j] : 0xff;
        if (!is_taken(v, bytes, v->size, &enc, out))
            fail_msg("%s is refused for bytes that mean nothing", v->name);
        compare_recoded(vs, v, out);
    }
}

/* Taken or refused, but not read past its end, which a sanitizer sees; and what is taken can be written. */
static void messages_with_any_byte_changed_are_read_within_their_bounds(void **state)
{
    static const uint8_t values[] = {0, 1, 0x80, 0xff};
    struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        for (size_t j = 0; is_message(v) && j < sizeof values * v->size; j++) {
            uint8_t bytes[MAX_SIZE], out[MAX_SIZE];
            struct apir_enc enc;
            memcpy(bytes, v->bytes, v->size);
            bytes[j / sizeof values] = values[j % sizeof values];
            if (is_taken(v, bytes, v->size, &enc, out) && !apir_enc_ok(&enc))
                fail_msg("%s is taken but not written with byte %zu changed: %s", v->name, j / sizeof values,
                         enc.fatal);
        }
    }
}

static const struct vector *find_vector(const struct vectors *vs, const char *name)
{
    for (size_t i = 0; i < vs->n; i++) {
        if (!strcmp(vs->list[i].name, name))
            return &vs->list[i];
    }
    return NULL;
}

/* The last 8 bytes of each request with data are its size. */
static void data_has_the_size_that_its_request_says(void **state)
{
    const struct vectors *vs = *state;
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        char name[MAX_NAME];
        struct apir_dec dec;
        if (v->kind != VECTOR_SHM)
            continue;
        snprintf(name, sizeof name, "%.*s.req.bin", (int)(strlen(v->name) - strlen(".shm.bin")), v->name);
        const struct vector *request = find_vector(vs, name);
        assert_non_null(request);
        apir_dec_init(&dec, request->bytes + request->size - 8, 8, NULL);
        assert_int_equal(apir_dec_u64(&dec), v->size);
    }
}

/* --- what is printed --- */

static void print_vectors(const struct vectors *vs, FILE *file)
{
    for (size_t i = 0; i < vs->n; i++) {
        const struct vector *v = &vs->list[i];
        struct apir_arena arena = {0};
        struct apir_dec dec;
        if (!is_message(v))
            continue;
        apir_dec_init(&dec, v->bytes, v->size, &arena);
        fprintf(file, "%.*s: ", (int)(strlen(v->name) - strlen(".bin")), v->name);
        vector_print(file, v->row, v->kind, &dec);
        fputc('\n', file);
        apir_arena_finish(&arena);
    }
}

static char *read_prints(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(PRINTS, "r");
    if (!file)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0)
        text[0] = 0;
    fclose(file);
    return text;
}

static void write_prints(const char *text)
{
    FILE *file = fopen(PRINTS, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void prints_are_golden(void **state)
{
    const struct vectors *vs = *state;
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    print_vectors(vs, file);
    fclose(file);
    if (vs->update)
        write_prints(text);
    char *expected = read_prints();
    assert_non_null(expected);
    assert_string_equal(text, expected);
    free(expected);
    free(text);
}

/* --- the later revision, of which there are no samples --- */

static void graph_compute_names_a_backend_or_none(void **state)
{
    struct apir_upstream_backend_graph_compute_args args = {
        .shm = 4, .size = 100, .has_backend = true, .backend = {.device = 0x1234, .id = 7}};
    uint8_t bytes[24];
    struct apir_enc enc;
    (void)state;
    apir_enc_init(&enc, bytes, sizeof bytes);
    apir_upstream_encode_backend_graph_compute_args(&enc, &args);
    assert_true(apir_enc_ok(&enc));
    assert_int_equal(apir_enc_used(&enc), sizeof bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct apir_dec dec;
        apir_dec_init(&dec, bytes, size, NULL);
        apir_upstream_decode_backend_graph_compute_args(&dec, &args);
        assert_int_equal(apir_dec_finish(&dec), size == 12 || size == sizeof bytes);
    }
    assert_true(args.has_backend);
    assert_int_equal(args.backend.device, 0x1234);
    assert_int_equal(args.backend.id, 7);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_files),
        cmocka_unit_test(every_function_has_a_row),
        cmocka_unit_test(heads_are_those_of_the_row),
        cmocka_unit_test(messages_are_taken_and_written_anew_to_the_same_bytes),
        cmocka_unit_test(messages_truncated_at_any_byte_are_refused),
        cmocka_unit_test(messages_with_bytes_behind_them_are_refused),
        cmocka_unit_test(fields_out_of_their_range_are_refused),
        cmocka_unit_test(undefined_bytes_are_not_looked_at),
        cmocka_unit_test(messages_with_any_byte_changed_are_read_within_their_bounds),
        cmocka_unit_test(data_has_the_size_that_its_request_says),
        cmocka_unit_test(prints_are_golden),
        cmocka_unit_test(graph_compute_names_a_backend_or_none),
    };
    struct vectors *vs = calloc(1, sizeof *vs);
    if (!vs)
        return 1;
    vs->update = argc == 2 && !strcmp(argv[1], "--update");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tests[i].initial_state = vs;
    int failed = 1;
    if (read_folder(vs, "") && read_folder(vs, "fromptr/"))
        failed = cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
    free(vs);
    return failed;
}
