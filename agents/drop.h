// SPDX-License-Identifier: Apache-2.0
//
// A folder that files are dropped into: which of them are complete, in the order of their names, and news of more by
// inotify. Knows nothing of what is in them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DROP_FILES_MAX 100000 // looked at in one scan; the rest waits for the next

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
int drop_fd(const Drop *drop);
// True when something has happened in the folder since the last scan, or a file there was too young to be taken.
bool drop_has_news(Drop *drop);
// How long to wait for a file that may still be growing; -1 when there is none.
int drop_wait_ms(const Drop *drop);
// Lists the complete files afresh, sorted by name. *ret lives until the next scan. ERROR_SYSTEM.
int drop_scan(Drop *drop, const DropFile **ret, size_t *ret_n);

const char *drop_done(const Drop *drop); // path of done/
// Path of a file in the folder, or in done/. 4096 bytes.
#define DROP_PATH_BYTES 4096
void drop_path(const Drop *drop, bool done, const char *name, char out[DROP_PATH_BYTES]);

void drop_file_of(const char *name, const struct stat *stat, DropFile *ret);
bool drop_file_same(const DropFile *a, const DropFile *b);
// SHA-256 of all that can be read from fd, which is wound back to its start. ERROR_SYSTEM, ERROR_CRYPTO.
int drop_hash(int fd, uint8_t out[32]);
