// SPDX-License-Identifier: Apache-2.0
//
// See done.h. A file cannot be moved on the condition that it is the one: it is looked at before and after, and put
// back when it was another.
#include "agents/done.h"

#include "agents/digest.h"
#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_the_file(const char *path, const DropFile *file, DropFile *ret_now) {
    struct stat stat_;
    *ret_now = (DropFile){0};
    if (stat(path, &stat_) == 0)
        drop_file_of(file->name, &stat_, ret_now);
    return drop_file_same(ret_now, file);
}

// There are file systems in which a file that is moved is another one from then on, or was changed just then.
static bool has_its_bytes(const char *path, const DropFile *file, const Origin *origin) {
    struct stat stat_;
    uint8_t hash[DIGEST_BYTES];
    Digest *digest = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool same = fd >= 0 && fstat(fd, &stat_) == 0 && S_ISREG(stat_.st_mode) && (uint64_t)stat_.st_size == file->bytes &&
                digest_new(&digest) == 0 && digest_read(digest, fd, SIZE_MAX) == 0 && digest_end(digest, hash) == 0 &&
                memcmp(hash, origin->hash, sizeof hash) == 0;
    digest_destroy(&digest);
    if (fd >= 0)
        close(fd);
    return same;
}

// As rename(), and EEXIST when something has that name.
static int rename_to_free(const char *from, const char *to) {
    struct stat stat_;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) == 0) // it cannot be had on every file system
        return unlink(from);
    if (errno == EEXIST)
        return -1;
    if (lstat(to, &stat_) != 0) // nor can this: as near to it as there is
        return rename(from, to);
    errno = EEXIST;
    return -1;
}

int done_move(const Drop *drop, const DropFile *file, const Origin *origin, DropFile *ret_now) {
    char from[DROP_PATH_BYTES], to[DROP_PATH_BYTES];
    drop_path(drop, false, file->name, from);
    drop_path(drop, true, origin->kept_name, to);
    if (!is_the_file(from, file, ret_now))
        return DONE_REPLACED;
    int r = drop_make_done(drop);
    if (r < 0)
        return r;
    if (rename(from, to) != 0)
        return error_fail(ERROR_SYSTEM, "cannot move %s to %s: %s", from, to, strerror(errno));
    if (is_the_file(to, file, ret_now) || has_its_bytes(to, file, origin))
        return DONE_MOVED;
    if (rename_to_free(to, from) == 0)
        return DONE_REPLACED;
    return errno == EEXIST ? DONE_TWICE
                           : error_fail(ERROR_SYSTEM, "cannot move %s back to %s: %s", to, from, strerror(errno));
}
