// SPDX-License-Identifier: Apache-2.0
//
// The end is all that is read of it.
#include "agents/heads_file.h"

#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_BYTES (2 * COSIGNED_LINE_BYTES_MAX)

struct HeadsFile {
    char *path, *evidence;
    int fd;
    off_t size;
    bool any, was_torn;
    Cosigned last;
};

static int fail(const char *path, const char *what) {
    return error_fail(ERROR_SYSTEM, "%s: cannot %s: %s%s", path, what, strerror(errno), error_advice(errno));
}

static int sync_directory(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = directory == NULL ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(directory);
    return done ? 0 : fail(path, "sync its directory");
}

static int open_append(const char *path, int *ret_fd, off_t *ret_size) {
    struct stat status;
    *ret_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (*ret_fd < 0)
        return error_fail(ERROR_CONFIG, "%s: cannot be opened: %s%s", path, strerror(errno), error_advice(errno));
    if (flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? error_fail(ERROR_CONFIG, "%s: another process writes to it", path)
                                    : fail(path, "lock it");
    if (fstat(*ret_fd, &status) < 0)
        return fail(path, "look at it");
    *ret_size = status.st_size;
    return status.st_size == 0 ? sync_directory(path) : 0;
}

// A line's beginning in text[0, n), where text[n] is its end or what comes behind it.
static const char *line_begin(const char *text, size_t n) {
    const char *newline = n == 0 ? NULL : memrchr(text, '\n', n);
    return newline == NULL ? text : newline + 1;
}

static int not_ours(const HeadsFile *file) {
    return error_fail(ERROR_CONFIG,
                      "%s: its end is no line of co-signed heads. Nothing was changed: restore it from a copy, or name "
                      "another file",
                      file->path);
}

// A file of somebody else's may have no line's end, too: a key, say.
static bool is_begun(const char *text, size_t n) {
    static const char BEGIN[] = "{\"number\":";
    size_t most = sizeof BEGIN - 1;
    return memcmp(text, BEGIN, n < most ? n : most) == 0;
}

// What comes behind the last line's end was never said to be there.
static int repair(HeadsFile *file, size_t torn) {
    file->size -= (off_t)torn;
    file->was_torn = true;
    return ftruncate(file->fd, file->size) == 0 && fsync(file->fd) == 0 ? 0 : fail(file->path, "repair its end");
}

static int read_end(HeadsFile *file) {
    char tail[TAIL_BYTES];
    size_t n = file->size < (off_t)sizeof tail ? (size_t)file->size : sizeof tail;
    ssize_t got = pread(file->fd, tail, n, file->size - (off_t)n);
    if (got != (ssize_t)n)
        return fail(file->path, "read it");
    size_t whole = (size_t)(line_begin(tail, n) - tail);
    if (whole == 0 && (file->size > (off_t)n || !is_begun(tail, n)))
        return not_ours(file);
    if (whole > 0) {
        const char *begin = line_begin(tail, whole - 1);
        int r = cosigned_read(begin, (size_t)(tail + whole - 1 - begin), &file->last);
        if (r != 0)
            return r < 0 ? r : not_ours(file);
        file->any = true;
    }
    return whole == n ? 0 : repair(file, n - whole);
}

int heads_file_open(HeadsFile **ret, const char *path) {
    CLEANUP(heads_file_close) HeadsFile *file = calloc(1, sizeof *file);
    if (file == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a file of heads");
    file->fd = -1;
    file->path = strdup(path);
    if (file->path == NULL || asprintf(&file->evidence, "%s.evidence", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a file of heads");
    int r = open_append(path, &file->fd, &file->size);
    if (r == 0)
        r = read_end(file);
    if (r < 0)
        return r;
    *ret = file;
    file = NULL;
    return 0;
}

void heads_file_close(HeadsFile **file) {
    if (*file == NULL)
        return;
    if ((*file)->fd >= 0)
        close((*file)->fd);
    free((*file)->path);
    free((*file)->evidence);
    free(*file);
    *file = NULL;
}

const Cosigned *heads_file_last(const HeadsFile *file) {
    return file->any ? &file->last : NULL;
}

bool heads_file_was_torn(const HeadsFile *file) {
    return file->was_torn;
}

static int append(const char *path, int fd, off_t *size, const Bytes *bytes) {
    size_t done = 0;
    while (done < bytes->n) {
        ssize_t n = write(fd, bytes->data + done, bytes->n - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    if (done == bytes->n && fsync(fd) == 0) {
        *size += (off_t)done;
        return 0;
    }
    int r = fail(path, "write to it");
    return ftruncate(fd, *size) == 0 ? r : error_context(r, "%s: what was written of it stays", path);
}

int heads_file_append(HeadsFile *file, const Bytes *line) {
    return append(file->path, file->fd, &file->size, line);
}

int heads_file_keep_evidence(HeadsFile *file, const Bytes *lines, const char **ret_path) {
    int fd = -1;
    off_t size = 0;
    int r = open_append(file->evidence, &fd, &size);
    if (r == 0)
        r = append(file->evidence, fd, &size, lines);
    if (fd >= 0)
        close(fd);
    *ret_path = file->evidence;
    return r;
}
