// SPDX-License-Identifier: Apache-2.0
//
// See the header.

#define _XOPEN_SOURCE 700

#include "tests/unit/scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

void scratch_make(char path[SCRATCH_BYTES]) {
    const char *place = getenv("TMPDIR");
    snprintf(path, SCRATCH_BYTES, "%s/dongbo-test-XXXXXX", place ? place : "/tmp");
    assert_non_null(mkdtemp(path));
}

static FILE *open_in(const char *path, const char *name, const char *mode) {
    char full[2 * PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", path, name);
    FILE *file = fopen(full, mode);
    if (!file)
        fail_msg("%s cannot be opened", full);
    return file;
}

static void put(const char *path, const char *name, const char *mode, const char *text) {
    FILE *file = open_in(path, name, mode);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void copy_file(const char *from, const char *to, const char *name) {
    char block[4096];
    FILE *in = open_in(from, name, "r"), *out = open_in(to, name, "w");
    size_t n;
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void copy_directory(const char *path, const char *name) {
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "%s/schemas/%s", getenv("DONGBO_SOURCE"), name);
    snprintf(to, sizeof to, "%s/%s", path, name);
    mkdir(to, 0700);
    DIR *directory = opendir(from);
    if (!directory)
        fail_msg("%s cannot be read; is DONGBO_SOURCE the source tree?", from);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            copy_file(from, to, entry->d_name);
    closedir(directory);
}

void scratch_copy_schemas(const char *path) {
    copy_directory(path, "rules");
    copy_directory(path, "codes");
}

void scratch_write(const char *path, const char *name, const char *text) {
    put(path, name, "w", text);
}

void scratch_append(const char *path, const char *name, const char *text) {
    put(path, name, "a", text);
}

void scratch_unlink(const char *path, const char *name) {
    char full[2 * PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", path, name);
    assert_int_equal(unlink(full), 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    return remove(path);
}

void scratch_remove(const char *path) {
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
