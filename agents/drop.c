// SPDX-License-Identifier: Apache-2.0
//
// See drop.h. Whether a file is still being written is asked of the kernel: it grants a read lease only on a file that
// nobody has open for writing. Where there are no leases, a file must not have changed for two seconds. The folder is
// listed as a whole at first and when inotify has lost events; later the names that it tells are looked at.
//
// Not all is told by a closing or a renaming. What link() puts here is only created, as a file is that is going to be
// written: that one is opened at once. What another machine writes over a network is not told at all. So the folder is
// listed every minute, too, and what nothing told of is taken when two listings find it the same. No such file is taken
// while it is known to be open for writing; nor, where there are no leases, one that was opened right after it was
// created, before all listings of an hour found it the same: whether it was to be read or written is not told, and its
// closing may be lost.
#include "agents/drop.h"

#include "proto/base/clock.h"
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
#include <sys/vfs.h>
#include <unistd.h>

#define SETTLE_MS 2000
#define SETTLE_POLL_MS 500
#define OPENED_MAX_MS 3600000
#define BLOCKED_MS 10000
#define OPENED_AT_ONCE 1024 // opening is an event, too, of which the kernel keeps some thousands

// What IN_CREATE told of, and neither a closing nor a renaming yet.
typedef struct Made {
    int64_t at_ms;
    bool opened;    // soon after: it is being written, until a closing tells otherwise
    bool ripe;      // it was not: it was linked to here
    uint64_t bytes; // as a listing found it last, and since when
    int64_t changed_ns, since_ms;
} Made;

struct Drop {
    char *directory, *done, *pattern;
    const Clock *clock;
    int inotify;
    bool whole;         // the whole folder is to be listed
    bool lost;          // since events were lost: of what is there, one may be being written
    bool young;         // of the names told, one may still be growing, and no event will tell
    zhashx_t *names;    // to be looked at
    zhashx_t *made;     // Made by name
    zhashx_t *seen;     // DropFile by name: what the last listing found and nothing told of
    zhashx_t *known;    // DropFile by name: told, and not let go
    zhashx_t *busy;     // open for writing, and noticed
    zhashx_t *unsure;   // nobody can tell whether it is: left to listings
    zhashx_t *blocked;  // cannot be opened, or was set aside: a sentence by name
    int64_t blocked_ms; // when they were tried last
    int64_t list_ms;    // when the next listing is due
    int64_t whole_ms;   // when the whole folder was listed last
    bool told_all;      // and what was complete then is told
    char new_busy[DROP_BUSY_BYTES];
    DropFile *files;
    size_t n, size, n_opened;
};

static void file_free(void **item) {
    free(*item);
    *item = NULL;
}

static int64_t now_ms(const Drop *drop) {
    return clock_monotonic_ms(drop->clock);
}

int drop_make_done(const Drop *drop) {
    return mkdir(drop->done, 0750) == 0 || errno == EEXIST
               ? 0
               : error_fail(ERROR_SYSTEM, "cannot make %s: %s", drop->done, strerror(errno));
}

