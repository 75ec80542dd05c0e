// SPDX-License-Identifier: Apache-2.0
//
// A pidfd makes its end an event to wait for like any other.
#include "agents/child.h"

#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_MS 1000

extern char **environ;

struct Child {
    pid_t pid;
    int pidfd, in, out; // its standard input and output; -1: closed
    bool ended;
    siginfo_t end;
};

typedef struct Pipes {
    int in[2], out[2];
} Pipes;

static void pair_close(int pair[2]) {
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

// Its own signals, its own group, and of our files only the two pipes and what it is to hold.
static int spawn(Child *child, char *const *argv, const Pipes *pipes, int held_fd) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int r = posix_spawn_file_actions_adddup2(&files, pipes->in[0], STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&files, pipes->out[1], STDOUT_FILENO);
    if (r == 0 && held_fd >= 0) // onto itself: it is not closed
        r = posix_spawn_file_actions_adddup2(&files, held_fd, held_fd);
    if (r == 0)
        r = posix_spawnp(&child->pid, argv[0], &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

static int start(Child *child, char *const *argv, Pipes *pipes, int held_fd) {
    if (pipe2(pipes->in, O_CLOEXEC) < 0 || pipe2(pipes->out, O_CLOEXEC) < 0)
        return error_fail(ERROR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    int wrong = spawn(child, argv, pipes, held_fd);
    if (wrong != 0) {
        child->pid = 0;
        return error_fail(ERROR_CONFIG, "%s: cannot be run: %s", argv[0], strerror(wrong));
    }
    child->pidfd = pidfd_open(child->pid, 0);
    child->in = pipes->in[1];
    child->out = pipes->out[0];
    pipes->in[1] = pipes->out[0] = -1;
    if (child->pidfd < 0 || fcntl(child->in, F_SETFL, O_NONBLOCK) < 0 || fcntl(child->out, F_SETFL, O_NONBLOCK) < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch %s: %s", argv[0], strerror(errno));
    return 0;
}

int child_start(Child **ret, char *const *argv, int held_fd) {
    Child *child = calloc(1, sizeof *child);
    if (!child)
        return error_fail(ERROR_MEMORY, "no memory for a child process");
    child->pidfd = child->in = child->out = -1;
    Pipes pipes = {{-1, -1}, {-1, -1}};
    int r = start(child, argv, &pipes, held_fd);
    pair_close(pipes.in);
    pair_close(pipes.out);
    if (r < 0)
        child_end(&child, 0);
    *ret = child;
    return r;
}

// True once it has ended. It is not reaped yet, so that its number stays its own.
static bool end_await(Child *child, int64_t wait_ms) {
    int64_t until_ms = clock_monotonic_ms(clock_system()) + wait_ms, left_ms = wait_ms;
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
    while (!child->ended && poll(&end, 1, left_ms > 0 ? (int)left_ms : 0) < 0 && errno == EINTR)
        left_ms = until_ms - clock_monotonic_ms(clock_system());
    if (!child->ended)
        child->ended =
            waitid(P_PID, (id_t)child->pid, &child->end, WEXITED | WNOHANG | WNOWAIT) == 0 && child->end.si_pid != 0;
    return child->ended;
}

static void one_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void child_end(Child **child, int64_t grace_ms) {
    Child *one = *child;
    if (!one)
        return;
    one_close(&one->in);
    if (one->pid > 0) {
        if (!end_await(one, grace_ms)) {
            kill(-one->pid, SIGTERM);
            end_await(one, KILL_AFTER_MS);
        }
        kill(-one->pid, SIGKILL); // and whatever it has left behind
        waitid(P_PID, (id_t)one->pid, &one->end, WEXITED);
    }
    one_close(&one->out);
    one_close(&one->pidfd);
    free(one);
    *child = NULL;
}

// 0 took some; 1 cannot now; 2 closed.
static int give(Child *child, ChildTalk *talk) {
    ssize_t n = write(child->in, talk->give, talk->n);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : 2;
    talk->give += n;
    talk->n -= (size_t)n;
    return 0;
}

static int take(Child *child, ChildTalk *talk) {
    ssize_t n = read(child->out, talk->take, talk->take_size);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : 2;
    talk->took = (size_t)n;
    return n == 0 ? 2 : 0;
}

int child_talk(Child *child, ChildTalk *talk, int wait_ms) {
    struct pollfd ends[2] = {{.fd = child->out, .events = POLLIN}, {.fd = child->in, .events = talk->n ? POLLOUT : 0}};
    talk->took = 0;
    if (poll(ends, 2, wait_ms) <= 0)
        return 1;
    int took = ends[0].revents ? take(child, talk) : 1;
    int gave = ends[1].revents & POLLOUT ? give(child, talk) : 1;
    if (ends[1].revents & POLLERR)
        gave = 2;
    // What it said last is heard before it is found to be gone.
    if (took == 0)
        return 0;
    return took == 2 || gave == 2 ? 2 : gave;
}

void child_how(Child *child, int wait_ms, char out[64]) {
    if (!end_await(child, wait_ms))
        snprintf(out, 64, "closed its input or output");
    else if (child->end.si_code == CLD_EXITED)
        snprintf(out, 64, "ended with exit code %d", child->end.si_status);
    else
        snprintf(out, 64, "was killed by signal %d (%.24s)", child->end.si_status, strsignal(child->end.si_status));
}
