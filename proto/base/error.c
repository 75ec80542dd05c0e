// SPDX-License-Identifier: Apache-2.0
//
// Keeps one error sentence per thread. Allocates nothing, so that it works when memory is what failed.
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_BYTES 512

// Aligned: where a program's only thread-local data is not, the linker may begin what is protected after relocation in
// a page that is not there, and the program does not start (binutils 2.40).
static _Thread_local _Alignas(16) char error_kept[ERROR_TEXT_BYTES];

// The new sentence is made beside the old one, since the arguments may point into it.
__attribute__((format(printf, 1, 0))) static void keep(const char *fmt, va_list args, const char *after) {
    char text[ERROR_TEXT_BYTES];
    int n = vsnprintf(text, sizeof text, fmt, args);
    if (n < 0) {
        text[0] = '\0';
        n = 0;
    }
    if (after && (size_t)n < sizeof text)
        n += snprintf(text + n, sizeof text - (size_t)n, ": %s", after);
    if ((size_t)n >= sizeof text)
        text_cut(text, sizeof text - 1);
    memcpy(error_kept, text, strlen(text) + 1);
}

int(error_fail)(ErrorCode code, const char *fmt, ...) { // a macro to an analyser
    assert(code < 0);
    va_list args;
    va_start(args, fmt);
    keep(fmt, args, NULL);
    va_end(args);
    return code;
}

int(error_context)(int code, const char *fmt, ...) {
    assert(code < 0);
    va_list args;
    va_start(args, fmt);
    keep(fmt, args, error_kept);
    va_end(args);
    return code;
}

const char *error_text(void) {
    return error_kept;
}

const char *error_advice(int wrong) {
    if (wrong == ENOSPC || wrong == EDQUOT)
        return "; make room on its disk, nothing is lost";
    if (wrong == EIO)
        return "; see whether its disk is whole";
    if (wrong == EROFS)
        return "; its disk only reads: see why";
    if (wrong == ENOENT)
        return "; make the directory that it is to stand in, or mount its disk";
    if (wrong == EACCES)
        return "; let the user that this runs as write there";
    return "";
}

int error_exit_code(int code) {
    switch (code) {
    case 0:
        return 0;
    case ERROR_CONFIG:
        return 2;
    case ERROR_PEER:
    case ERROR_DATABASE:
        return 3;
    default:
        return 4;
    }
}
