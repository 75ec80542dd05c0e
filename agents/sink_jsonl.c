// SPDX-License-Identifier: Apache-2.0
//
// Order of a commit: data, fsync; then `position` (place_file.h). Whatever is interrupted, the old position or the new
// one stands, and names a length up to which the data is on disk. A missing or damaged position beside data is never
// guessed at.
#include "agents/sink_jsonl.h"

#include "agents/place_file.h"
#include "agents/snapshot_place.h"
#include "proto/base/error.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256ULL * 1024 * 1024)
#define WRITE_BYTES (256 * 1024) // buffered before it is given to the kernel

typedef struct Jsonl {
    Sink sink;
    const RecordOrigin *origin; // of the next record
    uint64_t file_bytes_max;
    int64_t file_us_max; // 0: any age
    RecordFormat format;
    const Clock *clock;
    char *path; // of the directory, for messages
    int directory;
    int file;                // -1: to be opened
    unsigned number;         // of the file
    int64_t begun_us;        // it was made
    uint64_t durable;        // its length as of the position file
    uint64_t written;        // given to the kernel
    unsigned durable_number; // the file that the position file names
    SinkPlace place;
    PlaceFile *position;
    SinkSnapshot snapshot; // that is being taken; mark 0: none
    Bytes buffer;
} Jsonl;

static int fail_system(const Jsonl *jsonl, const char *what) {
    return error_fail(ERROR_SYSTEM, "%s: cannot %s: %s%s", jsonl->path, what, strerror(errno), error_advice(errno));
}

static void file_name(const Jsonl *jsonl, unsigned number, char out[32]) {
    snprintf(out, 32, "records-%06u.%s", number, record_format_suffix(jsonl->format));
}

