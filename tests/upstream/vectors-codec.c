#include "upstream/vectors-codec.h"

#include "apir-upstream-codec.h"
#include "apir-upstream-print.h"

/* Commands of a Venus context. */
enum { VENUS = 331 };

/* A function for each type, since C has no other way to name the types. */
#define CODEC(name)                                                                                                    \
    static void recode_##name(struct apir_dec *dec, struct apir_enc *enc)                                              \
    {                                                                                                                  \
        struct apir_upstream_##name v;                                                                                 \
        apir_upstream_decode_##name(dec, &v);                                                                          \
        if (apir_dec_ok(dec))                                                                                          \
            apir_upstream_encode_##name(enc, &v);                                                                      \
    }

CODEC(request_header)
CODEC(version)
CODEC(graph)
CODEC(device_get_device_count_reply)
CODEC(device_get_count_reply)
CODEC(device_get_name_reply)
CODEC(device_get_description_reply)
CODEC(device_get_type_reply)
CODEC(device_get_memory_reply)
CODEC(device_supports_op_args)
CODEC(device_supports_op_reply)
CODEC(device_get_buffer_type_reply)
CODEC(device_get_props_reply)
CODEC(device_buffer_from_ptr_args)
CODEC(device_buffer_from_ptr_reply)
CODEC(buffer_type_get_name_args)
CODEC(buffer_type_get_name_reply)
CODEC(buffer_type_get_alignment_args)
CODEC(buffer_type_get_alignment_reply)
CODEC(buffer_type_get_max_size_args)
CODEC(buffer_type_get_max_size_reply)
CODEC(buffer_type_is_host_args)
CODEC(buffer_type_is_host_reply)
CODEC(buffer_type_alloc_buffer_args)
CODEC(buffer_type_alloc_buffer_reply)
CODEC(buffer_type_get_alloc_size_args)
CODEC(buffer_type_get_alloc_size_reply)
CODEC(buffer_get_base_args)
CODEC(buffer_get_base_reply)
CODEC(buffer_set_tensor_args)
CODEC(buffer_get_tensor_args)
CODEC(buffer_cpy_tensor_args)
CODEC(buffer_cpy_tensor_reply)
CODEC(buffer_clear_args)
CODEC(buffer_free_buffer_args)
CODEC(backend_graph_compute_args)
CODEC(backend_graph_compute_reply)

/* A function that succeeded, with its codecs. */
#define ROW(name, number, args, results, args_codec, results_codec)                                                    \
    {                                                                                                                  \
        name, VENUS + 2, number, 5, args, results, NULL, args_codec, results_codec, NULL                               \
    }

const struct vector_row vector_rows[] = {
    {"HANDSHAKE", VENUS, 0, 0xab1f, "II", "II", NULL, recode_version, recode_version, NULL},
    {"LOADLIBRARY", VENUS + 1, 0, 1, "", "", NULL, NULL, NULL, NULL},
    {"LOADLIBRARY.2", VENUS + 1, 0, 3, "", "", NULL, NULL, NULL, NULL},
    {"unknown", VENUS + 2, 99, 2, "", "", NULL, NULL, NULL, NULL},
    ROW("device_get_device_count", 0, "", "I", NULL, recode_device_get_device_count_reply),
    ROW("device_get_count", 1, "", "I", NULL, recode_device_get_count_reply),
    ROW("device_get_name", 2, "", "S", NULL, recode_device_get_name_reply),
    ROW("device_get_description", 3, "", "S", NULL, recode_device_get_description_reply),
    ROW("device_get_type", 4, "", "i", NULL, recode_device_get_type_reply),
    ROW("device_get_memory", 5, "", "QQ", NULL, recode_device_get_memory_reply),
    ROW("device_supports_op", 6, "O", "B", recode_device_supports_op_args, recode_device_supports_op_reply),
    ROW("device_get_buffer_type", 7, "", "h", NULL, recode_device_get_buffer_type_reply),
    ROW("device_get_props", 8, "", "4B?B", NULL, recode_device_get_props_reply),
    ROW("device_buffer_from_ptr", 9, "szQ", "QQ", recode_device_buffer_from_ptr_args,
        recode_device_buffer_from_ptr_reply),
    ROW("buffer_type_get_name", 10, "h", "S", recode_buffer_type_get_name_args, recode_buffer_type_get_name_reply),
    ROW("buffer_type_get_alignment", 11, "h", "Q", recode_buffer_type_get_alignment_args,
        recode_buffer_type_get_alignment_reply),
    ROW("buffer_type_get_max_size", 12, "h", "Q", recode_buffer_type_get_max_size_args,
        recode_buffer_type_get_max_size_reply),
    ROW("buffer_type_is_host", 13, "h", "B", recode_buffer_type_is_host_args, recode_buffer_type_is_host_reply),
    ROW("buffer_type_alloc_buffer", 14, "hz", "Q", recode_buffer_type_alloc_buffer_args,
        recode_buffer_type_alloc_buffer_reply),
    ROW("buffer_type_get_alloc_size", 15, "hO", "Q", recode_buffer_type_get_alloc_size_args,
        recode_buffer_type_get_alloc_size_reply),
    ROW("buffer_get_base", 16, "h", "Q", recode_buffer_get_base_args, recode_buffer_get_base_reply),
    ROW("buffer_set_tensor", 17, "hTszz", "", recode_buffer_set_tensor_args, NULL),
    ROW("buffer_get_tensor", 18, "hTszz", "", recode_buffer_get_tensor_args, NULL),
    ROW("buffer_cpy_tensor", 19, "hTT", "B", recode_buffer_cpy_tensor_args, recode_buffer_cpy_tensor_reply),
    ROW("buffer_clear", 20, "hb", "", recode_buffer_clear_args, NULL),
    ROW("buffer_free_buffer", 21, "h", "", recode_buffer_free_buffer_args, NULL),
    {"backend_graph_compute", VENUS + 2, 22, 5, "sg", "I", "G", recode_backend_graph_compute_args,
     recode_backend_graph_compute_reply, recode_graph},
};

