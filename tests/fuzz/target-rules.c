// SPDX-License-Identifier: Apache-2.0
//
// One file of the rules or code lists in place of the shipped one (the first byte says which), and the rest as shipped,
// but for the long lists of communes, which are cut short. Rules that load judge an event of each domain, twice alike.
// What is as shipped is read and parsed once (the program is linked so that config_load() and codes_load() come here
// first), and made rules of each time; the one file is parsed each time, and so are all code lists where it is one.
#include "broker/rules.h"
#include "broker/verify.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/domain.h"
#include "tests/fuzz/fuzz.h"
#include "verdict.pb-c.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const FILES[] = {
    "rules/health.yaml",     "rules/population.yaml",    "rules/education.yaml",       "rules/social_security.yaml",
    "rules/residence.yaml",  "rules/e_id.yaml",          "rules/electricity.yaml",     "rules/names.yaml",
    "rules/search.yaml",     "rules/dose-intervals.tsv", "codes/vaccine-products.tsv", "codes/provinces34.tsv",
    "codes/provinces63.tsv", "codes/communes63.tsv",     "codes/isced-levels.tsv"};
#define N_FILES (sizeof FILES / sizeof *FILES)
#define LINES 24 // of the lists of communes
#define FILE_MAX ((size_t)16 * 1024)

static const char *place;
static Arena *arena;
static int put = -1;        // the file that is not as shipped
static const uint8_t *said; // in its place
static size_t n_said;

// ---- what is read once ----

typedef struct Kept {
    char path[256];
    void *data;
} Kept;
static Kept kept[N_FILES];
static Codes *kept_codes;

static bool is_code_list(int which) {
    return strncmp(FILES[which], "codes/", 6) == 0;
}

// Where the file's parse is, or is to be, kept. The vocabularies of a schema are names of files and of fields: the same
// for any input.
static Kept *kept_of(const char *path) {
    if (strcmp(path + strlen(place) + 1, FILES[put]) == 0)
        return NULL;
    Kept *free = NULL;
    for (size_t i = 0; i < N_FILES; i++) {
        if (strcmp(kept[i].path, path) == 0)
            return &kept[i];
        if (free == NULL && kept[i].data == NULL)
            free = &kept[i];
    }
    FUZZ_ASSERT(free != NULL && strlen(path) < sizeof free->path);
    return free;
}

int __real_config_load(void **ret, const char *path, const cyaml_schema_value_t *schema);
int __wrap_config_load(void **ret, const char *path, const cyaml_schema_value_t *schema);
int __wrap_config_load(void **ret, const char *path, const cyaml_schema_value_t *schema) {
    Kept *found = kept_of(path);
    if (found == NULL)
        return config_parse(ret, path, said, n_said, schema);
    if (found->data == NULL) {
        FUZZ_ASSERT(__real_config_load(&found->data, path, schema) == 0);
        snprintf(found->path, sizeof found->path, "%s", path);
    }
    *ret = found->data;
    return 0;
}

void __real_config_free(void *data, const cyaml_schema_value_t *schema);
void __wrap_config_free(void *data, const cyaml_schema_value_t *schema);
void __wrap_config_free(void *data, const cyaml_schema_value_t *schema) {
    bool stays = false;
    for (size_t i = 0; i < N_FILES; i++)
        stays = stays || (data != NULL && kept[i].data == data);
    if (!stays)
        __real_config_free(data, schema);
}

int __real_codes_load(Codes **ret, const char *directory);
int __wrap_codes_load(Codes **ret, const char *directory);
int __wrap_codes_load(Codes **ret, const char *directory) {
    if (is_code_list(put))
        return __real_codes_load(ret, directory);
    FUZZ_ASSERT(kept_codes != NULL || __real_codes_load(&kept_codes, directory) == 0);
    *ret = kept_codes;
    return 0;
}

void __real_codes_destroy(Codes **codes);
void __wrap_codes_destroy(Codes **codes);
void __wrap_codes_destroy(Codes **codes) {
    if (*codes != kept_codes)
        __real_codes_destroy(codes);
    *codes = NULL;
}

// ---- one of them put ----

