// SPDX-License-Identifier: Apache-2.0
//
// Runs one target without a fuzzer: its seeds, each also cut short at many places, and the files of the folders named.
//   fuzz-TARGET [FOLDER | FILE]...
//   fuzz-TARGET --seeds FOLDER      writes the seeds there, for a fuzzer to begin with
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define CUTS 24

static const char *seeds_to; // NULL: run them
static unsigned long executions;

// In memory of just this size, so that a sanitizer sees a byte beyond.
static void run(const void *data, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    FUZZ_ASSERT(copy != NULL);
    if (n)
        memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    executions++;
}

void fuzz_seed(const char *name, const void *data, size_t n) {
    if (seeds_to == NULL) {
        for (size_t i = 0; i < CUTS; i++)
            run(data, n * i / CUTS);
        run(data, n);
        return;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%s", seeds_to, name);
    FILE *file = fopen(path, "w");
    FUZZ_ASSERT(file != NULL && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

static void run_file(const char *path) {
    uint8_t *data = malloc(FILE_MAX);
    FILE *file = fopen(path, "r");
    FUZZ_ASSERT(data != NULL && file != NULL);
    run(data, fread(data, 1, FILE_MAX, file));
    fclose(file);
    free(data);
}

static void run_path(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        run_file(path);
        return;
    }
    char full[4096];
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        run_file(full);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        seeds_to = argv[2];
        fuzz_seeds();
        return 0;
    }
    run("", 0);
    fuzz_seeds();
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%lu inputs\n", executions);
    return 0;
}
