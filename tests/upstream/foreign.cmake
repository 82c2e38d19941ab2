# Backend libraries for the renderer's side in src/upstream/foreign.c: a working one, and one that lacks functions.
foreach(name fake half)
  add_library(apir-${name}-backend MODULE ${name}-backend.c)
  set_target_properties(apir-${name}-backend PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(apir-${name}-backend PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/.. ${CMAKE_BINARY_DIR}/include-views/upstream)
  target_link_libraries(apir-${name}-backend PRIVATE apir-flags)
endforeach()
apir_test(upstream-foreign-test SOURCES foreign-test.c DEPENDS apir-upstream)
target_include_directories(upstream-foreign-test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/..)
target_compile_definitions(upstream-foreign-test PRIVATE
  FAKE_BACKEND="$<TARGET_FILE:apir-fake-backend>" HALF_BACKEND="$<TARGET_FILE:apir-half-backend>")
add_dependencies(upstream-foreign-test apir-fake-backend apir-half-backend)
