# libggml-virtgpu-backend.so in the hands of a small renderer.
apir_test(upstream-component-test SOURCES component-test.c component-caller.c rss.c
  DEPENDS apir-upstream-codec PkgConfig::GGML Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(upstream-component-test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
  ${CMAKE_BINARY_DIR}/include-views/upstream ${CMAKE_CURRENT_SOURCE_DIR}/..)
target_compile_definitions(upstream-component-test PRIVATE COMPONENT="$<TARGET_FILE:ggml-virtgpu-backend>")
add_dependencies(upstream-component-test ggml-virtgpu-backend)

foreach(system linux posix)
  apir_test(upstream-bounds-${system}-test
    SOURCES component-bounds-test.c ${CMAKE_SOURCE_DIR}/src/upstream/bounds-${system}.c)
  target_include_directories(upstream-bounds-${system}-test PRIVATE ${CMAKE_BINARY_DIR}/include-views/upstream)
endforeach()
