# What must run on systems other than Linux: the executor, the wire, the POSIX part of the server, and
# libggml-virtgpu-backend. It is compiled once more, as POSIX has it, with headers of Linux that are errors.

set(APIR_LINUX_HEADERS
  asm/types.h linux/futex.h linux/memfd.h linux/types.h linux/udmabuf.h linux/vhost.h linux/virtio_gpu.h linux/virtio_ids.h
  sys/epoll.h sys/eventfd.h sys/inotify.h sys/memfd.h sys/prctl.h sys/random.h sys/sendfile.h sys/signalfd.h
  sys/syscall.h sys/sysinfo.h sys/timerfd.h malloc.h)
foreach(header ${APIR_LINUX_HEADERS})
  file(WRITE ${CMAKE_BINARY_DIR}/no-linux/${header} "#error ${header} is not POSIX\n")
endforeach()

set(src ${CMAKE_SOURCE_DIR}/src)
file(GLOB executor CONFIGURE_DEPENDS ${src}/executor/*.c)
list(REMOVE_ITEM executor ${src}/executor/library-directory.c) # dladdr()

set(generated ${CMAKE_BINARY_DIR}/generated)

add_library(apir-posix OBJECT
  ${executor}
  ${src}/util/arena.c ${src}/util/limits.c ${src}/util/clock.c ${src}/util/log.c ${src}/util/path-list.c
  ${src}/util/zero.c
  ${src}/wire/capset.c ${src}/wire/cs.c
  ${src}/server/object.c ${src}/server/shm.c
  ${src}/upstream/bounds-posix.c ${src}/upstream/component.c ${src}/upstream/component-context.c
  ${generated}/apir-codec/apir-codec.c ${generated}/apir-dispatch/apir-dispatch.c
  ${generated}/apir-upstream-codec/apir-upstream-codec.c ${generated}/apir-upstream-dispatch/apir-upstream-dispatch.c)
add_dependencies(apir-posix apir-dispatch apir-upstream-dispatch)
target_include_directories(apir-posix BEFORE PRIVATE ${CMAKE_BINARY_DIR}/no-linux)
target_compile_definitions(apir-posix PRIVATE _POSIX_C_SOURCE=200809L)
target_compile_options(apir-posix PRIVATE $<TARGET_PROPERTY:apir-flags,INTERFACE_COMPILE_OPTIONS>)
target_link_libraries(apir-posix PRIVATE apir-component) # for the folders that it sees; nothing is linked
