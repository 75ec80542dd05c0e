// SPDX-License-Identifier: Apache-2.0
//
// See source.h.
#include "agents/source.h"

#include "agents/source_csv.h"
#include "agents/source_outbox.h"
#include "proto/base/error.h"

#include <stdlib.h>

int source_allocate(Source **ret, size_t bytes, const SourceKind *kind, const SourceOptions *options) {
    *ret = calloc(1, bytes);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a source");
    **ret = (Source){kind, options->config, options->config->name, options->spool, options->map, options->clock};
    return 0;
}

int source_new(Source **ret, const SourceOptions *options) {
    Source *source = NULL;
    int r =
        options->config->kind == SOURCE_CSV ? source_csv_open(&source, options) : source_outbox_open(&source, options);
    if (r < 0) {
        source_destroy(&source);
        return error_context(r, "source %s", options->config->name);
    }
    *ret = source;
    return 0;
}

void source_destroy(Source **source) {
    if (*source != NULL)
        (*source)->kind->destroy(source);
}
