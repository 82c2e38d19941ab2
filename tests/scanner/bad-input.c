#include "bad-input.h"

/* Three lines that are right, so that what follows starts in line 4; and a call, which every
 * protocol needs. */
#define HEAD "protocol: t\nprefix: t\nversion: [1, 0]\n"
#define CALL "calls: [{name: c, number: 1}]\n"

const struct bad_input bad_inputs[] = {
    {"syntax_error_names_its_line", HEAD "limits: [}\n" CALL,
     "4: error: did not find expected node content\n"},
    {"bad_utf8_is_refused", HEAD "doc: \xff\n" CALL, "4: error: invalid leading UTF-8 octet\n"},
    {"empty_file_is_refused", "", "1: error: file is empty\n"},
    {"comment_only_file_is_refused", "# nothing\n", "1: error: file is empty\n"},
    {"second_document_is_refused",
     HEAD "calls: [{name: c, number: 1}]\n"
          "---\n"
          "a: b\n",
     "6: error: file has a second document\n"},
    {"list_for_a_protocol_is_refused", "- a\n", "1: error: protocol must be a mapping\n"},
    {"unknown_key_is_refused", HEAD "colour: red\n" CALL,
     "4: error: protocol has an unknown key 'colour'\n"},
    {"missing_keys_are_all_named", "doc: x\n",
     "1: error: protocol has no 'protocol'\n"
     "1: error: protocol has no 'prefix'\n"
     "1: error: protocol has no 'version'\n"
     "1: error: protocol has no 'calls'\n"},
    {"key_given_twice_is_refused",
     HEAD "doc: a\n"
          "doc: b\n" CALL,
     "5: error: protocol has 'doc' twice\n"},
    {"list_for_a_name_is_refused",
     "protocol: t\n"
     "prefix: [t]\n"
     "version: [1, 0]\n" CALL,
     "2: error: 'prefix' must be a plain value\n"},
    {"nul_in_text_is_refused", HEAD "doc: \"a\\0b\"\n" CALL, "4: error: 'doc' contains a NUL\n"},
    {"version_needs_two_numbers",
     "protocol: t\n"
     "prefix: t\n"
     "version: 1\n" CALL,
     "3: error: 'version' must be [MAJOR, MINOR]\n"},
    {"version_needs_numbers",
     "protocol: t\n"
     "prefix: t\n"
     "version: [one, -2]\n" CALL,
     "3: error: 'version' must be a number, not 'one'\n"
     "3: error: 'version' -2 is not in 0..4294967295\n"},
    {"prefix_must_be_a_name",
     "protocol: t\n"
     "prefix: T-x\n"
     "version: [1, 0]\n" CALL,
     "2: error: 'T-x' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"unknown_count_type_is_refused", HEAD "count_type: u16\n" CALL,
     "4: error: 'count_type' must be u32 or u64\n"},
    {"mapping_for_a_list_is_refused", HEAD "limits: {a: b}\n" CALL,
     "4: error: 'limits' must be a list\n"},
    {"scalar_for_a_limit_is_refused",
     HEAD "limits:\n"
          "  - max\n" CALL,
     "5: error: limit must be a mapping\n"},
    {"limit_needs_a_reason",
     HEAD "limits:\n"
          "  - {name: a, value: 1}\n" CALL,
     "5: error: limit has no 'why'\n"},
    {"limit_needs_a_reason_with_text",
     HEAD "limits:\n"
          "  - {name: a, value: 1, why: ''}\n" CALL,
     "5: error: 'why' is empty: give the reason for the limit\n"},
    {"limit_must_be_a_number",
     HEAD "limits:\n"
          "  - {name: a, value: many, why: x}\n" CALL,
     "5: error: 'value' must be a number, not 'many'\n"},
    {"limit_must_not_be_negative",
     HEAD "limits:\n"
          "  - {name: a, value: -1, why: x}\n" CALL,
     "5: error: 'value' -1 is not in 0..18446744073709551615\n"},
    {"limit_must_not_look_octal",
     HEAD "limits:\n"
          "  - {name: a, value: 010, why: x}\n" CALL,
     "5: error: 'value' must be a number, not '010'\n"},
    {"limit_must_fit_64_bits",
     HEAD "limits:\n"
          "  - {name: a, value: 18446744073709551616, why: x}\n" CALL,
     "5: error: 'value' must be a number, not '18446744073709551616'\n"},
    {"limit_must_not_have_a_tail",
     HEAD "limits:\n"
          "  - {name: a, value: 12k, why: x}\n" CALL,
     "5: error: 'value' must be a number, not '12k'\n"},
    {"limit_twice_is_refused",
     HEAD "limits:\n"
          "  - {name: a, value: 1, why: x}\n"
          "  - {name: a, value: 2, why: x}\n" CALL,
     "6: error: the C name T_A is taken by line 5\n"},
    {"limit_must_not_be_the_version",
     HEAD "limits:\n"
          "  - {name: protocol_major, value: 1, why: x}\n" CALL,
     "5: error: the C name T_PROTOCOL_MAJOR is reserved\n"},
    {"upper_case_is_refused",
     HEAD "limits:\n"
          "  - {name: Max, value: 1, why: x}\n" CALL,
     "5: error: 'Max' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"leading_digit_is_refused",
     HEAD "limits:\n"
          "  - {name: 2d, value: 1, why: x}\n" CALL,
     "5: error: '2d' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"long_name_is_refused",
     HEAD "limits:\n"
          "  - {name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, value: 1, "
          "why: x}\n" CALL,
     "5: error: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not a name: "
     "a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"word_of_c_is_refused",
     HEAD "limits:\n"
          "  - {name: register, value: 1, why: x}\n" CALL,
     "5: error: 'register' is a word of C\n"},
    {"enum_needs_values",
     HEAD "enums:\n"
          "  - {name: e, values: []}\n" CALL,
     "5: error: enum 'e' has no values\n"},
    {"enum_numbers_differ",
     HEAD "enums:\n"
          "  - name: e\n"
          "    values:\n"
          "      - {name: a, value: 1}\n"
          "      - {name: b, value: 0x1}\n" CALL,
     "8: error: value 0x1 of 'b' is that of 'a' in line 7\n"},
    {"enum_names_differ",
     HEAD "enums:\n"
          "  - name: e\n"
          "    values:\n"
          "      - {name: a, value: 1}\n"
          "      - {name: a, value: 2}\n" CALL,
     "8: error: the C name T_E_A is taken by line 7\n"},
    {"enum_values_fit_int",
     HEAD "enums:\n"
          "  - name: e\n"
          "    values:\n"
          "      - {name: a, value: 0x80000000}\n" CALL,
     "7: error: 'value' 0x80000000 is not in 0..2147483647\n"},
    {"enum_must_not_be_a_builtin_type",
     HEAD "enums:\n"
          "  - name: u32\n"
          "    values: [{name: a, value: 1}]\n" CALL,
     "5: error: 'u32' is a built-in type\n"},
    {"enum_must_not_be_call",
     HEAD "enums:\n"
          "  - name: call\n"
          "    values: [{name: a, value: 1}]\n" CALL,
     "5: error: the C name t_call is reserved\n"},
    {"enum_constants_of_two_enums_differ",
     HEAD "enums:\n"
          "  - name: e\n"
          "    values: [{name: a_b, value: 1}]\n"
          "  - name: e_a\n"
          "    values: [{name: b, value: 1}]\n" CALL,
     "8: error: the C name T_E_A_B is taken by line 6\n"},
    {"struct_needs_fields",
     HEAD "structs:\n"
          "  - {name: s, fields: []}\n" CALL,
     "5: error: struct 's' has no fields\n"},
    {"struct_twice_is_refused",
     HEAD "structs:\n"
          "  - {name: s, fields: [{name: a, type: u32}]}\n"
          "  - {name: s, fields: [{name: a, type: u32}]}\n" CALL,
     "6: error: the C name t_s is taken by line 5\n"},
    {"struct_and_enum_names_differ",
     HEAD "enums:\n"
          "  - {name: s, values: [{name: a, value: 1}]}\n"
          "structs:\n"
          "  - {name: s, fields: [{name: a, type: u32}]}\n" CALL,
     "7: error: the C name t_s is taken by line 5\n"},
    {"struct_must_not_be_that_of_a_call",
     HEAD "structs:\n"
          "  - {name: c_args, fields: [{name: a, type: u32}]}\n"
          "calls:\n"
          "  - {name: c, number: 1, args: [{name: a, type: u32}]}\n",
     "7: error: the C name t_c_args is taken by line 5\n"},
    {"struct_is_declared_before_use",
     HEAD "structs:\n"
          "  - {name: s, fields: [{name: a, type: z}]}\n"
          "  - {name: z, fields: [{name: a, type: u32}]}\n" CALL,
     "5: error: struct 'z' is used before its declaration in line 6\n"},
    {"struct_cannot_contain_itself",
     HEAD "structs:\n"
          "  - {name: s, fields: [{name: a, type: array, of: s, max: 3}]}\n" CALL,
     "5: error: struct 's' cannot contain itself\n"},
    {"struct_must_fit_the_stack",
     HEAD "structs:\n"
          "  - {name: s, fields: [{name: a, type: fixed, of: u64, count: 65536}]}\n" CALL,
     "5: error: 's' takes 524288 bytes of the stack, at most 65536 are allowed: use an array\n"},
    {"names_of_lists_differ",
     HEAD "structs:\n"
          "  - {name: a, fields: [{name: b_c, type: array, of: u32, max: 3}]}\n"
          "  - {name: a_b, fields: [{name: c, type: array, of: u32, max: 3}]}\n" CALL,
     "6: error: the C name print_a_b_c is taken by line 5\n"},
    {"unknown_key_of_a_field_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, size: 3}\n" CALL,
     "7: error: field has an unknown key 'size'\n"},
    {"field_needs_a_type",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a}\n" CALL,
     "7: error: field has no 'type'\n"},
    {"unknown_type_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u16}\n" CALL,
     "7: error: there is no type 'u16'\n"},
    {"field_twice_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: a, type: u64}\n" CALL,
     "8: error: the C name a is taken by line 7\n"},
    {"field_must_not_be_the_count_of_another",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: n_a, type: u32}\n"
          "      - {name: a, type: bytes, max: 3}\n" CALL,
     "8: error: the C name n_a is taken by line 7\n"},
    {"string_needs_a_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: string}\n" CALL,
     "7: error: type string needs 'max'\n"},
    {"string_has_no_minimum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: string, min: 1, max: 3}\n" CALL,
     "7: error: 'min' has no meaning for type string\n"},
    {"string_maximum_counts_its_nul",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: string, max: 0}\n" CALL,
     "7: error: 'max' must be at least 1\n"},
    {"bytes_need_a_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: bytes}\n" CALL,
     "7: error: type bytes needs 'max'\n"},
    {"array_needs_a_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: u32}\n" CALL,
     "7: error: type array needs 'max'\n"},
    {"array_needs_of",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, max: 3}\n" CALL,
     "7: error: type array needs 'of'\n"},
    {"array_of_strings_needs_item_max",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: string, max: 3}\n" CALL,
     "7: error: type string needs 'item_max'\n"},
    {"array_of_bytes_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: bytes, max: 3}\n" CALL,
     "7: error: type array cannot be of bytes\n"},
    {"array_of_arrays_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: array, max: 3}\n" CALL,
     "7: error: type array cannot be of array\n"},
    {"array_of_unknown_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: what, max: 3}\n" CALL,
     "7: error: there is no type 'what'\n"},
    {"array_of_handles_needs_item_of",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: handle, max: 3}\n" CALL,
     "7: error: type handle needs 'item_of', the kind of object\n"},
    {"array_maximum_fits_32_bits",
     HEAD "limits: [{name: big, value: 0x100000000, why: x}, {name: zero, value: 0, why: x}]\n"
          "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: u32, max: big}\n" CALL,
     "8: error: 'max' big is beyond the range of the type\n"},
    {"array_maximum_is_not_zero",
     HEAD "limits: [{name: big, value: 0x100000000, why: x}, {name: zero, value: 0, why: x}]\n"
          "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: u32, max: zero}\n" CALL,
     "8: error: 'max' must be at least 1\n"},
    {"array_has_no_count",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: u32, max: 3, count: 3}\n" CALL,
     "7: error: 'count' has no meaning for type array\n"},
    {"fixed_needs_a_count",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: fixed, of: u32}\n" CALL,
     "7: error: type fixed needs 'count'\n"},
    {"fixed_count_is_not_zero",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: fixed, of: u32, count: 0}\n" CALL,
     "7: error: 'count' 0 is not in 1..65536\n"},
    {"fixed_has_no_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: fixed, of: u32, count: 3, max: 3}\n" CALL,
     "7: error: 'max' has no meaning for type fixed\n"},
    {"fixed_of_strings_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: fixed, of: string, count: 3, item_max: 3}\n" CALL,
     "7: error: type fixed cannot be of string\n"},
    {"bound_must_be_known",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, max: max_of_all}\n" CALL,
     "7: error: 'max_of_all' is neither a number nor a limit\n"},
    {"bound_fits_the_type",
     HEAD "limits: [{name: big, value: 0x100000000, why: x}, {name: zero, value: 0, why: x}]\n"
          "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, max: big}\n"
          "      - {name: b, type: i32, min: -2147483649}\n"
          "      - {name: c, type: u64, min: -1}\n" CALL,
     "8: error: 'max' big is beyond the range of the type\n"
     "9: error: 'min' -2147483649 is beyond the range of the type\n"
     "10: error: 'min' -1 is beyond the range of the type\n"},
    {"item_bound_fits_the_type",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: i32, max: 3, item_max: 0x80000000}\n" CALL,
     "7: error: 'item_max' 0x80000000 is beyond the range of the type\n"},
    {"minimum_is_not_above_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: i32, min: -1, max: -2}\n" CALL,
     "7: error: 'min' -1 is greater than 'max' -2\n"},
    {"bool_has_no_bounds",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: bool, max: 1}\n" CALL,
     "7: error: 'max' has no meaning for type bool\n"},
    {"scalar_has_no_item_keys",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, item_min: 1, item_max: 2, item_of: x}\n" CALL,
     "7: error: 'item_of' has no meaning for type u32\n"
     "7: error: 'item_min' has no meaning for type u32\n"
     "7: error: 'item_max' has no meaning for type u32\n"},
    {"scalar_has_no_of",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, of: buffer}\n" CALL,
     "7: error: 'of' has no meaning for type u32\n"},
    {"scalar_is_not_optional",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, optional: true}\n" CALL,
     "7: error: 'optional' has no meaning for type u32\n"},
    {"optional_is_true_or_false",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: shm, optional: maybe}\n" CALL,
     "7: error: 'optional' must be true or false\n"},
    {"handle_needs_of",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: handle}\n" CALL,
     "7: error: type handle needs 'of', the kind of object\n"},
    {"handle_is_of_a_name",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: handle, of: A buffer}\n" CALL,
     "7: error: 'A buffer' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and "
     "_\n"},
    {"call_needs_a_number",
     HEAD "calls:\n"
          "  - {name: c}\n",
     "5: error: call has no 'number'\n"},
    {"call_number_is_not_negative",
     HEAD "calls:\n"
          "  - {name: c, number: -1}\n",
     "5: error: 'number' -1 is not in 0..2147483647\n"},
    {"call_number_fits_int",
     HEAD "calls:\n"
          "  - {name: c, number: 2147483648}\n",
     "5: error: 'number' 2147483648 is not in 0..2147483647\n"},
    {"call_numbers_differ",
     HEAD "calls:\n"
          "  - {name: c, number: 1}\n"
          "  - {name: d, number: 1, enabled: false}\n",
     "6: error: number 1 of 'd' is that of 'c' in line 5\n"},
    {"call_names_differ",
     HEAD "calls:\n"
          "  - {name: c, number: 1}\n"
          "  - {name: c, number: 2}\n",
     "6: error: the C name T_CALL_C is taken by line 5\n"},
    {"call_must_not_be_name",
     HEAD "calls:\n"
          "  - {name: name, number: 1}\n",
     "5: error: the C name t_call_name is reserved\n"},
    {"enabled_is_true_or_false",
     HEAD "calls:\n"
          "  - {name: c, number: 1, enabled: 1}\n",
     "5: error: 'enabled' must be true or false\n"},
    {"some_call_is_enabled",
     HEAD "calls:\n"
          "  - {name: c, number: 1, enabled: false}\n",
     "1: error: protocol 't' has no enabled call\n"},
    {"fields_of_disabled_calls_are_checked",
     HEAD "calls:\n"
          "  - {name: c, number: 1}\n"
          "  - {name: d, number: 2, enabled: false, args: [{name: a, type: what}]}\n",
     "6: error: there is no type 'what'\n"},
    {"results_are_checked",
     HEAD "calls:\n"
          "  - {name: c, number: 1, results: [{name: a, type: string}]}\n",
     "5: error: type string needs 'max'\n"},
    {"all_errors_are_reported",
     HEAD "limits:\n"
          "  - {name: A, value: x, why: x}\n"
          "enums:\n"
          "  - {name: e, values: []}\n"
          "structs:\n"
          "  - {name: s, fields: [{name: a, type: what}, {name: a, type: string}]}\n"
          "calls:\n"
          "  - {name: c, number: -1}\n",
     "5: error: 'value' must be a number, not 'x'\n"
     "5: error: 'A' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"
     "7: error: enum 'e' has no values\n"
     "9: error: there is no type 'what'\n"
     "9: error: type string needs 'max'\n"
     "9: error: the C name a is taken by line 9\n"
     "11: error: 'number' -1 is not in 0..2147483647\n"},
    {"client_needs_a_header", HEAD "client: {type: a_link}\n" CALL,
     "4: error: client has no 'header'\n"},
    {"client_is_a_mapping", HEAD "client: a_link\n" CALL, "4: error: client must be a mapping\n"},
    {"client_type_is_a_name", HEAD "client: {type: A-link, header: a.h}\n" CALL,
     "4: error: 'A-link' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"client_type_must_not_end_in_a_number", HEAD "client: {type: link_2, header: a.h}\n" CALL,
     "4: error: '2' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"client_type_must_not_end_in_a_word_of_c", HEAD "client: {type: a_struct, header: a.h}\n" CALL,
     "4: error: 'struct' is a word of C\n"},
    {"client_type_must_not_end_in_a_parameter", HEAD "client: {type: my_args, header: a.h}\n" CALL,
     "4: error: 'type' must not end in args\n"},
    {"client_header_is_given", HEAD "client: {type: a_link, header: ''}\n" CALL,
     "4: error: '' is not the name of a header\n"},
    {"client_type_is_not_a_struct",
     HEAD "client: {type: t_link, header: a.h}\n"
          "structs:\n"
          "  - {name: link, fields: [{name: a, type: u32}]}\n" CALL,
     "6: error: the C name t_link is reserved\n"},
    {"protocol_must_be_a_name_but_for_dashes",
     "protocol: t/x\n"
     "prefix: t\n"
     "version: [1, 0]\n" CALL,
     "1: error: 't/x' is not a name: a lower case letter, then at most 63 of a-z, 0-9 and _\n"},
    {"u8_bound_fits_the_type",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u8, max: 256}\n" CALL,
     "7: error: 'max' 256 is beyond the range of the type\n"},
    {"byte_bool_has_no_bounds",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: byte_bool, max: 1}\n" CALL,
     "7: error: 'max' has no meaning for type byte_bool\n"},
    {"pad_needs_a_count",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: pad}\n" CALL,
     "8: error: type pad needs 'count'\n"},
    {"pad_count_is_not_zero",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: pad, count: 0}\n" CALL,
     "8: error: 'count' 0 is not in 1..65536\n"},
    {"pad_keeps_the_alignment",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: pad, count: 6}\n" CALL,
     "8: error: 'count' 6 is not a multiple of 4\n"},
    {"pad_is_not_conditional",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: pad, count: 4, if: a}\n" CALL,
     "8: error: 'if' has no meaning for type pad\n"},
    {"padding_alone_is_no_struct",
     HEAD "structs:\n"
          "  - {name: s, fields: [{name: a, type: pad, count: 4}]}\n" CALL,
     "5: error: 's' has nothing but padding\n"},
    {"array_of_padding_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: pad, max: 3}\n" CALL,
     "7: error: type array cannot be of pad\n"},
    {"chars_need_a_count",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: chars}\n" CALL,
     "7: error: type chars needs 'count'\n"},
    {"chars_keep_the_alignment",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: chars, count: 7}\n" CALL,
     "7: error: 'count' 7 is not a multiple of 4\n"},
    {"chars_have_no_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: chars, count: 8, max: 8}\n" CALL,
     "7: error: 'max' has no meaning for type chars\n"},
    {"fixed_of_chars_is_refused",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: fixed, of: chars, count: 8}\n" CALL,
     "7: error: type fixed cannot be of chars\n"},
    {"if_needs_a_field",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: u32, if: c}\n" CALL,
     "8: error: 'if' is 'c', which no earlier field is called\n"},
    {"if_needs_an_earlier_field",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, if: b}\n"
          "      - {name: b, type: u32}\n" CALL,
     "7: error: 'if' is 'b', which no earlier field is called\n"},
    {"if_is_not_about_itself",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32, if: a}\n" CALL,
     "7: error: 'if' is 'a', which no earlier field is called\n"},
    {"if_does_not_go_into_a_number",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: u32, if: a.b}\n" CALL,
     "8: error: 'if' is 'a.b', which no earlier field is called\n"},
    {"if_is_not_empty",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: u32, if: ''}\n" CALL,
     "8: error: 'if' is '', which no earlier field is called\n"},
    {"if_needs_a_field_of_the_struct",
     HEAD "structs:\n"
          "  - {name: r, fields: [{name: a, type: u32}]}\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: r}\n"
          "      - {name: b, type: u32, if: r.b}\n" CALL,
     "9: error: 'if' is 'r.b', which no earlier field is called\n"},
    {"if_is_not_about_a_struct",
     HEAD "structs:\n"
          "  - {name: r, fields: [{name: a, type: u32}]}\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: r}\n"
          "      - {name: b, type: u32, if: r}\n" CALL,
     "9: error: 'if' is 'r', which is no number\n"},
    {"if_is_not_about_what_may_be_missing",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: u32, if: a}\n"
          "      - {name: c, type: u32, if: b}\n" CALL,
     "9: error: 'if' is 'b', which may be missing itself\n"},
    {"if_is_not_about_text",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: string, max: 3}\n"
          "      - {name: b, type: u32, if: a}\n" CALL,
     "8: error: 'if' is 'a', which is no number\n"},
    {"rest_is_not_for_structs",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: b, type: u32, if: rest}\n" CALL,
     "8: error: 'if: rest' is for arguments and results, not structs\n"},
    {"rest_is_for_the_last_field",
     HEAD "calls:\n"
          "  - name: c\n"
          "    number: 1\n"
          "    args:\n"
          "      - {name: a, type: u32, if: rest}\n"
          "      - {name: b, type: u32}\n",
     "8: error: 'if: rest' is for the last field, which 'a' is not\n"},
    {"field_must_not_be_the_presence_of_another",
     HEAD "calls:\n"
          "  - name: c\n"
          "    number: 1\n"
          "    args:\n"
          "      - {name: has_a, type: u32}\n"
          "      - {name: a, type: u32, if: rest}\n",
     "9: error: the C name has_a is taken by line 8\n"},
    {"leading_is_for_arrays",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: fixed, of: u64, count: 3}\n"
          "      - {name: a, type: u32, leading: r}\n" CALL,
     "8: error: 'leading' has no meaning for type u32\n"},
    {"leading_needs_an_earlier_field",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: array, of: u32, max: 3, leading: r}\n"
          "      - {name: r, type: fixed, of: u64, count: 3}\n" CALL,
     "7: error: 'leading' is 'r', which no earlier field is called\n"},
    {"leading_needs_a_fixed_array",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: u64}\n"
          "      - {name: a, type: array, of: u32, max: 3, leading: r}\n" CALL,
     "8: error: 'leading' is 'r', which is not type fixed of u32 or u64\n"},
    {"leading_needs_an_array_of_numbers",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: fixed, of: bool, count: 3}\n"
          "      - {name: a, type: array, of: u32, max: 3, leading: r}\n" CALL,
     "8: error: 'leading' is 'r', which is not type fixed of u32 or u64\n"},
    {"leading_array_is_in_every_message",
     HEAD "structs:\n"
          "  - {name: t, fields: [{name: r, type: fixed, of: u64, count: 3}]}\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: a, type: u32}\n"
          "      - {name: t, type: t, if: a}\n"
          "      - {name: c, type: array, of: u32, max: 3, leading: t.r}\n" CALL,
     "10: error: 'leading' is 't.r', which may be missing itself\n"},
    {"leading_needs_room",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: fixed, of: u64, count: 3}\n"
          "      - {name: a, type: array, of: u32, max: 2, leading: r}\n" CALL,
     "8: error: 'r' has 3 entries, more than 'max' 2\n"},
    {"leading_array_has_no_minimum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: fixed, of: u64, count: 3}\n"
          "      - {name: a, type: array, of: u32, min: 1, max: 3, leading: r}\n" CALL,
     "8: error: 'min' has no meaning with 'leading'\n"},
    {"leading_array_needs_a_maximum",
     HEAD "structs:\n"
          "  - name: s\n"
          "    fields:\n"
          "      - {name: r, type: fixed, of: u64, count: 3}\n"
          "      - {name: a, type: array, of: u32, leading: r}\n" CALL,
     "8: error: type array needs 'max'\n"},
    {"bad_limit_is_reported_once",
     HEAD "limits:\n"
          "  - {name: a, value: x, why: x}\n"
          "structs:\n"
          "  - {name: s, fields: [{name: a, type: string, max: a}, {name: b, type: fixed, of: u32, "
          "count: a}]}\n" CALL,
     "5: error: 'value' must be a number, not 'x'\n"},
};

const size_t n_bad_inputs = sizeof bad_inputs / sizeof *bad_inputs;
