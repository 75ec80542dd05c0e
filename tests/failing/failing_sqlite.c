// SPDX-License-Identifier: Apache-2.0
//
// SQLite in three places: its allocator, a file system of its own between it and the disk, and the calls that
// agents/lite.c makes. A write that fails leaves half of itself, as a full disk does.
#include "tests/failing/failing_state.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

// ---- its memory ----

static sqlite3_mem_methods memory;

static void *memory_malloc(int n) {
    return fail_now(FAIL_SQLITE_MEMORY) ? NULL : memory.xMalloc(n);
}

static void *memory_realloc(void *old, int n) {
    return fail_now(FAIL_SQLITE_MEMORY) ? NULL : memory.xRealloc(old, n);
}

// ---- its files ----

typedef struct File {
    sqlite3_file base;
    sqlite3_file *real; // behind this
} File;

static sqlite3_vfs *disk;

#define REAL(file) (((File *)(file))->real)
#define CALL(file, method, ...) (REAL(file)->pMethods->method(REAL(file), ##__VA_ARGS__))

static int file_close(sqlite3_file *file) {
    return REAL(file)->pMethods ? CALL(file, xClose) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at) {
    return CALL(file, xRead, data, n, at);
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
    if (!fail_now(FAIL_SQLITE_WRITE))
        return CALL(file, xWrite, data, n, at);
    (void)CALL(file, xWrite, data, n / 2, at);
    return SQLITE_FULL;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 n) {
    return fail_now(FAIL_SQLITE_WRITE) ? SQLITE_IOERR_TRUNCATE : CALL(file, xTruncate, n);
}

static int file_sync(sqlite3_file *file, int flags) {
    return fail_now(FAIL_SQLITE_SYNC) ? SQLITE_IOERR_FSYNC : CALL(file, xSync, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *n) {
    return CALL(file, xFileSize, n);
}

static int file_lock(sqlite3_file *file, int lock) {
    return CALL(file, xLock, lock);
}

static int file_unlock(sqlite3_file *file, int lock) {
    return CALL(file, xUnlock, lock);
}

static int file_reserved(sqlite3_file *file, int *ret) {
    return CALL(file, xCheckReservedLock, ret);
}

static int file_control(sqlite3_file *file, int op, void *arg) {
    return CALL(file, xFileControl, op, arg);
}

static int file_sector(sqlite3_file *file) {
    return CALL(file, xSectorSize);
}

static int file_character(sqlite3_file *file) {
    return CALL(file, xDeviceCharacteristics);
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret) {
    if (extend && fail_now(FAIL_SQLITE_WRITE))
        return SQLITE_IOERR_SHMSIZE;
    return CALL(file, xShmMap, page, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return CALL(file, xShmLock, offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
    CALL(file, xShmBarrier);
}

static int file_shm_unmap(sqlite3_file *file, int delete_it) {
    return CALL(file, xShmUnmap, delete_it);
}

static const sqlite3_io_methods METHODS = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_reserved,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_character,
                                           .xShmMap = file_shm_map,
                                           .xShmLock = file_shm_lock,
                                           .xShmBarrier = file_shm_barrier,
                                           .xShmUnmap = file_shm_unmap};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
    File *opened = (File *)file;
    opened->base.pMethods = NULL;
    opened->real = (sqlite3_file *)(opened + 1);
    opened->real->pMethods = NULL;
    if ((flags & SQLITE_OPEN_CREATE) && fail_now(FAIL_SQLITE_WRITE))
        return SQLITE_CANTOPEN;
    int r = disk->xOpen(disk, name, opened->real, flags, ret_flags);
    if (r == SQLITE_OK)
        opened->base.pMethods = &METHODS;
    return r;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    return fail_now(FAIL_SQLITE_WRITE) ? SQLITE_IOERR_DELETE : disk->xDelete(disk, name, sync);
}

void fail_begin(void) {
    static sqlite3_vfs vfs;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    sqlite3_mem_methods ours = memory;
    ours.xMalloc = memory_malloc;
    ours.xRealloc = memory_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); // or most of its memory would not be asked for
    sqlite3_initialize();
    disk = sqlite3_vfs_find(NULL);
    vfs = *disk;
    vfs.zName = "failing";
    vfs.szOsFile = (int)sizeof(File) + disk->szOsFile;
    vfs.pNext = NULL;
    vfs.xOpen = disk_open;
    vfs.xDelete = disk_delete;
    sqlite3_vfs_register(&vfs, 1);
}

// ---- our calls, as the linker makes them ----

int __real_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs) {
    if (!fail_now(FAIL_SQLITE_CALL))
        return __real_sqlite3_open_v2(path, ret, flags, vfs);
    *ret = NULL;
    return SQLITE_NOMEM;
}

int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags, sqlite3_stmt **ret,
                              const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags, sqlite3_stmt **ret,
                              const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags, sqlite3_stmt **ret,
                              const char **tail) {
    if (!fail_now(FAIL_SQLITE_CALL))
        return __real_sqlite3_prepare_v3(db, sql, n, flags, ret, tail);
    *ret = NULL;
    return SQLITE_IOERR;
}

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement) {
    return fail_now(FAIL_SQLITE_CALL) ? SQLITE_IOERR : __real_sqlite3_step(statement);
}

int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *self,
                        char **message) {
    // What ends a transaction that failed cannot fail itself: SQLite rolls back by itself, else when it is opened.
    if (strcmp(sql, "ROLLBACK") != 0 && fail_now(FAIL_SQLITE_CALL))
        return SQLITE_IOERR;
    return __real_sqlite3_exec(db, sql, each, self, message);
}

int __real_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 value);
int __wrap_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 value);
int __wrap_sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 value) {
    return fail_now(FAIL_SQLITE_CALL) ? SQLITE_NOMEM : __real_sqlite3_bind_int64(statement, at, value);
}

int __real_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *text, int n, void (*release)(void *));
int __wrap_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *text, int n, void (*release)(void *));
int __wrap_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *text, int n, void (*release)(void *)) {
    return fail_now(FAIL_SQLITE_CALL) ? SQLITE_NOMEM : __real_sqlite3_bind_text(statement, at, text, n, release);
}

int __real_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *data, sqlite3_uint64 n,
                               void (*release)(void *));
int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *data, sqlite3_uint64 n,
                               void (*release)(void *));
int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *data, sqlite3_uint64 n,
                               void (*release)(void *)) {
    return fail_now(FAIL_SQLITE_CALL) ? SQLITE_NOMEM : __real_sqlite3_bind_blob64(statement, at, data, n, release);
}
