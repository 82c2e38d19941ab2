# The samples through the generated code.
apir_test(upstream-vectors-test SOURCES vectors-test.c vectors-codec.c vectors-layout.c DEPENDS apir-upstream-codec)
target_include_directories(upstream-vectors-test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/..)
target_compile_definitions(upstream-vectors-test PRIVATE
  VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors"
  PRINTS="${CMAKE_CURRENT_SOURCE_DIR}/vectors-prints.txt")
