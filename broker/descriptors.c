// SPDX-License-Identifier: Apache-2.0
//
// A connection's descriptor is the lowest that is free; one near the limit tells that there are few others.
#include "broker/descriptors.h"

#include "proto/bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void descriptors_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool is_reserved(int fd) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + DESCRIPTORS_RESERVED >= limit.rlim_cur;
}

bool descriptors_are_short(void) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    bool are_short = fd >= 0 ? is_reserved(fd) : errno == EMFILE;
    if (fd >= 0)
        close(fd);
    return are_short;
}

// libc's, for libzmq. ECONNABORTED is what a peer causes who went away again, and libzmq waits for the next.
int accept4(int listener, struct sockaddr *address, socklen_t *n, int flags) {
    int fd = (int)syscall(SYS_accept4, listener, address, n, flags);
    if (fd < 0 || !is_reserved(fd))
        return fd;
    close(fd);
    errno = ECONNABORTED;
    return -1;
}
