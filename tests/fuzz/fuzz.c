// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#define _XOPEN_SOURCE 700
#include "tests/fuzz/fuzz.h"

#include "proto/domain.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)64 * 1024)

void fuzz_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

// With a fuzzer there is no main.c, and nobody asks for seeds.
__attribute__((weak)) void fuzz_seed(const char *name, const void *data, size_t n) {}

int fuzz_file_fd(int slot) {
    static int files[FUZZ_SLOTS] = {-1, -1, -1};
    if (files[slot] < 0) {
        files[slot] = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_ASSERT(files[slot] >= 0 && fchmod(files[slot], 0600) == 0);
    }
    FUZZ_ASSERT(lseek(files[slot], 0, SEEK_SET) == 0);
    return files[slot];
}

const char *fuzz_file(int slot, const void *data, size_t n) {
    static char paths[FUZZ_SLOTS][64];
    int fd = fuzz_file_fd(slot);
    FUZZ_ASSERT(ftruncate(fd, 0) == 0 && (n == 0 || write(fd, data, n) == (ssize_t)n));
    (void)fuzz_file_fd(slot);
    snprintf(paths[slot], sizeof paths[slot], "/proc/%d/fd/%d", (int)getpid(), fd);
    return paths[slot];
}

uint8_t fuzz_byte(FuzzInput *input) {
    return input->at < input->end ? *input->at++ : 0;
}

ProtobufCBinaryData fuzz_piece(FuzzInput *input) {
    size_t n = (size_t)fuzz_byte(input) << 8;
    n |= fuzz_byte(input);
    size_t left = (size_t)(input->end - input->at);
    ProtobufCBinaryData piece = {n < left ? n : left, (uint8_t *)input->at};
    input->at += piece.len;
    return piece;
}

void fuzz_piece_put(Bytes *out, const void *data, size_t n) {
    bytes_append_u16(out, (uint16_t)n);
    bytes_append(out, data, n);
}

const char *fuzz_text(FuzzInput *input, int slot, size_t *ret_n) {
    static char texts[FUZZ_SLOTS][TEXT_MAX + 1];
    size_t left = (size_t)(input->end - input->at);
    const uint8_t *end = left == 0 ? NULL : memchr(input->at, 0, left);
    size_t n = end == NULL ? left : (size_t)(end - input->at);
    size_t kept = n < TEXT_MAX ? n : TEXT_MAX;
    if (kept > 0)
        memcpy(texts[slot], input->at, kept);
    texts[slot][kept] = 0;
    input->at += n + (end != NULL);
    if (ret_n != NULL)
        *ret_n = kept;
    return texts[slot];
}

bool fuzz_same(const ProtobufCMessage *a, const ProtobufCMessage *b) {
    Bytes packed[2] = {{0}, {0}};
    bytes_append_message(&packed[0], a);
    bytes_append_message(&packed[1], b);
    bool same =
        packed[0].n == packed[1].n && (packed[0].n == 0 || memcmp(packed[0].data, packed[1].data, packed[0].n) == 0);
    bytes_free(&packed[0]);
    bytes_free(&packed[1]);
    return same;
}

// ---- events ----

typedef union Body {
    ProtobufCMessage base;
    Dongbo__PopulationChange population;
    Dongbo__Vaccination health;
    Dongbo__Enrolment education;
    Dongbo__InsurancePeriod social_security;
    Dongbo__ResidencePeriod residence;
    Dongbo__EidAccount e_id;
    Dongbo__ElectricityContract electricity;
} Body;

