/* The files behind a machine's memory are its front end's, which may cut them short, or whose disk may be full: then
 * the kernel sends SIGBUS to whoever touches what is gone. Without this that is the end of the daemon, and of all other
 * machines. With it the memory in question is replaced by zeros and called lost; its door then parts with the machine. */
#ifndef APIR_ATTACH_MEMORY_GUARD_H
#define APIR_ATTACH_MEMORY_GUARD_H

#include "attach/memory.h"

/* Handles SIGBUS, for the whole process: for programs, not for libraries. A SIGBUS that is about no watched memory ends the
 * process as before. 0 or -errno. */
int apir_memory_guard_install(void);

/* This thread, in which SIGBUS is not blocked, uses that memory (borrowed) and no other; NULL: none any more. */
void apir_memory_guard_watch(struct apir_memory *memory);

#endif
