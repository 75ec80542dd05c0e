// SPDX-License-Identifier: Apache-2.0
//
// A folder that files are dropped into: which of them are complete, each told once, and news of more by inotify. What a
// change costs does not grow with the number of files that lie there. Once a minute it is listed by names and sizes,
// for what inotify does not tell of: files that another machine writes. Knows nothing of what is in them.
#pragma once

#include "proto/base/clock.h"

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DROP_FILES_MAX 100000 // told by one scan; the rest waits for the next
#define DROP_LIST_MS 60000    // from one listing of the folder to the next

typedef struct DropFile {
    char name[256];
    uint64_t inode;
    uint64_t bytes;
    int64_t changed_ns;
} DropFile;

typedef struct Drop Drop;

// Makes DIRECTORY/done. ERROR_CONFIG when the folder is missing or cannot be written.
int drop_new(Drop **ret, const char *directory, const char *pattern);
void drop_destroy(Drop **drop);
// Instead of the machine's own clock. It must live as long as the drop.
void drop_use_clock(Drop *drop, const Clock *clock);
int drop_fd(const Drop *drop);
// True when there is something to look at: at first, after something happened in the folder, after drop_again(), while
// a file there was too young to be taken, and every DROP_LIST_MS.
bool drop_has_news(Drop *drop);
// How long to wait for a file that may still be growing, or for the next listing, where only that tells of one whether
// it is; -1 when there is none. Two listings at most are waited for: what changes from one to the next is being
// written.
int drop_wait_ms(const Drop *drop);
// Lists the complete files that were not told yet, sorted by name. *ret lives until the next scan. ERROR_SYSTEM. What
// was put here by link() is complete two seconds later, and what no event told of when two listings found it the same;
// where no leases are granted, one that was opened as soon as it was created, when its closing is told or all listings
// of an hour found it the same.
int drop_scan(Drop *drop, const DropFile **ret, size_t *ret_n);
// Whether the scans so far have told all that lay here and was complete when the whole folder was listed last: at
// first, after drop_forget(), and when events were lost.
bool drop_has_told_all(const Drop *drop);
// One that the last scan found open for writing, or that may be, and that no earlier one had since the name was there,
// as a sentence that says what it waits for; NULL when there is none. Closing it is news.
#define DROP_BUSY_BYTES 512
const char *drop_busy(Drop *drop);
// One that cannot be opened, or was set aside, as a sentence that says why; NULL when there is none. It is tried again
// every ten seconds.
#define DROP_BLOCKED_BYTES 400
const char *drop_blocked(Drop *drop);
// To be called for each file of the folder that is opened elsewhere: that is an event, too, and the kernel keeps only
// so many.
void drop_note_open(Drop *drop);
// Is done with the file of this name: the next one of that name is another.
void drop_let_go(Drop *drop, const char *name);
// The same, and looks at what bears the name now.
void drop_again(Drop *drop, const char *name);
// Looks at what bears the name now; it is told unless it is what was told last by this name.
void drop_look_at(Drop *drop, const char *name);
// One that was told, and that its reader can do nothing with for now: `why` goes on behind its name. The sentence ends
// with its being told again.
void drop_set_aside(Drop *drop, const char *name, const char *why);
// Forgets all that was told: the whole folder is news.
void drop_forget(Drop *drop);

const char *drop_done(const Drop *drop); // path of done/
// Before something is put there: its keeper may have put it away with all that was in it. ERROR_SYSTEM.
int drop_make_done(const Drop *drop);
// Path of a file in the folder, or in done/. 4096 bytes.
#define DROP_PATH_BYTES 4096
void drop_path(const Drop *drop, bool done, const char *name, char out[DROP_PATH_BYTES]);

void drop_file_of(const char *name, const struct stat *stat, DropFile *ret);
bool drop_file_same(const DropFile *a, const DropFile *b);
int drop_file_order(const void *a, const void *b); // of two DropFiles, as a scan sorts them
// A table of copies of files, which go with it.
int drop_files_new(zhashx_t **ret);
int drop_files_put(zhashx_t *files, const char *key, const DropFile *file);
