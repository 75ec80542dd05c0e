// SPDX-License-Identifier: Apache-2.0
//
// The one error contract of the whole program.
//
// Functions return int: 0 is success; negative is an Error code, fatal to the caller and passed up unchanged;
// positive is a condition that the function's header documents and that its direct caller handles. Where a negative
// code is first made, error_fail() keeps one sentence about it for this thread (like errno); whoever stops the error
// logs that sentence, once. Library code never logs.
#pragma once

#include <stddef.h>

typedef enum ErrorCode {
    ERROR_MEMORY = -1,   // allocation failed
    ERROR_SYSTEM = -2,   // a system call failed (file, disk)
    ERROR_CONFIG = -3,   // configuration or arguments are wrong: the reader of the message mends them
    ERROR_DATABASE = -4, // the database refused or went away; retried by whoever owns the session
    ERROR_DATA = -5,     // a row made the database fail (SQLSTATE class 22 or 23)
    ERROR_CRYPTO = -6,
    ERROR_PEER = -7,    // the other side broke the protocol or cannot be reached
    ERROR_STOPPED = -8, // asked to stop
} ErrorCode;

// Keeps "fmt..." as this thread's error sentence and returns code. 512 bytes at most, cut without harm.
int error_fail(ErrorCode code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

// Puts "fmt...: " before the sentence already kept, for context on the way up. Returns code unchanged.
int error_context(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

#ifdef __clang_analyzer__ // it looks at one file at a time, and would not know that these give their code back
#define error_fail(code, ...) ((error_fail)(code, __VA_ARGS__), (int)(code))
#define error_context(code, ...) ((error_context)(code, __VA_ARGS__), (int)(code))
#endif

// The sentence; "" when none. Valid until this thread's next error.
const char *error_text(void);

// What to do about a system call's errno on a disk: "; make room ...", to stand behind the sentence. "" when there is
// nothing to say that the reader does not know.
const char *error_advice(int wrong);

// The program's exit code for a negative result: 2 configuration, 3 peer or database unreachable, else 4.
int error_exit_code(int code);

// Calls destroy(&variable) when the variable's scope ends: CLEANUP(arena_destroy) Arena *arena = NULL;
#define CLEANUP(destroy) __attribute__((cleanup(destroy)))