static size_t shipped(const char *name, char *data, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemas/%s", fuzz_source(), name);
    FILE *file = fopen(path, "r");
    FUZZ_ASSERT(file != NULL);
    size_t n = fread(data, 1, size, file);
    fclose(file);
    if (strncmp(name, "codes/communes", 14) != 0)
        return n;
    size_t at = 0;
    for (int line = 0; line < LINES && at < n; line++)
        at = (size_t)((char *)memchr(data + at, '\n', n - at) - data) + 1;
    return at;
}

static void write_file(const char *name, const void *data, size_t n) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", place, name);
    FILE *file = fopen(path, "w");
    FUZZ_ASSERT(file != NULL && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

static void as_shipped(const char *name) {
    static char data[FILE_MAX];
    write_file(name, data, shipped(name, data, sizeof data));
}

static void copy_folder(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", place, folder);
    FUZZ_ASSERT(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/schemas/%s", fuzz_source(), folder);
    DIR *list = opendir(path);
    FUZZ_ASSERT(list != NULL);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        char name[300];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            as_shipped(name);
    }
    closedir(list);
}

static void begin(void) {
    FUZZ_ASSERT(arena_new(&arena, 1024 * 1024) == 0);
    place = fuzz_scratch();
    copy_folder("rules");
    copy_folder("codes");
}

static void judge(const Rules *rules, int domain, Decision *ret) {
    static const Person AN = {.key = 11,
                              .citizen_number = FUZZ_NUMBER,
                              .full_name = FUZZ_NAME,
                              .birth_date = FUZZ_BIRTH,
                              .sex = "male",
                              .residence_province = "01",
                              .residence_province63 = "01",
                              .died_on = "2024-01-01"};
    Bytes packed = {0};
    arena_reset(arena);
    fuzz_event(domain, 1, &packed);
    Dongbo__ChangeEvent *event = dongbo__change_event__unpack(arena_protobuf(arena), packed.n, packed.data);
    FUZZ_ASSERT(event != NULL);
    VerifyContext context = {.rules = rules, .now_us = FUZZ_NOW, .arena = arena};
    Grants grants = {.agency = 5, .code = "MOH", .domains = 0xFE};
    *ret = (Decision){0};
    verify_form(&context, &grants, event, ret);
    if (domain != DONGBO__DOMAIN__POPULATION && ret->verdict == DONGBO__VERDICT__ACCEPTED)
        verify_person(&context, &grants, event, &AN, ret);
    FUZZ_ASSERT(ret->verdict >= DONGBO__VERDICT__ACCEPTED && ret->verdict <= DONGBO__VERDICT__REJECTED);
    FUZZ_ASSERT(ret->n_reasons <= REASONS_MAX && verify_record_key(&context, event) != NULL);
    for (unsigned field = 0; field <= DOMAIN_FIELDS_MAX; field++)
        FUZZ_ASSERT(rules_authority(rules, domain, "MOH", field) > 0);
    bytes_free(&packed);
}

// As a file, by other code than config_load().
static bool is_read(int which) {
    return strstr(FILES[which], ".tsv") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (place == NULL)
        begin();
    if (n == 0)
        return 0;
    int which = data[0] % (int)N_FILES;
    if (put >= 0 && put != which && is_read(put))
        as_shipped(FILES[put]);
    put = which;
    said = data + 1;
    n_said = n - 1;
    if (is_read(put))
        write_file(FILES[put], said, n_said);
    Rules *rules = NULL;
    int r = rules_load(&rules, place);
    FUZZ_ASSERT(r == 0 || (rules == NULL && r == ERROR_CONFIG));
    for (int domain = DOMAIN_MIN; r == 0 && domain <= DOMAIN_MAX; domain++) {
        Decision first, second;
        judge(rules, domain, &first);
        judge(rules, domain, &second);
        FUZZ_ASSERT(first.verdict == second.verdict && first.n_reasons == second.n_reasons);
    }
    rules_destroy(&rules);
    return 0;
}

void fuzz_seeds(void) {
    static char data[FILE_MAX + 1];
    for (unsigned i = 0; i < N_FILES; i++) {
        char name[64];
        data[0] = (char)i;
        size_t n = shipped(FILES[i], data + 1, FILE_MAX);
        snprintf(name, sizeof name, "%s", strchr(FILES[i], '/') + 1);
        fuzz_seed(name, data, n + 1);
    }
}
