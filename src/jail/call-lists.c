#include "jail/call-lists.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "jail/jail.h"

#define CALLS(group, list) {group, list, sizeof list / sizeof *list}

/* Numbers of headers that not all systems have. */
#define O_TMPFILE_BIT 020000000
#define SET_VMA 0x53564d41                   /* PR_SET_VMA: names for anonymous memory, which glibc gives */
#define CLONE_THREAD_FLAGS UINT64_C(0x3d0f00) /* what every C library passes for a thread */
#define CLONE_OPTIONAL UINT64_C(0x400000)     /* CLONE_DETACHED, of musl; means nothing */

#define ALL UINT64_MAX
#define WORD UINT64_C(0xffffffff) /* the kernel looks at no more of an int */

/* Memory, threads, time; what is open already; what a process may ask about itself. */
static const int always[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fadvise64), SCMP_SYS(fstatfs),
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(mlock2),
    SCMP_SYS(munlock), SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
    SCMP_SYS(set_tid_address), SCMP_SYS(arch_prctl),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(pause), SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_getattr), SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getpriority),
    SCMP_SYS(getcpu), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(alarm), SCMP_SYS(getitimer),
    SCMP_SYS(setitimer), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getgroups), SCMP_SYS(getpgrp), SCMP_SYS(getpgid),
    SCMP_SYS(getsid), SCMP_SYS(getrlimit), SCMP_SYS(capget), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),
    SCMP_SYS(eventfd), SCMP_SYS(pipe2), SCMP_SYS(pipe), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
    SCMP_SYS(sendto), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const int opening[] = {
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statfs),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
};

static const int code[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};

static const int nvidia[] = {
    SCMP_SYS(process_madvise), SCMP_SYS(get_mempolicy), SCMP_SYS(mbind), SCMP_SYS(set_mempolicy), SCMP_SYS(fallocate),
    SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_delete),
};

static const int network[] = {
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), /* bind: for netlink, by getaddrinfo() */
};

static const int confine[] = {
    SCMP_SYS(seccomp), SCMP_SYS(prctl), SCMP_SYS(capset), SCMP_SYS(prlimit64), SCMP_SYS(setrlimit),
    SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self),
};

static const int own_user[] = {SCMP_SYS(sched_setaffinity)};

/* What glibc, Mesa, OpenMP and the like try, and go on without. */
static const int refused[] = {
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statfs),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
    SCMP_SYS(openat2), SCMP_SYS(connect), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam), SCMP_SYS(sched_setattr),
    SCMP_SYS(setpriority), SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy), SCMP_SYS(mbind), SCMP_SYS(move_pages),
    SCMP_SYS(mlockall), SCMP_SYS(personality), SCMP_SYS(kill), SCMP_SYS(vfork), SCMP_SYS(fork), SCMP_SYS(socketpair),
    SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(flock), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(creat),
    SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(utimensat), SCMP_SYS(umask), SCMP_SYS(fsync),
    SCMP_SYS(fdatasync), SCMP_SYS(fallocate), SCMP_SYS(capset), SCMP_SYS(setrlimit), SCMP_SYS(kcmp),
    SCMP_SYS(landlock_create_ruleset), SCMP_SYS(timer_create), SCMP_SYS(sethostname), SCMP_SYS(process_madvise),
};

static const struct apir_call_list lists[] = {
    CALLS(APIR_CALLS_ALWAYS, always),
    CALLS(APIR_JAIL_CALLS_OPEN, opening),
    CALLS(APIR_JAIL_CALLS_CODE, code),
    CALLS(APIR_JAIL_CALLS_NVIDIA, nvidia),
    CALLS(APIR_JAIL_CALLS_NETWORK, network),
    CALLS(APIR_JAIL_CALLS_CONFINE, confine),
    CALLS(APIR_CALLS_OWN_USER, own_user),
    CALLS(APIR_CALLS_REFUSED, refused),
};

/* An ioctl's type is its second byte; those of drivers say in the top bits that something is read or written, those of
 * terminals and the like with the same type do not. */
