// SPDX-License-Identifier: Apache-2.0
//
// See drop.h. Whether a file is still being written is asked of the kernel: it grants a read lease only on a file that
// nobody has open for writing. Where there are no leases, a file must not have changed for two seconds. The folder is
// listed as a whole only at first and when inotify has lost events; later the names that it tells are looked at.
#include "agents/drop.h"

#include "proto/base/error.h"

#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_NS (2LL * 1000 * 1000 * 1000)
#define SETTLE_POLL_MS 500

struct Drop {
    char *directory, *done, *pattern;
    int inotify;
    bool whole;      // the whole folder is to be listed
    bool young;      // of the names told, one may still be growing, and no event will tell
    zhashx_t *names; // to be looked at
    zhashx_t *known; // DropFile by name: told, and not let go
    DropFile *files;
    size_t n, size;
};

static int drop_open(Drop *drop) {
    if (drop->directory == NULL || drop->pattern == NULL || drop->names == NULL ||
        asprintf(&drop->done, "%s/done", drop->directory) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    if (access(drop->directory, R_OK | W_OK | X_OK) != 0)
        return error_fail(ERROR_CONFIG, "the drop folder %s cannot be used: %s", drop->directory, strerror(errno));
    if (mkdir(drop->done, 0750) != 0 && errno != EEXIST)
        return error_fail(ERROR_CONFIG, "cannot make %s: %s", drop->done, strerror(errno));
    if (access(drop->done, R_OK | W_OK | X_OK) != 0)
        return error_fail(ERROR_CONFIG, "%s cannot be used: %s", drop->done, strerror(errno));
    drop->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (drop->inotify < 0 || inotify_add_watch(drop->inotify, drop->directory, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch %s: %s", drop->directory, strerror(errno));
    return 0;
}

int drop_new(Drop **ret, const char *directory, const char *pattern) {
    Drop *drop = calloc(1, sizeof *drop);
    if (drop == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    drop->inotify = -1;
    drop->whole = true;
    drop->directory = strdup(directory);
    drop->pattern = strdup(pattern);
    drop->names = zhashx_new();
    int r = drop_files_new(&drop->known);
    if (r == 0)
        r = drop_open(drop);
    if (r < 0) {
        drop_destroy(&drop);
        return r;
    }
    *ret = drop;
    return 0;
}

void drop_destroy(Drop **drop) {
    if (*drop == NULL)
        return;
    if ((*drop)->inotify >= 0)
        close((*drop)->inotify);
    free((*drop)->directory);
    free((*drop)->done);
    free((*drop)->pattern);
    free((*drop)->files);
    zhashx_destroy(&(*drop)->names);
    zhashx_destroy(&(*drop)->known);
    free(*drop);
    *drop = NULL;
}

int drop_fd(const Drop *drop) {
    return drop->inotify;
}

const char *drop_done(const Drop *drop) {
    return drop->done;
}

static void take_events(Drop *drop, const char *buffer, size_t n) {
    for (size_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        if (event->mask & IN_Q_OVERFLOW)
            drop->whole = true;
        else if (event->len > 0)
            zhashx_update(drop->names, event->name, drop);
        at += sizeof *event + event->len;
    }
    // So many names are better listed than remembered.
    if (zhashx_size(drop->names) > DROP_FILES_MAX)
        drop->whole = true;
    if (drop->whole)
        zhashx_purge(drop->names);
}

bool drop_has_news(Drop *drop) {
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while ((n = read(drop->inotify, buffer, sizeof buffer)) > 0)
        take_events(drop, buffer, (size_t)n);
    return drop->whole || zhashx_size(drop->names) > 0;
}

void drop_let_go(Drop *drop, const char *name) {
    zhashx_delete(drop->known, name);
}

void drop_again(Drop *drop, const char *name) {
    drop_let_go(drop, name);
    zhashx_update(drop->names, name, drop);
}

void drop_forget(Drop *drop) {
    zhashx_purge(drop->known);
    zhashx_purge(drop->names);
    drop->whole = true;
}

int drop_wait_ms(const Drop *drop) {
    return drop->young ? SETTLE_POLL_MS : -1;
}

void drop_path(const Drop *drop, bool done, const char *name, char out[DROP_PATH_BYTES]) {
    snprintf(out, DROP_PATH_BYTES, "%s/%s", done ? drop->done : drop->directory, name);
}

void drop_file_of(const char *name, const struct stat *stat, DropFile *ret) {
    *ret = (DropFile){.inode = stat->st_ino,
                      .bytes = (uint64_t)stat->st_size,
                      .changed_ns = stat->st_mtim.tv_sec * 1000000000LL + stat->st_mtim.tv_nsec};
    snprintf(ret->name, sizeof ret->name, "%s", name);
}

bool drop_file_same(const DropFile *a, const DropFile *b) {
    return a->inode == b->inode && a->bytes == b->bytes && a->changed_ns == b->changed_ns &&
           strcmp(a->name, b->name) == 0;
}

static void file_free(void **item) {
    free(*item);
    *item = NULL;
}

int drop_files_new(zhashx_t **ret) {
    *ret = zhashx_new();
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    zhashx_set_destructor(*ret, file_free);
    return 0;
}

int drop_files_put(zhashx_t *files, const char *key, const DropFile *file) {
    DropFile *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    *copy = *file;
    zhashx_update(files, key, copy);
    return 0;
}

// Whether nobody is writing to it any more.
static bool is_settled(Drop *drop, int fd, const DropFile *file) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return true;
    }
    if (errno == EAGAIN)
        return false; // closing it will be an event
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec * 1000000000LL + now.tv_nsec - file->changed_ns >= SETTLE_NS)
        return true;
    zhashx_update(drop->names, file->name, drop);
    drop->young = true;
    return false;
}

static int drop_add(Drop *drop, const DropFile *file) {
    if (drop->n == drop->size) {
        size_t size = drop->size == 0 ? 64 : 2 * drop->size;
        DropFile *files = realloc(drop->files, size * sizeof *files);
        if (files == NULL)
            return error_fail(ERROR_MEMORY, "no memory for a drop folder");
        drop->files = files;
        drop->size = size;
    }
    drop->files[drop->n++] = *file;
    return drop_files_put(drop->known, file->name, file);
}

// Adds the file when it is a complete regular file of the pattern. What vanishes meanwhile is no error.
static int drop_look(Drop *drop, int directory, const char *name) {
    if (name[0] == '.' || strlen(name) >= sizeof drop->files->name || fnmatch(drop->pattern, name, 0) != 0)
        return 0;
    struct stat stat;
    DropFile file;
    const DropFile *known = zhashx_lookup(drop->known, name);
    if (known != NULL && fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
        drop_file_of(name, &stat, &file);
        if (drop_file_same(known, &file))
            return 0;
    }
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    int r = 0;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        drop_file_of(name, &stat, &file);
        if (is_settled(drop, fd, &file))
            r = drop_add(drop, &file);
    }
    close(fd);
    return r;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const DropFile *)a)->name, ((const DropFile *)b)->name);
}

