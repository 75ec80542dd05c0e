// SPDX-License-Identifier: Apache-2.0
//
// What a sink asks of the disk: a file that cannot be made, a write of which half arrives before the disk is full, a
// sync, a rename, a truncation or a removal that fails.
#include "tests/failing/failing_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>

static int refuse(int why) {
    errno = why;
    return -1;
}

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n) {
    if (!fail_now(FAIL_FILE))
        return __real_write(fd, data, n);
    (void)!__real_write(fd, data, n / 2);
    return refuse(ENOSPC);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    return fail_now(FAIL_FILE) ? refuse(EIO) : __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    return fail_now(FAIL_FILE) ? refuse(EIO) : __real_fdatasync(fd);
}

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new) {
    return fail_now(FAIL_FILE) ? refuse(EIO) : __real_renameat(from, old, to, new);
}

int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags) {
    return fail_now(FAIL_FILE) ? refuse(EIO) : __real_unlinkat(directory, name, flags);
}

int __real_ftruncate64(int fd, off64_t n);
int __wrap_ftruncate64(int fd, off64_t n);
int __wrap_ftruncate64(int fd, off64_t n) {
    return fail_now(FAIL_FILE) ? refuse(EIO) : __real_ftruncate64(fd, n);
}

int __real_openat64(int directory, const char *name, int flags, ...);
int __wrap_openat64(int directory, const char *name, int flags, ...);
int __wrap_openat64(int directory, const char *name, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fail_now(FAIL_FILE) ? refuse(EMFILE) : __real_openat64(directory, name, flags, mode);
}
