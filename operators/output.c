// SPDX-License-Identifier: Apache-2.0
//
// See output.h.
#include "operators/output.h"
#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Whatever it is called there, and through whichever link.
static bool is_same(const struct stat *file, const char *path) {
    struct stat other;
    return stat(path, &other) == 0 && other.st_dev == file->st_dev && other.st_ino == file->st_ino;
}

static int check(const char *path, const char *const *inputs) {
    struct stat file;
    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return 0;
    for (; *inputs; inputs++)
        if (is_same(&file, *inputs))
            return error_fail(ERROR_CONFIG, "--out: %s is what is read (%s): name another file", path, *inputs);
    return 0;
}

int output_open(FILE **ret, const char *path, const char *const *inputs) {
    *ret = NULL;
    int r = check(path, inputs);
    if (r < 0)
        return r;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    *ret = fd < 0 ? NULL : fdopen(fd, "w");
    if (*ret)
        return 0;
    r = error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return r;
}
