// SPDX-License-Identifier: Apache-2.0
//
// See audit_gone.h. Nothing is taken out of the list: who erased what is told in the end.
#include "broker/audit_gone.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define GONE_MAX ((size_t)1 << 24)

void audit_gone_free(AuditGoneList *gone) {
    free(gone->list);
    *gone = (AuditGoneList){0};
}

int audit_gone_add(AuditGoneList *gone, const AuditMark *mark) {
    if (gone->n > 0 && gone->list[gone->n - 1].position >= mark->position)
        return 1;
    if (gone->n == gone->size) {
        size_t size = gone->size ? 2 * gone->size : 16;
        AuditGone *grown = gone->n == GONE_MAX ? NULL : realloc(gone->list, size * sizeof *grown);
        if (!grown)
            return error_fail(ERROR_MEMORY, "no memory for what was erased");
        gone->list = grown;
        gone->size = size;
    }
    AuditGone *added = &gone->list[gone->n++];
    *added = (AuditGone){.position = mark->position};
    memcpy(added->leaf, mark->leaf, HASH_BYTES);
    return 0;
}

static int find_position(const void *a, const void *b) {
    uint64_t position = *(const uint64_t *)a, other = ((const AuditGone *)b)->position;
    return position < other ? -1 : position > other;
}

AuditGone *audit_gone_find(const AuditGoneList *gone, uint64_t position) {
    return gone->n == 0 ? NULL : bsearch(&position, gone->list, gone->n, sizeof *gone->list, find_position);
}

static int compare_marks(const void *a, const void *b) {
    uint64_t position = ((const AuditMark *)a)->position, other = ((const AuditMark *)b)->position;
    return position < other ? -1 : position > other;
}

void audit_gone_sort(AuditMark *marks, size_t n) {
    if (n > 1)
        qsort(marks, n, sizeof *marks, compare_marks);
}