// Again and again, since a folder may be taken away and come back.
static int drop_watch(Drop *drop) {
    if (inotify_add_watch(drop->inotify, drop->directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_OPEN) < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch %s: %s", drop->directory, strerror(errno));
    return drop_make_done(drop);
}

static int drop_open(Drop *drop) {
    if (drop->directory == NULL || drop->pattern == NULL || drop->names == NULL || drop->made == NULL ||
        drop->busy == NULL || drop->unsure == NULL || drop->blocked == NULL ||
        asprintf(&drop->done, "%s/done", drop->directory) < 0)
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
    drop->clock = clock_system();
    drop->inotify = -1;
    drop->whole = true;
    drop->directory = strdup(directory);
    drop->pattern = strdup(pattern);
    drop->names = zhashx_new();
    drop->made = zhashx_new();
    drop->busy = zhashx_new();
    drop->unsure = zhashx_new();
    drop->blocked = zhashx_new();
    if (drop->made != NULL)
        zhashx_set_destructor(drop->made, file_free);
    if (drop->blocked != NULL)
        zhashx_set_destructor(drop->blocked, file_free);
    int r = drop_files_new(&drop->known);
    if (r == 0)
        r = drop_files_new(&drop->seen);
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
    zhashx_destroy(&(*drop)->made);
    zhashx_destroy(&(*drop)->seen);
    zhashx_destroy(&(*drop)->busy);
    zhashx_destroy(&(*drop)->unsure);
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

void drop_use_clock(Drop *drop, const Clock *clock) {
    drop->clock = clock;
}

// ---- what inotify tells ----

static bool is_meant(const Drop *drop, const char *name) {
    return name[0] != '.' && strlen(name) < sizeof drop->files->name && fnmatch(drop->pattern, name, FNM_CASEFOLD) == 0;
}

// So many as are not remembered are found by the next listing.
static void note_made(Drop *drop, const char *name) {
    Made *made = is_meant(drop, name) && zhashx_size(drop->made) < DROP_FILES_MAX ? calloc(1, sizeof *made) : NULL;
    if (made == NULL)
        return;
    made->at_ms = now_ms(drop);
    zhashx_update(drop->made, name, made);
}

static void take_event(Drop *drop, const struct inotify_event *event) {
    Made *made = event->len > 0 ? zhashx_lookup(drop->made, event->name) : NULL;
    if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) {
        drop->whole = true;
        drop->lost = drop->lost || event->mask & IN_Q_OVERFLOW;
    } else if (event->len == 0) {
        return;
    } else if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) {
        zhashx_delete(drop->made, event->name);
        zhashx_update(drop->names, event->name, drop);
    } else if (event->mask & IN_ISDIR) {
        return;
    } else if (event->mask & IN_CREATE) {
        note_made(drop, event->name);
    } else if (made != NULL && !made->ripe) {
        made->opened = true;
    }
}