// 0 when the name is not one of ours.
static unsigned file_number(const Jsonl *jsonl, const char *name) {
    unsigned number;
    char again[32];
    if (sscanf(name, "records-%u.", &number) != 1)
        return 0;
    file_name(jsonl, number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

// ---- the position file -----------------------------------------------------------------------------------------

static int all_write(int file, const void *data, size_t n) {
    for (const uint8_t *at = data; n;) {
        ssize_t wrote = write(file, at, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        at += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

// snapshot: NULL for none.
static int position_write(Jsonl *jsonl, const SinkPlace *place, const SinkSnapshot *snapshot) {
    char more[PLACE_MORE_BYTES], name[32];
    file_name(jsonl, jsonl->number, name);
    int n = snprintf(more, sizeof more, "file %s\nbytes %" PRIu64 "\n", name, jsonl->written);
    if (snapshot)
        snapshot_place_print(snapshot, more + n, sizeof more - (size_t)n);
    int r = place_file_write(jsonl->position, place, more);
    if (r < 0)
        return r;
    jsonl->place = *place;
    jsonl->snapshot = snapshot ? *snapshot : (SinkSnapshot){0};
    jsonl->durable = jsonl->written;
    jsonl->durable_number = jsonl->number;
    return 0;
}

static int fail_damaged(const Jsonl *jsonl, const char *what) {
    return error_fail(
        ERROR_CONFIG,
        "%s: %s. Nothing was changed. Restore the directory as a whole from a copy, or receive everything again into a "
        "new, empty directory",
        jsonl->path, what);
}

// 1 when there is no position file.
static int position_read(Jsonl *jsonl) {
    char more[PLACE_MORE_BYTES], name[32];
    int end = 0;
    int r = place_file_read(jsonl->position, &jsonl->place, more);
    if (r != 0 && r != 2)
        return r;
    if (r == 2 || sscanf(more, "file %31s\nbytes %" SCNu64 "\n%n", name, &jsonl->durable, &end) != 2 ||
        snapshot_place_read(more + end, &jsonl->snapshot) != 0)
        return fail_damaged(jsonl, "the file \"position\" is damaged, or of another version");
    jsonl->number = jsonl->durable_number = file_number(jsonl, name);
    if (jsonl->number == 0)
        return error_fail(ERROR_CONFIG, "%s: its records are in another format (%s); name a new directory for this one",
                          jsonl->path, name);
    return 0;
}

// ---- what a crash leaves ------------------------------------------------------------------------------------------

// Removes (number > 0: files after it; their content was never acknowledged) or only looks. The greatest file number
// seen, 0 for none; ERROR_SYSTEM.
static int files_after(Jsonl *jsonl, unsigned number, bool remove_them) {
    int copy = dup(jsonl->directory);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list) {
        if (copy >= 0)
            close(copy);
        return fail_system(jsonl, "list the directory");
    }
    rewinddir(list);
    int greatest = 0;
    for (struct dirent *one; (one = readdir(list));) {
        unsigned found = file_number(jsonl, one->d_name);
        if (found <= number)
            continue;
        greatest = (int)found > greatest ? (int)found : greatest;
        if (remove_them && unlinkat(jsonl->directory, one->d_name, 0) < 0) {
            greatest = fail_system(jsonl, "remove a file that was never acknowledged");
            break;
        }
    }
    closedir(list);
    return greatest;
}

// A file that should hold data is not made anew.
static int file_open(Jsonl *jsonl, uint64_t bytes) {
    char name[32];
    file_name(jsonl, jsonl->number, name);
    jsonl->file = openat(jsonl->directory, name, O_WRONLY | O_APPEND | O_CLOEXEC | (bytes ? 0 : O_CREAT), 0600);
    if (jsonl->file < 0 && errno == ENOENT)
        return fail_damaged(jsonl, "the data file that the file \"position\" names is missing");
    if (jsonl->file < 0)
        return fail_system(jsonl, "open a data file");
    struct statx status;
    bool known = statx(jsonl->file, "", AT_EMPTY_PATH, STATX_BTIME, &status) == 0 && (status.stx_mask & STATX_BTIME);
    jsonl->begun_us = known ? status.stx_btime.tv_sec * 1000000LL : clock_now_us(jsonl->clock);
    return 0;
}

// Back to what the position file says.
static int truncate_back(Jsonl *jsonl) {
    if (jsonl->file >= 0)
        close(jsonl->file);
    jsonl->number = jsonl->durable_number;
    int r = file_open(jsonl, jsonl->durable);
    if (r < 0)
        return r;
    struct stat status;
    if (fstat(jsonl->file, &status) < 0)
        return fail_system(jsonl, "look at a data file");
    if ((uint64_t)status.st_size < jsonl->durable)
        return fail_damaged(jsonl, "a data file is shorter than the file \"position\" says");
    if (ftruncate(jsonl->file, (off_t)jsonl->durable) < 0)
        return fail_system(jsonl, "cut what was not acknowledged");
    jsonl->written = jsonl->durable;
    r = files_after(jsonl, jsonl->number, true);
    return r < 0 ? r : 0;
}

static int jsonl_begin(Sink *sink, SinkPlace *ret) {
    Jsonl *jsonl = (Jsonl *)sink;
    bytes_clear(&jsonl->buffer);
    int r = truncate_back(jsonl);
    if (r < 0)
        return r;
    *ret = jsonl->place;
    return jsonl->place.position == 0 ? 1 : 0;
}

// ---- writing ------------------------------------------------------------------------------------------------------

static int jsonl_grant(Sink *sink, char *const *fields, size_t n) {
    return record_format_grant(((Jsonl *)sink)->format, fields, n);
}

static int flush(Jsonl *jsonl) {
    if (jsonl->buffer.failed)
        return error_fail(ERROR_MEMORY, "no memory for records");
    if (all_write(jsonl->file, jsonl->buffer.data, jsonl->buffer.n) < 0)
        return fail_system(jsonl, "write records");
    jsonl->written += jsonl->buffer.n;
    bytes_clear(&jsonl->buffer);
    return 0;
}

static void jsonl_prove(Sink *sink, const RecordOrigin *origin) {
    ((Jsonl *)sink)->origin = origin;
}

static int jsonl_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Jsonl *jsonl = (Jsonl *)sink;
    const RecordOrigin *origin = jsonl->origin;
    jsonl->origin = NULL;
    int r = record_format_append(jsonl->format, record, origin, &jsonl->buffer);
    return r == 0 && jsonl->buffer.n >= WRITE_BYTES ? flush(jsonl) : r;
}

// The next commit's records begin a new file once this one is long or old enough. The position names the new one
// before it is there: from then on nothing needs the old one.
static int rotate(Jsonl *jsonl) {
    bool is_old = jsonl->file_us_max && clock_now_us(jsonl->clock) - jsonl->begun_us >= jsonl->file_us_max;
    if (jsonl->written < jsonl->file_bytes_max && (!is_old || jsonl->written == 0))
        return 0;
    close(jsonl->file);
    jsonl->file = -1;
    jsonl->number++;
    jsonl->written = 0;
    SinkPlace place = jsonl->place;
    SinkSnapshot snapshot = jsonl->snapshot;
    int r = position_write(jsonl, &place, snapshot.mark ? &snapshot : NULL);
    return r < 0 ? r : file_open(jsonl, 0);
}

static int all_commit(Jsonl *jsonl, const SinkPlace *place, const SinkSnapshot *snapshot) {
    int r = flush(jsonl);
    if (r < 0)
        return r;
    bool grown = jsonl->written != jsonl->durable || jsonl->number != jsonl->durable_number;
    if (grown && fdatasync(jsonl->file) < 0)
        return fail_system(jsonl, "make records durable");
    r = position_write(jsonl, place, snapshot);
    return r < 0 ? r : rotate(jsonl);
}

static int jsonl_commit(Sink *sink, const SinkPlace *place) {
    return all_commit((Jsonl *)sink, place, NULL);
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

static int jsonl_find(Sink *sink, SinkSnapshot *ret) {
    *ret = ((Jsonl *)sink)->snapshot;
    return ret->mark ? 0 : 1;
}

static int jsonl_snapshot_begin(Sink *sink, const SinkSnapshot *snapshot) {
    Jsonl *jsonl = (Jsonl *)sink;
    if (jsonl->format == RECORD_PROTOBUF)
        return error_fail(ERROR_CONFIG,
                          "%s: a snapshot begins and ends with a line of JSON: it cannot go into files of protobuf",
                          jsonl->path);
    if (!snapshot->begun)
        snapshot_border_append(snapshot, "begin", &jsonl->buffer);
    return 0;
}

static int jsonl_snapshot_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    Jsonl *jsonl = (Jsonl *)sink;
    SinkPlace place = jsonl->place;
    return all_commit(jsonl, &place, snapshot);
}

static int jsonl_snapshot_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Jsonl *jsonl = (Jsonl *)sink;
    snapshot_border_append(snapshot, "end", &jsonl->buffer);
    return all_commit(jsonl, place, NULL);
}

static const SinkSnapshots JSONL_SNAPSHOTS = {
    .find = jsonl_find, .begin = jsonl_snapshot_begin, .commit = jsonl_snapshot_commit, .end = jsonl_snapshot_end};

static int jsonl_idle(Sink *sink) {
    return rotate((Jsonl *)sink);
}

// ---- opening ------------------------------------------------------------------------------------------------------

static void jsonl_destroy(Sink *sink) {
    Jsonl *jsonl = (Jsonl *)sink;
    if (jsonl->file >= 0)
        close(jsonl->file);
    if (jsonl->directory >= 0)
        close(jsonl->directory);
    place_file_destroy(&jsonl->position);
    bytes_free(&jsonl->buffer);
    free(jsonl->path);
    free(jsonl);
}

static int jsonl_keep_head(Sink *sink, const char *line, size_t n) {
    return place_file_keep_head(((Jsonl *)sink)->position, line, n);
}

static int jsonl_kept_head(Sink *sink, Bytes *ret) {
    return place_file_kept_head(((Jsonl *)sink)->position, ret);
}

static const SinkKind JSONL = {.begin = jsonl_begin,
                               .grant = jsonl_grant,
                               .write = jsonl_write,
                               .prove = jsonl_prove,
                               .commit = jsonl_commit,
                               .destroy = jsonl_destroy,
                               .idle = jsonl_idle,
                               .snapshots = &JSONL_SNAPSHOTS,
                               .keep_head = jsonl_keep_head,
                               .kept_head = jsonl_kept_head};

static int directory_open(Jsonl *jsonl) {
    if (mkdir(jsonl->path, 0700) < 0 && errno != EEXIST)
        return fail_system(jsonl, "make this directory");
    jsonl->directory = open(jsonl->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (jsonl->directory < 0)
        return error_fail(ERROR_CONFIG, "%s: not a directory that can be read: %s", jsonl->path, strerror(errno));
    if (flock(jsonl->directory, LOCK_EX | LOCK_NB) < 0)
        return error_fail(ERROR_CONFIG, "%s: another receiver is writing here", jsonl->path);
    return 0;
}

static int position_open(Jsonl *jsonl) {
    char *path;
    if (asprintf(&path, "%s/position", jsonl->path) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    int r = place_file_new(&jsonl->position, path);
    free(path);
    return r;
}

// Before the first byte of data: a position that says "nothing yet".
static int position_first(Jsonl *jsonl) {
    int r = files_after(jsonl, 0, false);
    if (r != 0)
        return r < 0 ? r : fail_damaged(jsonl, "there are records, but the file \"position\" is missing");
    jsonl->number = jsonl->durable_number = 1;
    return position_write(jsonl, &(SinkPlace){0}, NULL);
}

int sink_jsonl_new(Sink **ret, const SinkJsonlOptions *options) {
    Jsonl *jsonl = calloc(1, sizeof *jsonl);
    if (!jsonl)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    *jsonl = (Jsonl){.sink.kind = &JSONL,
                     .file_bytes_max = options->file_bytes_max,
                     .file_us_max = options->file_seconds_max * 1000000,
                     .format = options->format,
                     .clock = options->clock ? options->clock : clock_system(),
                     .directory = -1,
                     .file = -1};
    if (!jsonl->file_bytes_max)
        jsonl->file_bytes_max = FILE_BYTES_MAX;
    CLEANUP(sink_destroy) Sink *sink = &jsonl->sink;
    jsonl->path = strdup(options->directory);
    if (!jsonl->path)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    int r = directory_open(jsonl);
    if (r == 0)
        r = position_open(jsonl);
    if (r == 0)
        r = position_read(jsonl);
    if (r == 1)
        r = position_first(jsonl);
    if (r < 0)
        return r;
    *ret = sink;
    sink = NULL;
    return 0;
}
