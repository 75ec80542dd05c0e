// SPDX-License-Identifier: Apache-2.0
//
// See done.h. A file cannot be moved on the condition that it is the one: it is looked at before and after, and put
// back when it was another.
#include "agents/done.h"

#include "agents/digest.h"
#include "agents/refused.h"
#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_NAME_BYTES_MAX 240 // in done/: what is put behind it has room in a name of 255
#define STEM_BYTES_MAX 200
#define EXTENSION_BYTES_MAX 16

// Where the name's extension begins; what is longer is none.
static size_t extension_of(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot == NULL || dot == name || strlen(dot) > EXTENSION_BYTES_MAX ? strlen(name) : (size_t)(dot - name);
}

// Whether a file may be kept by its own name: answers go into files beside it, whose names are longer, and are nobody
// else's.
static bool may_keep_name(const char *name) {
    return strlen(name) <= KEPT_NAME_BYTES_MAX && !refused_is_name(name);
}

// Whether another file has this name in done/, or its answers the name that these ones' would have.
static int is_taken(Spool *spool, const char *source, const char *name, bool *ret) {
    char twin[300];
    int64_t taken, twin_taken = 0;
    int r = ledger_kept_name_taken(spool, source, name, &taken);
    if (r == 0 && refused_twin(name, twin))
        r = ledger_kept_name_taken(spool, source, twin, &twin_taken);
    *ret = taken != 0 || twin_taken != 0;
    return r;
}

int done_choose_name(const Drop *drop, Spool *spool, Origin *origin) {
    char path[DROP_PATH_BYTES];
    struct stat stat_;
    snprintf(origin->kept_name, sizeof origin->kept_name, "%s", origin->name);
    size_t dot = extension_of(origin->name);
    int stem = dot > STEM_BYTES_MAX ? STEM_BYTES_MAX : (int)dot;
    for (unsigned n = 0;; n++) {
        bool taken;
        int r = is_taken(spool, origin->source, origin->kept_name, &taken);
        if (r < 0)
            return r;
        drop_path(drop, true, origin->kept_name, path);
        if (!taken && may_keep_name(origin->kept_name) && lstat(path, &stat_) != 0)
            return 0;
        snprintf(origin->kept_name, sizeof origin->kept_name, "%.*s-%02x%02x%02x%02x%.*u%s", stem, origin->name,
                 origin->hash[0], origin->hash[1], origin->hash[2], origin->hash[3], n > 0 ? 1 : 0, n,
                 origin->name + dot);
    }
}

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
