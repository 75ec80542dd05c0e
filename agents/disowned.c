// SPDX-License-Identifier: Apache-2.0
//
// The batch is still in the spool, whatever key it is by: its header is read, and nothing is changed.
#include "agents/disowned.h"

#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BYTES 4096

static int find_key(const Disowned *disowned, char ret[KEY_ID_TEXT_BYTES]) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    const Dongbo__BatchHeader *header = NULL;
    SpoolBatch batch;
    int r = spool_next(disowned->spool, disowned->stream, disowned->sequence, &batch);
    if (r == 0)
        r = arena_new(&arena, ARENA_BYTES);
    if (r == 0 && batch_read_header(batch.sealed, batch.sealed_bytes, arena, &header) == 0)
        snprintf(ret, KEY_ID_TEXT_BYTES, "%s", header->key_id);
    return r < 0 ? r : 0;
}

int disowned_explain(const Disowned *disowned) {
    char own[KEY_ID_TEXT_BYTES], sealed[KEY_ID_TEXT_BYTES] = "";
    keys_id(disowned->keys->sign_public, own);
    int r = find_key(disowned, sealed);
    if (r < 0)
        return r;
    if (*sealed == '\0' || strcmp(sealed, own) == 0)
        return error_fail(ERROR_CONFIG,
                          "the exchange does not know this agency's signing key %s (%s): have its operators add the "
                          "public key file",
                          own, disowned->text);
    return error_fail(ERROR_CONFIG,
                      "events from %" PRIu64 " on were sealed with the former key %s, which the exchange does not take "
                      "(%s). Where that key was revoked: stop the agent, move its spool away, start it, and put files "
                      "whose rows had no answer back (deploy/KEYS.md); what is sent twice does no harm",
                      disowned->sequence, sealed, disowned->text);
}