static void take_events(Drop *drop) {
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while ((n = read(drop->inotify, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
            take_event(drop, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    // So many names are better listed than remembered.
    if (zhashx_size(drop->names) > DROP_FILES_MAX)
        drop->whole = true;
    if (drop->whole)
        zhashx_purge(drop->names);
}

// No event tells that a file may be opened now.
static void try_blocked(Drop *drop) {
    if (zhashx_size(drop->blocked) == 0 || now_ms(drop) - drop->blocked_ms < BLOCKED_MS)
        return;
    for (void *item = zhashx_first(drop->blocked); item != NULL; item = zhashx_next(drop->blocked))
        zhashx_update(drop->names, zhashx_cursor(drop->blocked), drop);
    drop->blocked_ms = now_ms(drop);
}

// Nor that what was created will not be opened.
static void try_made(Drop *drop) {
    int64_t now = now_ms(drop);
    for (Made *made = zhashx_first(drop->made); made != NULL; made = zhashx_next(drop->made)) {
        if (made->opened || made->ripe || now - made->at_ms < SETTLE_MS)
            continue;
        made->ripe = true;
        zhashx_update(drop->names, zhashx_cursor(drop->made), drop);
    }
}

static bool is_listing_due(const Drop *drop) {
    return now_ms(drop) >= drop->list_ms;
}

bool drop_has_news(Drop *drop) {
    take_events(drop);
    try_blocked(drop);
    try_made(drop);
    return drop->whole || zhashx_size(drop->names) > 0 || is_listing_due(drop);
}

void drop_let_go(Drop *drop, const char *name) {
    zhashx_delete(drop->known, name);
}

void drop_again(Drop *drop, const char *name) {
    drop_let_go(drop, name);
    zhashx_update(drop->names, name, drop);
}

void drop_note_open(Drop *drop) {
    if (++drop->n_opened % OPENED_AT_ONCE == 0)
        take_events(drop);
}

void drop_look_at(Drop *drop, const char *name) {
    zhashx_update(drop->names, name, drop);
}

void drop_forget(Drop *drop) {
    zhashx_purge(drop->known);
    zhashx_purge(drop->names);
    drop->whole = true;
}

int drop_wait_ms(const Drop *drop) {
    if (drop->young || zhashx_size(drop->unsure) == 0)
        return drop->young ? SETTLE_POLL_MS : -1;
    int64_t left = drop->list_ms - now_ms(drop);
    return left > SETTLE_POLL_MS ? (int)left : SETTLE_POLL_MS;
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

int drop_file_order(const void *a, const void *b) {
    return strcmp(((const DropFile *)a)->name, ((const DropFile *)b)->name);
}

int drop_files_put(zhashx_t *files, const char *key, const DropFile *file) {
    DropFile *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    *copy = *file;
    zhashx_update(files, key, copy);
    return 0;
}

// ---- looking at files ----

// Where a lease is refused also when nobody here has the file open: the server did not say that it tells of others.
static bool is_remote(int fd) {
    static const unsigned KINDS[] = {0x6969, 0x517B, 0xFF534D42, 0xFE534D42}; // NFS, SMB, CIFS, SMB2: linux/magic.h
    struct statfs in;
    if (fstatfs(fd, &in) != 0)
        return false;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if ((unsigned)in.f_type == KINDS[i])
            return true;
    return false;
}

typedef enum Writers {
    WRITERS_NONE,
    WRITERS_SOME,
    WRITERS_UNKNOWN,
} Writers;

static Writers writers_of(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN ? WRITERS_SOME : WRITERS_UNKNOWN;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return WRITERS_NONE;
}

#define OPEN "is still open for writing; it is read when that ends"
#define OPEN_ELSEWHERE "may be open for writing on another machine; it is read when it stayed the same for a minute"
#define OPENED                                                                                                         \
    "was opened as soon as it was created, and nothing told yet that writing ended; it is read when that is told, or " \
    "when it has not changed for an hour"

static void note_busy(Drop *drop, const char *name, const char *why) {
    if (zhashx_insert(drop->busy, name, drop) == 0)
        snprintf(drop->new_busy, sizeof drop->new_busy, "%s %s", name, why);
}

// Whether nobody is writing to a file that a closing or a renaming told of, or that was created, or was here before.
static bool is_settled(Drop *drop, int fd, const DropFile *file) {
    Writers writers = writers_of(fd);
    bool open = writers == WRITERS_SOME && !is_remote(fd);
    if (writers == WRITERS_SOME) // closing it will be an event, here
        note_busy(drop, file->name, open ? OPEN : OPEN_ELSEWHERE);
    if (writers == WRITERS_NONE || open)
        return writers == WRITERS_NONE;
    const Made *made = zhashx_lookup(drop->made, file->name);
    if (writers == WRITERS_SOME || drop->lost || made != NULL) { // listings are to find it the same
        if (made == NULL || !made->opened)
            zhashx_insert(drop->unsure, file->name, drop);
        return false;
    }
    if (clock_now_us(drop->clock) * 1000 - file->changed_ns >= SETTLE_MS * 1000000LL)
        return true;
    zhashx_update(drop->names, file->name, drop);
    drop->young = true;
    return false;
}

// Whether a file that was opened as soon as it was created may still be being written.
static bool may_be_written(const Drop *drop, Made *made, const DropFile *file) {
    if (made == NULL || !made->opened)
        return false;
    if (made->bytes != file->bytes || made->changed_ns != file->changed_ns) {
        made->bytes = file->bytes;
        made->changed_ns = file->changed_ns;
        made->since_ms = now_ms(drop);
    }
    return now_ms(drop) - made->since_ms < OPENED_MAX_MS;
}

// The same of a file that two listings found the same, and nothing told of. When a file that was read before is written
// to, its closing tells, and so does that of one that was seen to be opened: but not from another machine.
static bool is_left_alone(Drop *drop, int fd, const DropFile *file) {
    bool remote = is_remote(fd);
    Writers writers = writers_of(fd);
    if (writers == WRITERS_NONE)
        return true;
    bool open = writers == WRITERS_SOME && !remote;
    if (open || may_be_written(drop, zhashx_lookup(drop->made, file->name), file)) {
        note_busy(drop, file->name, open ? OPEN : OPENED);
        return false;
    }
    return remote || zhashx_lookup(drop->known, file->name) == NULL;
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

static void block(Drop *drop, const char *name, const char *why) {
    if (zhashx_size(drop->blocked) == 0)
        drop->blocked_ms = now_ms(drop);
    char sentence[DROP_BLOCKED_BYTES];
    snprintf(sentence, sizeof sentence, "%s %s", name, why);
    zhashx_update(drop->blocked, name, strdup(sentence));
}

static void note_blocked(Drop *drop, const char *name, int why) {
    char sentence[DROP_BLOCKED_BYTES];
    if (why == ENOENT)
        return;
    snprintf(sentence, sizeof sentence, "cannot be opened: %s",
             why == ELOOP ? "it is a symbolic link; put the file itself here" : strerror(why));
    block(drop, name, sentence);
}

void drop_set_aside(Drop *drop, const char *name, const char *why) {
    drop_let_go(drop, name);
    block(drop, name, why);
}

static bool is_known(Drop *drop, int directory, const char *name) {
    struct stat stat;
    DropFile file;
    const DropFile *known = zhashx_lookup(drop->known, name);
    if (known == NULL || fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    drop_file_of(name, &stat, &file);
    return drop_file_same(known, &file);
}

typedef bool (*MayTake)(Drop *drop, int fd, const DropFile *file);

// Adds the file when it is a regular one, and may be taken. What vanishes meanwhile is no error.
static int open_and_add(Drop *drop, int directory, const char *name, MayTake may_take) {
    struct stat stat;
    DropFile file;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) {
        note_blocked(drop, name, errno);
        return 0;
    }
    drop_note_open(drop);
    int r = 0;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        drop_file_of(name, &stat, &file);
        if (may_take(drop, fd, &file)) {
            zhashx_delete(drop->busy, name);
            zhashx_delete(drop->made, name);
            r = drop_add(drop, &file);
        }
    }
    close(fd);
    return r;
}

// What has just been created may be about to be opened.
static bool is_fresh(Drop *drop, int directory, const char *name) {
    struct stat stat;
    const Made *made = zhashx_lookup(drop->made, name);
    return made != NULL && !made->opened && !made->ripe && fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(stat.st_mode);
}

static int drop_look(Drop *drop, int directory, const char *name) {
    if (!is_meant(drop, name) || is_fresh(drop, directory, name))
        return 0;
    zhashx_delete(drop->blocked, name);
    zhashx_delete(drop->unsure, name);
    return is_known(drop, directory, name) ? 0 : open_and_add(drop, directory, name, is_settled);
}

static bool is_same_and_left_alone(Drop *drop, int fd, const DropFile *file) {
    const DropFile *seen = zhashx_lookup(drop->seen, file->name);
    return seen != NULL && drop_file_same(seen, file) && is_left_alone(drop, fd, file);
}

// Looks at a name of a listing, which goes to found.
static int drop_list(Drop *drop, int directory, const char *name, zhashx_t *found) {
    struct stat stat;
    DropFile file;
    // What is blocked has its own time.
    if (!is_meant(drop, name) || zhashx_lookup(drop->blocked, name) != NULL || is_known(drop, directory, name) ||
        fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    drop_file_of(name, &stat, &file);
    int r = drop_files_put(found, name, &file);
    const DropFile *seen = zhashx_lookup(drop->seen, name);
    return r < 0 || seen == NULL || !drop_file_same(seen, &file)
               ? r
               : open_and_add(drop, directory, name, is_same_and_left_alone);
}

static int look_at_all(Drop *drop, DIR *directory) {
    int r = drop_watch(drop);
    drop->whole = false;
    for (struct dirent *entry; r == 0 && drop->n < DROP_FILES_MAX && (entry = readdir(directory)) != NULL;)
        r = drop_look(drop, dirfd(directory), entry->d_name);
    drop->whole = drop->whole || drop->n == DROP_FILES_MAX;
    drop->lost = drop->lost && (drop->whole || r < 0);
    return r;
}

// Takes the names out that are not there any more.
static int forget_gone(zhashx_t *of, int directory) {
    struct stat stat;
    zlistx_t *names = zhashx_keys(of);
    if (names == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    for (const char *name = zlistx_first(names); name != NULL; name = zlistx_next(names))
        if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
            zhashx_delete(of, name);
    zlistx_destroy(&names);
    return 0;
}

// What the last listing found, too, was taken by this one, or changes: then it is being written. Nor is there anything
// to wait for where none found it.
static int forget_sure(Drop *drop, zhashx_t *found) {
    zlistx_t *names = zhashx_keys(drop->unsure);
    if (names == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    for (const char *name = zlistx_first(names); name != NULL; name = zlistx_next(names))
        if (zhashx_lookup(found, name) == NULL || zhashx_lookup(drop->seen, name) != NULL)
            zhashx_delete(drop->unsure, name);
    zlistx_destroy(&names);
    return 0;
}

static int look_for_untold(Drop *drop, DIR *directory) {
    zhashx_t *found = NULL;
    int r = drop_watch(drop);
    if (r == 0)
        r = forget_gone(drop->made, dirfd(directory));
    if (r == 0)
        r = forget_gone(drop->busy, dirfd(directory));
    if (r == 0)
        r = drop_files_new(&found);
    for (struct dirent *entry; r == 0 && drop->n < DROP_FILES_MAX && (entry = readdir(directory)) != NULL;)
        r = drop_list(drop, dirfd(directory), entry->d_name, found);
    if (r == 0)
        r = forget_sure(drop, found);
    if (r < 0) {
        zhashx_destroy(&found);
        return r;
    }
    zhashx_destroy(&drop->seen);
    drop->seen = found;
    return 0;
}

static int look_at_names(Drop *drop, DIR *directory, zhashx_t *names) {
    int r = 0;
    for (void *item = zhashx_first(names); item != NULL && r == 0; item = zhashx_next(names))
        r = drop_look(drop, dirfd(directory), zhashx_cursor(names));
    return r;
}

bool drop_has_told_all(const Drop *drop) {
    return drop->told_all;
}

const char *drop_busy(Drop *drop) {
    return drop->new_busy[0] != 0 ? drop->new_busy : NULL;
}

const char *drop_blocked(Drop *drop) {
    return zhashx_first(drop->blocked);
}

// What a scan that fails found is found by the next one. What was told before stays told, or it would be read twice.
static void untell(Drop *drop) {
    while (drop->n > 0)
        drop_let_go(drop, drop->files[--drop->n].name);
    drop->whole = true;
}

int drop_scan(Drop *drop, const DropFile **ret, size_t *ret_n) {
    (void)drop_has_news(drop);
    DIR *directory = opendir(drop->directory);
    if (directory == NULL)
        return error_fail(ERROR_SYSTEM, "cannot list %s: %s", drop->directory, strerror(errno));
    zhashx_t *names = drop->names, *young = zhashx_new();
    drop->n = 0;
    int r = young == NULL ? error_fail(ERROR_MEMORY, "no memory for a drop folder") : 0;
    if (r == 0) {
        drop->names = young; // what is too young comes again
        drop->young = false;
        drop->new_busy[0] = 0;
        if (drop->whole) {
            zhashx_purge(drop->blocked);
            zhashx_purge(drop->unsure);
        }
        bool all = drop->whole, due = is_listing_due(drop);
        r = all ? look_at_all(drop, directory) : look_at_names(drop, directory, names);
        zhashx_destroy(&names);
        if (r == 0 && due && !all)
            r = look_for_untold(drop, directory);
        if (all || due)
            drop->list_ms = now_ms(drop) + DROP_LIST_MS;
        if (all)
            drop->whole_ms = now_ms(drop);
        // What was too young then is not any more, or was written to since.
        drop->told_all = r == 0 && !drop->whole && now_ms(drop) - drop->whole_ms > SETTLE_MS;
    }
    closedir(directory);
    take_events(drop); // its own, which are no news
    if (r < 0) {
        untell(drop);
        return r;
    }
    if (drop->n > 0)
        qsort(drop->files, drop->n, sizeof *drop->files, drop_file_order);
    *ret = drop->files;
    *ret_n = drop->n;
    return 0;
}