static void body_fill(Body *body, int domain) {
    static const struct {
        int domain;
        const char *field, *text;
    } SAID[] = {
        {1, "kind", "birth"},
        {1, "citizen_number", FUZZ_NUMBER},
        {1, "full_name", FUZZ_NAME},
        {1, "birth_date", FUZZ_BIRTH},
        {1, "sex", "male"},
        {1, "residence_province", "01"},
        {2, "vaccine_group", "covid-19"},
        {2, "dose_number", "1"},
        {2, "product_code", "EU/1/20/1528"},
        {2, "lot_number", "FF1234"},
        {2, "occurrence_date", "2022-03-01"},
        {2, "status", "completed"},
        {3, "institution_code", "BKA"},
        {3, "programme_code", "CS1"},
        {3, "isced_level", "6"},
        {3, "status", "enrolled"},
        {3, "start_date", "2021-09-05"},
        {4, "insurance_number", "0123456789"},
        {4, "period_start", "2020-01-01"},
        {4, "scheme", "compulsory"},
        {4, "contribution_months", "12"},
        {5, "kind", "short-stay"},
        {5, "start_date", "2022-03-01"},
        {5, "province_code", "01"},
        {5, "status", "reported"},
        {6, "account_id", "A1"},
        {6, "level", "2"},
        {6, "status", "registered"},
        {6, "province_code", "02"},
        {7, "customer_code", "PD0001"},
        {7, "status", "active"},
        {7, "province_code", "01"},
    };
    protobuf_c_message_init(domain_descriptor(domain), &body->base);
    for (size_t i = 0; i < sizeof SAID / sizeof *SAID; i++)
        if (SAID[i].domain == domain)
            FUZZ_ASSERT(
                field_set_text(&body->base, field_by_name(body->base.descriptor, SAID[i].field), SAID[i].text) == 0);
}

void fuzz_body(int domain, Bytes *out) {
    Body body;
    body_fill(&body, domain);
    bytes_append_message(out, &body.base);
}

void fuzz_event(int domain, uint8_t id, Bytes *out) {
    Body body;
    body_fill(&body, domain);
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    uint8_t event_id[16] = {id};
    event.event_id = (ProtobufCBinaryData){sizeof event_id, event_id};
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = FUZZ_NOW - 1000000 + id;
    event.source_key = "row-1";
    event.subject = &subject;
    subject.citizen_number = FUZZ_NUMBER;
    subject.full_name = FUZZ_NAME;
    subject.birth_date = FUZZ_BIRTH;
    subject.sex = "male";
    event_set_body(&event, domain, &body.base);
    bytes_append_message(out, &event.base);
}

// ---- the world outside ----

static int64_t still_us(void *self) {
    return FUZZ_NOW;
}

static int64_t still_ms(void *self) {
    return FUZZ_NOW / 1000;
}

static int same_bytes(void *self, uint8_t *bytes, size_t n) {
    memset(bytes, 0x5a, n);
    return 0;
}

const Clock *fuzz_clock(void) {
    static const Clock CLOCK = {still_us, still_ms, same_bytes, NULL};
    return &CLOCK;
}

const char *fuzz_source(void) {
    const char *source = getenv("DONGBO_SOURCE");
    FUZZ_ASSERT(source != NULL);
    return source;
}

void fuzz_seed_file(const char *name, const char *path) {
    char full[4096], data[16384];
    snprintf(full, sizeof full, "%s/%s", fuzz_source(), path);
    FILE *file = fopen(full, "r");
    FUZZ_ASSERT(file != NULL);
    size_t n = fread(data, 1, sizeof data, file);
    fclose(file);
    fuzz_seed(name, data, n);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    return remove(path);
}

static char scratch[128];
static pid_t scratch_owner;

static void scratch_remove(void) {
    if (getpid() == scratch_owner)
        nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_scratch(void) {
    if (scratch[0] == 0) {
        const char *place = getenv("TMPDIR");
        snprintf(scratch, sizeof scratch, "%.100s/dongbo-fuzz-XXXXXX", place ? place : "/tmp");
        FUZZ_ASSERT(mkdtemp(scratch) != NULL);
        scratch_owner = getpid();
        atexit(scratch_remove);
    }
    return scratch;
}
