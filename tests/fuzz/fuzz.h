// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share. A target is one program: libFuzzer calls it with bytes that it makes up
// (tests/fuzz/run), or main.c with seeds and files that are kept (the unit tests). It hands them to the code that the
// programs call, with the same bounds, and says what must hold of the answer.
#pragma once

#include "event.pb-c.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- a target has these ----

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
// Calls fuzz_seed() with what our own encoders make: where the fuzzer begins.
void fuzz_seeds(void);

// ---- and may use these ----

// Ends the program, with what did not hold: that is a finding.
#define FUZZ_ASSERT(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))
void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

// One seed; its name is a file's.
void fuzz_seed(const char *name, const void *data, size_t n);

// A path that opens to exactly these bytes (mode 0600), good until the next call with the same slot.
#define FUZZ_SLOTS 3
const char *fuzz_file(int slot, const void *data, size_t n);
int fuzz_file_fd(int slot); // the file itself, at its beginning

// An input is taken apart from its front. What is not there any more is 0 and empty.
typedef struct FuzzInput {
    const uint8_t *at, *end;
} FuzzInput;
uint8_t fuzz_byte(FuzzInput *input);
// A piece behind two bytes of length, or what is left where that is less.
ProtobufCBinaryData fuzz_piece(FuzzInput *input);
void fuzz_piece_put(Bytes *out, const void *data, size_t n); // the same, written
// Text up to the next 0 or the end, closed by 0; the next call with the same slot overwrites it.
const char *fuzz_text(FuzzInput *input, int slot, size_t *ret_n);

// Messages that are equal byte for byte when packed.
bool fuzz_same(const ProtobufCMessage *a, const ProtobufCMessage *b);

// A good event of each domain, about a person who is nobody; `id` is its number. Packed.
#define FUZZ_NUMBER "001099000001"
#define FUZZ_NAME "Nguyễn Văn An"
#define FUZZ_BIRTH "1999-01-02"
void fuzz_event(int domain, uint8_t id, Bytes *out);
// The body alone of such an event, packed.
void fuzz_body(int domain, Bytes *out);

// Stands still at FUZZ_NOW; random bytes are always the same.
#define FUZZ_NOW 1700000000000000LL
const Clock *fuzz_clock(void);

const char *fuzz_source(void); // the source tree
// A file of it, as a seed.
void fuzz_seed_file(const char *name, const char *path);
// Where scratch files go, without a closing slash; of this process alone, removed at its end.
const char *fuzz_scratch(void);
