# apir_protocol(NAME YAML [DOC FILE] [CLIENT HEADER]): runs the scanner on YAML, whose prefix must be NAME with '_' for '-',
# and makes
#   NAME-codec     types, names, encoders and decoders, printer: NAME-protocol.h, NAME-codec.h, NAME-print.h
#   NAME-calls     the client's functions: NAME-calls.h
#   NAME-dispatch  the server's side: NAME-dispatch.h
#   NAME-doc       the chapter of the manual, built by default: FILE, or doc/protocol.md in the build folder
# HEADER of src/client declares what sends the calls: queue.h unless it is given.
# Each library has a folder of its own for its files, so that a wrong include does not compile.

# One generated file. kind is the scanner's.
function(apir_generate yaml kind file)
  get_filename_component(folder ${file} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  file(RELATIVE_PATH shown ${CMAKE_BINARY_DIR} ${file})
  add_custom_command(OUTPUT ${file}
    COMMAND apir-scanner --input ${yaml} --kind ${kind} --output ${file}
    DEPENDS ${yaml} apir-scanner
    COMMENT "Generating ${shown}"
    VERBATIM)
endfunction()

# A library of generated files: pairs of a kind and the file it makes.
function(apir_generated_library target yaml)
  set(folder ${CMAKE_BINARY_DIR}/generated/${target})
  set(pairs ${ARGN})
  set(files)
  while(pairs)
    list(POP_FRONT pairs kind file)
    apir_generate(${yaml} ${kind} ${folder}/${file})
    list(APPEND files ${folder}/${file})
  endwhile()
  add_library(${target} STATIC ${files})
  target_include_directories(${target} PUBLIC ${folder})
  target_link_libraries(${target} PRIVATE $<TARGET_NAME_IF_EXISTS:apir-flags>)
endfunction()

function(apir_protocol name yaml)
  cmake_parse_arguments(arg "" "DOC;CLIENT" "" ${ARGN})
  if(NOT arg_DOC)
    set(arg_DOC ${CMAKE_BINARY_DIR}/doc/protocol.md)
  endif()
  if(NOT arg_CLIENT)
    set(arg_CLIENT queue.h)
  endif()

  apir_generated_library(${name}-codec ${yaml}
    header ${name}-protocol.h
    codec-header ${name}-codec.h codec ${name}-codec.c
    print-header ${name}-print.h print ${name}-print.c)
  target_link_libraries(${name}-codec PUBLIC apir-wire)

  # Of the client's headers it sees only the one that the YAML names. The client and its stubs call each other, hence the link back.
  set(view ${CMAKE_BINARY_DIR}/include-views/${name}-calls)
  file(MAKE_DIRECTORY ${view}/client)
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/client/${arg_CLIENT} ${view}/client/${arg_CLIENT} SYMBOLIC)
  apir_generated_library(${name}-calls ${yaml}
    client-header ${name}-calls.h client ${name}-calls.c)
  target_include_directories(${name}-calls PRIVATE ${view})
  target_link_libraries(${name}-calls PUBLIC ${name}-codec
    INTERFACE $<LINK_ONLY:$<TARGET_NAME_IF_EXISTS:apir-client>>)

  apir_generated_library(${name}-dispatch ${yaml}
    server-header ${name}-dispatch.h server ${name}-dispatch.c)
  target_link_libraries(${name}-dispatch PUBLIC ${name}-codec)

  apir_generate(${yaml} doc ${arg_DOC})
  add_custom_target(${name}-doc ALL DEPENDS ${arg_DOC})
endfunction()
