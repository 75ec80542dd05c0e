// SPDX-License-Identifier: Apache-2.0
//
// See key_given.h. A code that no agency can have is refused: a key that is given for nobody would prove nothing, and
// say of what it signed that it is another's.
#include "operators/key_given.h"

#include "operators/policy.h"
#include "proto/base/error.h"
#include "proto/keys.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int refuse(const char *given, const char *who) {
    bool is_exchange = strcasecmp(who, KEY_GIVEN_EXCHANGE) == 0;
    char meant[KEY_GIVEN_WHO_BYTES];
    snprintf(meant, sizeof meant, "%s", is_exchange ? KEY_GIVEN_EXCHANGE : who);
    for (char *at = meant; *at != 0 && !is_exchange; at++)
        *at = (char)toupper((unsigned char)*at);
    if (!is_exchange && !policy_is_agency_code(meant))
        return error_fail(ERROR_CONFIG,
                          "--keys: %s: what stands before = is an agency's code, or " KEY_GIVEN_EXCHANGE
                          "; a file of this name is ./%s",
                          given, given);
    return error_fail(ERROR_CONFIG, "--keys: %s: no agency has the code %s; did you mean %s?", given, who, meant);
}

int key_given_split(const char *given, KeyGiven *ret) {
    const char *equals = strchr(given, '='), *slash = strchr(given, '/');
    *ret = (KeyGiven){.path = given};
    if (equals == NULL || (slash != NULL && slash < equals))
        return 0;
    size_t n = (size_t)(equals - given);
    if (n >= sizeof ret->who)
        return refuse(given, "");
    memcpy(ret->who, given, n);
    ret->path = equals + 1;
    bool is_exchange = strcmp(ret->who, KEY_GIVEN_EXCHANGE) == 0;
    bool wrong_case = !is_exchange && strcasecmp(ret->who, KEY_GIVEN_EXCHANGE) == 0;
    return is_exchange || (policy_is_agency_code(ret->who) && !wrong_case) ? 0 : refuse(given, ret->who);
}

int key_given_read(const char *given, KeyGiven *ret) {
    Keys keys;
    int r = key_given_split(given, ret);
    if (r == 0)
        r = keys_load(ret->path, &keys);
    if (r < 0)
        return r;
    memcpy(ret->key, keys.sign_public, KEY_BYTES);
    keys_wipe(&keys);
    return 0;
}
