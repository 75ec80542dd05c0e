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
#define BLOCKED_NS (10LL * 1000 * 1000 * 1000)

struct Drop {
    char *directory, *done, *pattern;
    int inotify;
    bool whole;         // the whole folder is to be listed
    bool young;         // of the names told, one may still be growing, and no event will tell
    zhashx_t *names;    // to be looked at
    zhashx_t *known;    // DropFile by name: told, and not let go
    zhashx_t *busy;     // open for writing, and noticed
    zhashx_t *blocked;  // cannot be opened: a sentence by name
    int64_t blocked_ns; // when they were tried last (monotonic)
    char new_busy[256];
    DropFile *files;
    size_t n, size;
};

static void file_free(void **item) {
    free(*item);
    *item = NULL;
}

// Again and again, since a folder may be taken away and come back.
static int drop_watch(Drop *drop) {
    if (inotify_add_watch(drop->inotify, drop->directory, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch %s: %s", drop->directory, strerror(errno));
    if (mkdir(drop->done, 0750) != 0 && errno != EEXIST)
        return error_fail(ERROR_SYSTEM, "cannot make %s: %s", drop->done, strerror(errno));
    return 0;
}

static int drop_open(Drop *drop) {
    if (drop->directory == NULL || drop->pattern == NULL || drop->names == NULL || drop->busy == NULL ||
        drop->blocked == NULL || asprintf(&drop->done, "%s/done", drop->directory) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    if (access(drop->directory, R_OK | W_OK | X_OK) != 0)
        return error_fail(ERROR_CONFIG, "the drop folder %s cannot be used: %s", drop->directory, strerror(errno));
    drop->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (drop->inotify < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch %s: %s", drop->directory, strerror(errno));
    int r = drop_watch(drop);
    if (r == 0 && access(drop->done, R_OK | W_OK | X_OK) != 0)
        r = error_fail(ERROR_CONFIG, "%s cannot be used: %s", drop->done, strerror(errno));
    return r < 0 ? ERROR_CONFIG : 0;
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
    drop->busy = zhashx_new();
    drop->blocked = zhashx_new();
    if (drop->blocked != NULL)
        zhashx_set_destructor(drop->blocked, file_free);
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
    zhashx_destroy(&(*drop)->busy);
    zhashx_destroy(&(*drop)->blocked);
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
        if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED))
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

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// No event tells that a file may be opened now.
static void try_blocked(Drop *drop) {
    if (zhashx_size(drop->blocked) == 0 || monotonic_ns() - drop->blocked_ns < BLOCKED_NS)
        return;
    for (void *item = zhashx_first(drop->blocked); item != NULL; item = zhashx_next(drop->blocked))
        zhashx_update(drop->names, zhashx_cursor(drop->blocked), drop);
    drop->blocked_ns = monotonic_ns();
}

bool drop_has_news(Drop *drop) {
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while ((n = read(drop->inotify, buffer, sizeof buffer)) > 0)
        take_events(drop, buffer, (size_t)n);
    try_blocked(drop);
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
    if (errno == EAGAIN) { // closing it will be an event
        if (zhashx_insert(drop->busy, file->name, drop) == 0)
            snprintf(drop->new_busy, sizeof drop->new_busy, "%s", file->name);
        return false;
    }
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

static void note_blocked(Drop *drop, const char *name, int why) {
    if (why == ENOENT)
        return;
    if (zhashx_size(drop->blocked) == 0)
        drop->blocked_ns = monotonic_ns();
    char sentence[DROP_BLOCKED_BYTES];
    snprintf(sentence, sizeof sentence, "%s cannot be opened: %s", name,
             why == ELOOP ? "it is a symbolic link; put the file itself here" : strerror(why));
    zhashx_update(drop->blocked, name, strdup(sentence));
}

// Adds the file when it is a complete regular file of the pattern. What vanishes meanwhile is no error.
static int drop_look(Drop *drop, int directory, const char *name) {
    if (name[0] == '.' || strlen(name) >= sizeof drop->files->name || fnmatch(drop->pattern, name, FNM_CASEFOLD) != 0)
        return 0;
    zhashx_delete(drop->blocked, name);
    struct stat stat;
    DropFile file;
    const DropFile *known = zhashx_lookup(drop->known, name);
    if (known != NULL && fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
        drop_file_of(name, &stat, &file);
        if (drop_file_same(known, &file))
            return 0;
    }
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) {
        note_blocked(drop, name, errno);
        return 0;
    }
    int r = 0;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        drop_file_of(name, &stat, &file);
        if (is_settled(drop, fd, &file)) {
            zhashx_delete(drop->busy, name);
            r = drop_add(drop, &file);
        }
    }
    close(fd);
    return r;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const DropFile *)a)->name, ((const DropFile *)b)->name);
}

static int look_at_all(Drop *drop, DIR *directory) {
    int r = drop_watch(drop);
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

const char *drop_busy(Drop *drop) {
    return drop->new_busy[0] != 0 ? drop->new_busy : NULL;
}

const char *drop_blocked(Drop *drop) {
    return zhashx_first(drop->blocked);
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
        drop->new_busy[0] = 0;
        if (drop->whole)
            zhashx_purge(drop->blocked);
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
