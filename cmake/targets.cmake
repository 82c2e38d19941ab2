# One static library per folder of src/. Each sees only the include directories of the folders that it may
# include (docs/architecture.md), so that a wrong include does not compile.

add_library(apir-flags INTERFACE)
target_compile_options(apir-flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Werror -fvisibility=hidden -fno-strict-aliasing)
target_compile_definitions(apir-flags INTERFACE _GNU_SOURCE)
if(APIR_SANITIZE)
  target_compile_options(apir-flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(apir-flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(apir-flags INTERFACE APIR_SANITIZED APIR_UNFILTERED)
endif()
if(APIR_COVERAGE)
  target_compile_options(apir-flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(apir-flags INTERFACE -fprofile-instr-generate)
endif()
if(APIR_FUZZ AND NOT APIR_COVERAGE) # what libFuzzer learns from, harmless to all else; and several times as many inputs in the same time
  target_compile_options(apir-flags INTERFACE -fsanitize=fuzzer-no-link -O1)
endif()
if(APIR_SANITIZE_THREADS) # gcc warns of fences, which it knows less about; ours stand beside atomic accesses that it sees
  target_compile_options(apir-flags INTERFACE -fsanitize=thread $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_options(apir-flags INTERFACE -fsanitize=thread)
  target_compile_definitions(apir-flags INTERFACE APIR_UNFILTERED)
endif()

# apir_folder(NAME SOURCES file... DEPENDS target...): the library apir-NAME of src/NAME. Files are included
# as "NAME/file.h": the folder's view of the others is a directory that holds links to just those folders.
function(apir_folder name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  set(view ${CMAKE_BINARY_DIR}/include-views/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${view}/${name} SYMBOLIC)
  add_library(apir-${name} STATIC ${arg_SOURCES})
  target_include_directories(apir-${name} PUBLIC ${view})
  target_link_libraries(apir-${name} PUBLIC ${arg_DEPENDS} PRIVATE apir-flags)
endfunction()