static int look_at_all(Drop *drop, DIR *directory) {
    int r = 0;
    drop->whole = false;
    for (struct dirent *entry; r == 0 && drop->n < DROP_FILES_MAX && (entry = readdir(directory)) != NULL;)
        r = drop_look(drop, dirfd(directory), entry->d_name);
    drop->whole = drop->n == DROP_FILES_MAX;
    return r;
}

static int look_at_names(Drop *drop, DIR *directory, zhashx_t *names) {
    int r = 0;
    for (void *item = zhashx_first(names); item != NULL && r == 0; item = zhashx_next(names))
        r = drop_look(drop, dirfd(directory), zhashx_cursor(names));
    return r;
}

int drop_scan(Drop *drop, const DropFile **ret, size_t *ret_n) {
    (void)drop_has_news(drop);
    DIR *directory = opendir(drop->directory);
    if (directory == NULL)
        return error_fail(ERROR_SYSTEM, "cannot list %s: %s", drop->directory, strerror(errno));
    zhashx_t *names = drop->names, *young = zhashx_new();
    int r = young == NULL ? error_fail(ERROR_MEMORY, "no memory for a drop folder") : 0;
    if (r == 0) {
        drop->names = young; // what is too young comes again
        drop->young = false;
        drop->n = 0;
        r = drop->whole ? look_at_all(drop, directory) : look_at_names(drop, directory, names);
        zhashx_destroy(&names);
    }
    closedir(directory);
    if (r < 0) {
        drop_forget(drop);
        return r;
    }
    if (drop->n > 0)
        qsort(drop->files, drop->n, sizeof *drop->files, compare);
    *ret = drop->files;
    *ret_n = drop->n;
    return 0;
}