#define IOCTL(group, type) {group, SCMP_SYS(ioctl), 1, 0xff00, (uint64_t)(type) << 8}
#define IOCTL_DATA(group, type) \
    {group, SCMP_SYS(ioctl), 1, 0xc000ff00, 0x40000000 | (uint64_t)(type) << 8}, \
    {group, SCMP_SYS(ioctl), 1, 0xc000ff00, 0x80000000 | (uint64_t)(type) << 8}, \
    {group, SCMP_SYS(ioctl), 1, 0xc000ff00, 0xc0000000 | (uint64_t)(type) << 8}

static const struct apir_call_condition conditions[] = {
    {APIR_CALLS_ALWAYS, SCMP_SYS(mmap), 2, PROT_EXEC, 0},
    {APIR_CALLS_ALWAYS, SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
    {APIR_CALLS_ALWAYS, SCMP_SYS(clone), 0, ~CLONE_OPTIONAL, CLONE_THREAD_FLAGS},
    {APIR_CALLS_ALWAYS, SCMP_SYS(sched_setaffinity), 0, WORD, 0}, /* the calling thread */
    {APIR_CALLS_ALWAYS, SCMP_SYS(prlimit64), 2, ALL, 0},          /* no new limits */
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, PR_SET_NAME},
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, PR_GET_NAME},
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, SET_VMA},
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, PR_GET_DUMPABLE},
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, PR_CAPBSET_READ},
    {APIR_CALLS_ALWAYS, SCMP_SYS(prctl), 0, WORD, PR_GET_NO_NEW_PRIVS},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_DUPFD},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_DUPFD_CLOEXEC},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_GETFD},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_SETFD},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_GETFL},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, F_SETFL},
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, 1033}, /* F_ADD_SEALS */
    {APIR_CALLS_ALWAYS, SCMP_SYS(fcntl), 1, WORD, 1034}, /* F_GET_SEALS */

    {APIR_JAIL_CALLS_OPEN, SCMP_SYS(open), 1, O_CREAT | O_TMPFILE_BIT | O_ACCMODE, O_RDONLY},
    {APIR_JAIL_CALLS_OPEN, SCMP_SYS(openat), 2, O_CREAT | O_TMPFILE_BIT | O_ACCMODE, O_RDONLY},
    {APIR_JAIL_CALLS_DEVICES, SCMP_SYS(open), 1, O_CREAT | O_TMPFILE_BIT, 0},
    {APIR_JAIL_CALLS_DEVICES, SCMP_SYS(openat), 2, O_CREAT | O_TMPFILE_BIT, 0},

    IOCTL(APIR_JAIL_CALLS_DEVICES, 'd'),      /* DRM, and accelerators */
    IOCTL_DATA(APIR_JAIL_CALLS_DEVICES, 'b'), /* dma-buf */
    IOCTL_DATA(APIR_JAIL_CALLS_DEVICES, '>'), /* sync files */
    IOCTL_DATA(APIR_JAIL_CALLS_DEVICES, 'K'), /* AMD's /dev/kfd */
    IOCTL_DATA(APIR_JAIL_CALLS_DEVICES, 'G'), /* /dev/dxg */
    IOCTL_DATA(APIR_JAIL_CALLS_NVIDIA, 'F'),
    IOCTL(APIR_JAIL_CALLS_NVIDIA, 0), /* those of nvidia-uvm have no type */

    {APIR_JAIL_CALLS_NETWORK, SCMP_SYS(socket), 0, WORD, AF_INET},
    {APIR_JAIL_CALLS_NETWORK, SCMP_SYS(socket), 0, WORD, AF_INET6},
    {APIR_JAIL_CALLS_NETWORK, SCMP_SYS(socket), 0, WORD, AF_NETLINK},
    {APIR_JAIL_CALLS_NETWORK, SCMP_SYS(ioctl), 1, WORD, 0x541b}, /* FIONREAD, by the resolver */
};

const struct apir_call_list *apir_call_lists(size_t *n)
{
    *n = sizeof lists / sizeof *lists;
    return lists;
}

const struct apir_call_condition *apir_call_conditions(size_t *n)
{
    *n = sizeof conditions / sizeof *conditions;
    return conditions;
}
