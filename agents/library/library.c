// SPDX-License-Identifier: Apache-2.0
#include "agents/library/library.h"

#include "proto/base/log.h"

#include <czmq.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(DONGBO_ERROR_MEMORY == (int)ERROR_MEMORY && DONGBO_ERROR_SYSTEM == (int)ERROR_SYSTEM &&
                   DONGBO_ERROR_INPUT == (int)ERROR_CONFIG && DONGBO_ERROR_CRYPTO == (int)ERROR_CRYPTO &&
                   DONGBO_ERROR_PEER == (int)ERROR_PEER,
               "the header's errors are ours");

#define STRUCTURE_BYTES_MAX 4096 // what a later header could declare, generously

const char *dongbo_version(void) {
    return DONGBO_VERSION;
}

const char *dongbo_error(void) {
    return error_text();
}

void library_begin(void) {
    log_mute();
    zsys_handler_set(NULL);
}

int library_take(void *into, size_t into_bytes, const void *given) {
    size_t bytes;
    memcpy(&bytes, given, sizeof bytes);
    if (bytes < sizeof bytes || bytes > STRUCTURE_BYTES_MAX)
        return error_fail(ERROR_CONFIG, "a structure does not begin with its size: use DONGBO_INIT");
    memset(into, 0, into_bytes);
    memcpy(into, given, bytes < into_bytes ? bytes : into_bytes);
    return 0;
}

int library_need(const char *text, const char *name) {
    return text && *text ? 0 : error_fail(ERROR_CONFIG, "%s is needed", name);
}

int library_keys(const char *keys, const char *broker_key, Keys *ret, Keys ret_broker[2]) {
    int r = library_need(keys, "keys");
    if (r == 0)
        r = library_need(broker_key, "broker_key");
    if (r == 0)
        r = keys_load(keys, ret);
    if (r == 0 && !ret->has_secret)
        r = error_fail(ERROR_CONFIG, "%s: this is a public half; name the key file itself", keys);
    return r == 0 ? keys_load_exchange(broker_key, ret_broker) : r;
}

int endpoints_copy(Endpoints *ret, const char *const *endpoints, size_t n) {
    if (n < 1 || n > LIBRARY_ENDPOINTS_MAX)
        return error_fail(ERROR_CONFIG, "endpoints: 1 to %d are needed", LIBRARY_ENDPOINTS_MAX);
    for (size_t i = 0; i < n; i++) {
        int r = library_need(endpoints[i], "each endpoint");
        if (r < 0)
            return r;
        ret->at[i] = strdup(endpoints[i]);
        if (!ret->at[i])
            return error_fail(ERROR_MEMORY, "no memory for an endpoint");
        ret->n++;
    }
    return 0;
}

void endpoints_free(Endpoints *endpoints) {
    for (unsigned i = 0; i < endpoints->n; i++)
        free(endpoints->at[i]);
    endpoints->n = 0;
}