const unsigned n_vector_rows = sizeof vector_rows / sizeof *vector_rows;

static void recode_body(vector_codec *codec, struct apir_dec *dec, struct apir_enc *enc)
{
    if (codec)
        codec(dec, enc);
}

bool vector_recode(const struct vector_row *row, enum vector_kind kind, struct apir_dec *dec, struct apir_enc *enc)
{
    switch (kind) {
    case VECTOR_REQUEST:
        recode_request_header(dec, enc);
        recode_body(row->args_codec, dec, enc);
        break;
    case VECTOR_REPLY:
        apir_enc_u32(enc, apir_dec_u32(dec));
        recode_body(row->results_codec, dec, enc);
        break;
    default:
        recode_body(row->shm_codec, dec, enc);
        break;
    }
    return apir_dec_finish(dec);
}

static void print_version(FILE *f, struct apir_dec *dec)
{
    struct apir_upstream_version version;
    apir_upstream_decode_version(dec, &version);
    apir_upstream_print_version(f, &version);
}

static void print_request(FILE *f, struct apir_dec *dec)
{
    struct apir_upstream_request_header header;
    apir_upstream_decode_request_header(dec, &header);
    apir_upstream_print_request_header(f, &header);
    const char *command = apir_upstream_command_name(header.command - VENUS);
    fprintf(f, " %s ", command ? command : "?");
    if (header.command == VENUS + APIR_UPSTREAM_COMMAND_HANDSHAKE)
        print_version(f, dec);
    else if (header.command == VENUS + APIR_UPSTREAM_COMMAND_FORWARD)
        apir_upstream_print_call(f, header.flags, dec);
}

static void print_forward_code(FILE *f, uint32_t code)
{
    uint32_t base = APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    const char *name =
        code < base ? apir_upstream_forward_code_name(code) : apir_upstream_function_code_name(code - base);
    fprintf(f, "%s ", name ? name : "?");
}

static void print_reply(FILE *f, const struct vector_row *row, struct apir_dec *dec)
{
    uint32_t code = apir_dec_u32(dec) - 1;
    if (row->command == VENUS + APIR_UPSTREAM_COMMAND_HANDSHAKE) {
        fprintf(f, "0x%x ", (unsigned)code);
        print_version(f, dec);
    } else if (row->command == VENUS + APIR_UPSTREAM_COMMAND_LOAD_LIBRARY) {
        const char *name = apir_upstream_load_code_name(code);
        fputs(name ? name : "?", f);
    } else {
        print_forward_code(f, code);
        if (code == APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)
            apir_upstream_print_reply(f, row->function, dec);
    }
}

void vector_print(FILE *f, const struct vector_row *row, enum vector_kind kind, struct apir_dec *dec)
{
    struct apir_upstream_graph graph;
    if (kind == VECTOR_REQUEST) {
        print_request(f, dec);
    } else if (kind == VECTOR_REPLY) {
        print_reply(f, row, dec);
    } else {
        apir_upstream_decode_graph(dec, &graph);
        apir_upstream_print_graph(f, &graph);
    }
    if (dec->fatal)
        fprintf(f, " (%s)", dec->fatal);
}
