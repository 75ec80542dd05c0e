// SPDX-License-Identifier: Apache-2.0
//
// A SQLite VFS. Locks are not kept: each file is one process', by the lock file beside it, which is a real one.
#include "disk.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 64
#define PATH_BYTES 256
#define SECTOR 512
#define PAGE_BYTES "1024"
#define IMAGE_BYTES ((size_t)512 * 1024)
#define REGIONS_MAX 8

typedef struct Image {
    uint8_t *data;
    size_t n, size;
} Image;

typedef struct Store {
    char path[PATH_BYTES];
    bool exists, synced_exists;
    Image now, synced;
    size_t dirty_from, dirty_to;
    void *regions[REGIONS_MAX]; // of shared memory; gone with its last user
    int n_open;
    int64_t full_until;
} Store;

typedef struct File {
    sqlite3_file base;
    Store *store;
} File;

struct DiskBackup {
    char prefix[PATH_BYTES];
    char path[FILES_MAX][PATH_BYTES];
    Image image[FILES_MAX];
    int n;
};

static Image mixed; // for tear()
static struct Disk {
    DiskFaults faults;
    Store stores[FILES_MAX];
    int n;
} disk;

static void image_room(Image *image, size_t n) {
    if (n <= image->size)
        return;
    image->size = n < IMAGE_BYTES ? IMAGE_BYTES : n * 2;
    image->data = realloc(image->data, image->size);
    assert(image->data != NULL);
}

static void image_size(Image *image, size_t n) {
    image_room(image, n);
    if (n > image->n)
        memset(image->data + image->n, 0, n - image->n);
    image->n = n;
}

static void image_copy(Image *to, const Image *from) {
    image_room(to, from->n);
    to->n = from->n;
    if (from->n > 0)
        memcpy(to->data, from->data, from->n);
}

static Store *find(const char *path, bool make) {
    for (int i = 0; i < disk.n; i++) {
        if (strcmp(disk.stores[i].path, path) == 0)
            return &disk.stores[i];
    }
    if (!make)
        return NULL;
    assert(disk.n < FILES_MAX);
    Store *store = &disk.stores[disk.n++];
    *store = (Store){.now = {.data = store->now.data, .size = store->now.size},
                     .synced = {.data = store->synced.data, .size = store->synced.size}};
    snprintf(store->path, sizeof store->path, "%s", path);
    return store;
}

// ---- a file --------------------------------------------------------------------------------------------------------

static Store *of(sqlite3_file *file) {
    return ((File *)file)->store;
}

static void drop_regions(Store *store) {
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(store->regions[i]);
        store->regions[i] = NULL;
    }
}

