// SPDX-License-Identifier: Apache-2.0
//
// zstd's contexts are lent, and made anew only where none is left: each that is made asks the processor what it can,
// and on a virtual machine that takes a hundred times what a segment does. The linker leads the calls here.
#include "packing.h"

#include <assert.h>
#include <zstd.h>

#define CONTEXTS_MAX 64

static struct Lent {
    ZSTD_CCtx *free[CONTEXTS_MAX];
    int n_free;
    ZSTD_DCtx *reader;
} lent;

ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
ZSTD_CCtx *__real_ZSTD_createCCtx(void);
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void) {
    return lent.n_free > 0 ? lent.free[--lent.n_free] : __real_ZSTD_createCCtx();
}

size_t __wrap_ZSTD_freeCCtx(ZSTD_CCtx *context);
size_t __real_ZSTD_freeCCtx(ZSTD_CCtx *context);
size_t __wrap_ZSTD_freeCCtx(ZSTD_CCtx *context) {
    if (context == NULL || lent.n_free == CONTEXTS_MAX)
        return __real_ZSTD_freeCCtx(context);
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    lent.free[lent.n_free++] = context;
    return 0;
}

size_t __wrap_ZSTD_decompress(void *to, size_t room, const void *from, size_t n);
size_t __wrap_ZSTD_decompress(void *to, size_t room, const void *from, size_t n) {
    return ZSTD_decompressDCtx(lent.reader, to, room, from, n);
}

void packing_open(void) {
    lent.reader = ZSTD_createDCtx();
    assert(lent.reader != NULL);
}

void packing_close(void) {
    while (lent.n_free > 0)
        __real_ZSTD_freeCCtx(lent.free[--lent.n_free]);
    ZSTD_freeDCtx(lent.reader);
}
