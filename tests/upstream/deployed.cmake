# The two deployed halves for tests: a guest from the samples, and a renderer around a backend library.
add_library(apir-deployed-guest-support STATIC compare.c deployed-guest.c loop.c replay.c rss.c sample.c)
target_include_directories(apir-deployed-guest-support PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
target_link_libraries(apir-deployed-guest-support PUBLIC apir-wire PRIVATE apir-flags)

function(apir_upstream_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE apir-flags ${arg_DEPENDS})
endfunction()
apir_upstream_program(apir-deployed-guest SOURCES apir-deployed-guest.c DEPENDS apir-deployed-guest-support)

# Of src/upstream it sees only the interface of a library.
set(view ${CMAKE_BINARY_DIR}/include-views/test-renderer)
file(MAKE_DIRECTORY ${view}/upstream)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/upstream/component.h ${view}/upstream/component.h SYMBOLIC)
apir_upstream_program(apir-test-renderer SOURCES apir-test-renderer.c renderer.c
  DEPENDS apir-wire Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(apir-test-renderer PRIVATE ${view} ${CMAKE_CURRENT_SOURCE_DIR}/..)

# The same guest against a host in the test's own process.
add_library(apir-test-upstream STATIC host.c)
target_include_directories(apir-test-upstream PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
target_compile_definitions(apir-test-upstream PUBLIC UPSTREAM_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors")
target_link_libraries(apir-test-upstream PUBLIC apir-deployed-guest-support apir-executor
  PRIVATE apir-flags PkgConfig::CMOCKA)
foreach(file replay mutate)
  apir_test(upstream-${file}-test SOURCES ${file}-test.c DEPENDS apir-test-upstream)
endforeach()
target_compile_definitions(upstream-mutate-test PRIVATE FAULT_ONE="${CMAKE_BINARY_DIR}/tests/fault-one.so")
add_dependencies(upstream-mutate-test fault-one)