static int file_close(sqlite3_file *file) {
    Store *store = of(file);
    if (store != NULL && --store->n_open == 0)
        drop_regions(store);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *into, int n, sqlite3_int64 offset) {
    Store *store = of(file);
    if (world_is_dead())
        return SQLITE_IOERR_READ;
    size_t at = (size_t)offset, have = at >= store->now.n ? 0 : store->now.n - at;
    size_t take = have < (size_t)n ? have : (size_t)n;
    if (take > 0)
        memcpy(into, store->now.data + at, take);
    memset((uint8_t *)into + take, 0, (size_t)n - take);
    return take == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void put(Store *store, const void *data, size_t n, size_t at) {
    if (at > store->now.n)
        image_size(&store->now, at);
    image_room(&store->now, at + n);
    if (n > 0)
        memcpy(store->now.data + at, data, n);
    if (at + n > store->now.n)
        store->now.n = at + n;
    if (store->dirty_to == store->dirty_from)
        store->dirty_from = at, store->dirty_to = at;
    store->dirty_from = at < store->dirty_from ? at : store->dirty_from;
    store->dirty_to = at + n > store->dirty_to ? at + n : store->dirty_to;
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset) {
    Store *store = of(file);
    if (!world_wait((int64_t)world_dice(20)))
        return SQLITE_IOERR_WRITE;
    size_t whole = (size_t)n, at = (size_t)offset;
    if (at + whole > store->now.n && world_us() < store->full_until) {
        world_trace("disk full", (int64_t)at, n);
        return SQLITE_FULL;
    }
    if (world_chance(disk.faults.write)) {
        size_t some = world_dice(whole / SECTOR + 1) * SECTOR;
        world_trace("write fails", (int64_t)at, (int64_t)some);
        put(store, data, some, at);
        return SQLITE_IOERR_WRITE;
    }
    put(store, data, whole, at);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    Store *store = of(file);
    if (world_is_dead())
        return SQLITE_IOERR_TRUNCATE;
    if ((size_t)size < store->now.n)
        image_size(&store->now, (size_t)size);
    store->dirty_from = 0;
    store->dirty_to = store->now.n;
    return SQLITE_OK;
}

static void make_durable(Store *store) {
    size_t to = store->dirty_to < store->now.n ? store->dirty_to : store->now.n;
    image_room(&store->synced, store->now.n);
    if (store->synced.n < store->dirty_from)
        image_size(&store->synced, store->dirty_from);
    if (store->synced.n < to)
        store->synced.n = to;
    image_size(&store->synced, store->now.n);
    if (to > store->dirty_from)
        memcpy(store->synced.data + store->dirty_from, store->now.data + store->dirty_from, to - store->dirty_from);
    store->dirty_from = store->dirty_to = 0;
    store->synced_exists = true;
}

static int file_sync(sqlite3_file *file, int flags) {
    Store *store = of(file);
    if (!world_wait((int64_t)world_dice(200)))
        return SQLITE_IOERR_FSYNC;
    if (world_chance(disk.faults.sync)) {
        // As Linux has it: what could not be written is taken for written from here on.
        bool forgotten = world_dice(2) == 0;
        world_trace("sync fails", (int64_t)store->now.n, forgotten);
        if (forgotten)
            store->dirty_from = store->dirty_to = 0;
        return SQLITE_IOERR_FSYNC;
    }
    make_durable(store);
    // A kill here is one behind the sync.
    return world_wait(0) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret) {
    *ret = (sqlite3_int64)of(file)->now.n;
    return world_is_dead() ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int lock) {
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *ret) {
    *ret = 0;
    return SQLITE_OK;
}

// Batches are small here, and pages of 16 KiB would be checksummed and copied for some hundred bytes each: what the
// program says of that is taken for done.
static int file_control(sqlite3_file *file, int operation, void *argument) {
    char **words = argument;
    bool is_page_size = operation == SQLITE_FCNTL_PRAGMA && strcmp(words[1], "page_size") == 0 && words[2] != NULL;
    return is_page_size && strcmp(words[2], PAGE_BYTES) != 0 ? SQLITE_OK : SQLITE_NOTFOUND;
}

static int set_page_size(sqlite3 *db, char **error, const void *api) {
    return sqlite3_exec(db, "PRAGMA page_size = " PAGE_BYTES, NULL, NULL, NULL);
}

static int file_sector(sqlite3_file *file) {
    return SECTOR;
}

static int file_traits(sqlite3_file *file) {
    return 0;
}

static int shared_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **ret) {
    Store *store = of(file);
    assert(region < REGIONS_MAX);
    if (store->regions[region] == NULL && extend)
        store->regions[region] = calloc(1, (size_t)bytes);
    *ret = store->regions[region];
    return SQLITE_OK;
}

static int shared_lock(sqlite3_file *file, int offset, int n, int flags) {
    return SQLITE_OK;
}

static void shared_barrier(sqlite3_file *file) {}

static int shared_unmap(sqlite3_file *file, int gone) {
    drop_regions(of(file));
    return SQLITE_OK;
}

// ---- the file system -----------------------------------------------------------------------------------------------

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags) {
    static const sqlite3_io_methods METHODS = {
        .iVersion = 2,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_lock,
        .xCheckReservedLock = file_reserved,
        .xFileControl = file_control,
        .xSectorSize = file_sector,
        .xDeviceCharacteristics = file_traits,
        .xShmMap = shared_map,
        .xShmLock = shared_lock,
        .xShmBarrier = shared_barrier,
        .xShmUnmap = shared_unmap,
    };
    File *opened = (File *)file;
    memset(opened, 0, sizeof *opened);
    if (world_is_dead() || path == NULL)
        return SQLITE_CANTOPEN;
    opened->store = find(path, true);
    opened->store->exists = true;
    opened->store->n_open++;
    opened->base.pMethods = &METHODS;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    Store *store = find(path, false);
    if (world_is_dead())
        return SQLITE_IOERR_DELETE;
    if (store == NULL || !store->exists)
        return SQLITE_IOERR_DELETE_NOENT;
    store->exists = false;
    store->now.n = 0;
    if (sync_directory) {
        store->synced_exists = false;
        store->synced.n = 0;
    }
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret) {
    Store *store = find(path, false);
    *ret = store != NULL && store->exists;
    return world_is_dead() ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *path, int n, char *out) {
    snprintf(out, (size_t)n, "%s", path);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out) {
    for (int i = 0; i < n; i++)
        out[i] = (char)world_dice(256);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    if (world_self() != NULL)
        world_wait(us);
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret) {
    *ret = 2440587.5 + (double)world_date_us() / 86400e6;
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int n, char *out) {
    return 0;
}

