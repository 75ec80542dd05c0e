// SPDX-License-Identifier: Apache-2.0
//
// Files for SQLite, in memory: what was written and what is synced are two images. A process that is killed leaves what
// it wrote, a machine whose power goes what was synced, and of the rest any sectors or none. Writes fail, whole or
// half-way, disks are full, and a sync says that it failed.
#pragma once

#include "world.h"

typedef struct DiskFaults {
    unsigned write, sync; // fail, per million
} DiskFaults;

// Becomes SQLite's only file system. Once.
void disk_install(void);
void disk_begin(const DiskFaults *faults);
void disk_end(void);
void disk_remove(void); // when no run comes any more
void disk_calm(void);
// Of the files whose path begins so.
void disk_power_cut(const char *prefix);
void disk_fill(const char *prefix, int64_t until_us); // it is full until then
void disk_lose(const char *prefix);                   // they are gone
// Keeps what is there, as a backup does between two transactions; and brings it back.
typedef struct DiskBackup DiskBackup;
DiskBackup *disk_backup(const char *prefix);
void disk_restore(const DiskBackup *backup);
void disk_backup_free(DiskBackup *backup);