void disk_install(void) {
    static sqlite3_vfs vfs = {.iVersion = 1,
                              .szOsFile = sizeof(File),
                              .mxPathname = PATH_BYTES,
                              .zName = "simulated",
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_path,
                              .xRandomness = vfs_random,
                              .xSleep = vfs_sleep,
                              .xCurrentTime = vfs_time,
                              .xGetLastError = vfs_error};
    // One thread here, and nobody asks for figures.
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_vfs_register(&vfs, 1);
    sqlite3_auto_extension((void (*)(void))set_page_size);
}

// ---- what happens to disks -----------------------------------------------------------------------------------------

void disk_begin(const DiskFaults *faults) {
    disk.faults = *faults;
    sqlite3_randomness(0, NULL); // its own numbers begin anew, too
}

// Its memory is the next run's.
void disk_end(void) {
    for (int i = 0; i < disk.n; i++)
        drop_regions(&disk.stores[i]);
    disk.n = 0;
}

void disk_remove(void) {
    for (int i = 0; i < FILES_MAX; i++) {
        free(disk.stores[i].now.data);
        free(disk.stores[i].synced.data);
    }
    free(mixed.data);
}

void disk_calm(void) {
    disk.faults = (DiskFaults){0};
    for (int i = 0; i < disk.n; i++)
        disk.stores[i].full_until = 0;
}

void disk_fill(const char *prefix, int64_t until_us) {
    for (int i = 0; i < disk.n; i++) {
        if (strncmp(disk.stores[i].path, prefix, strlen(prefix)) == 0)
            disk.stores[i].full_until = until_us;
    }
}

// Of a sector that was not synced either image.
static void tear(Store *store) {
    size_t n = world_dice(2) == 0 ? store->now.n : store->synced.n;
    image_copy(&mixed, &store->synced);
    image_size(&mixed, n);
    for (size_t at = 0; at < n; at += SECTOR) {
        size_t end = at + SECTOR < n ? at + SECTOR : n;
        if (end > store->now.n || world_dice(2) == 0)
            continue;
        memcpy(mixed.data + at, store->now.data + at, end - at);
    }
    image_copy(&store->now, &mixed);
}

void disk_power_cut(const char *prefix) {
    for (int i = 0; i < disk.n; i++) {
        Store *store = &disk.stores[i];
        if (strncmp(store->path, prefix, strlen(prefix)) != 0)
            continue;
        if (store->exists)
            tear(store);
        store->exists = store->exists || store->synced_exists;
        image_copy(&store->synced, &store->now);
        store->dirty_from = store->dirty_to = 0;
    }
}

DiskBackup *disk_backup(const char *prefix) {
    DiskBackup *backup = calloc(1, sizeof *backup);
    assert(backup != NULL);
    snprintf(backup->prefix, sizeof backup->prefix, "%s", prefix);
    for (int i = 0; i < disk.n; i++) {
        if (strncmp(disk.stores[i].path, prefix, strlen(prefix)) != 0 || !disk.stores[i].exists)
            continue;
        snprintf(backup->path[backup->n], PATH_BYTES, "%s", disk.stores[i].path);
        image_copy(&backup->image[backup->n++], &disk.stores[i].now);
    }
    return backup;
}

void disk_lose(const char *prefix) {
    for (int i = 0; i < disk.n; i++) {
        Store *store = &disk.stores[i];
        if (strncmp(store->path, prefix, strlen(prefix)) == 0) {
            store->exists = store->synced_exists = false;
            store->now.n = store->synced.n = 0;
        }
    }
}

void disk_restore(const DiskBackup *backup) {
    disk_lose(backup->prefix);
    for (int i = 0; i < backup->n; i++) {
        Store *store = find(backup->path[i], true);
        store->exists = store->synced_exists = true;
        image_copy(&store->now, &backup->image[i]);
        image_copy(&store->synced, &backup->image[i]);
        store->dirty_from = store->dirty_to = 0;
    }
}

void disk_backup_free(DiskBackup *backup) {
    for (int i = 0; backup != NULL && i < backup->n; i++)
        free(backup->image[i].data);
    free(backup);
}
