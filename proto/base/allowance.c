// SPDX-License-Identifier: Apache-2.0
//
// A table of buckets that fill with time, found by a hash of the peer's name. Where all places of a name are taken, it
// gets that of the fullest bucket: whoever has used the least loses the least, and a full one loses nothing.
#include "proto/base/allowance.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 8192 // a power of two; parties that an exchange knows are hundreds
#define PLACES 16  // of one name
#define UNIT 1000  // of one: a millisecond's share of one a second is whole

typedef struct Bucket {
    char name[ALLOWANCE_NAME_BYTES]; // "": free
    int64_t at_ms;
    int64_t left; // in UNITs, at that time
} Bucket;

struct Allowance {
    AllowanceRate rate;
    Bucket buckets[SLOTS];
};

int allowance_new(Allowance **ret, AllowanceRate rate) {
    *ret = calloc(1, sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for allowances");
    (*ret)->rate = rate;
    return 0;
}

void allowance_destroy(Allowance **allowance) {
    free(*allowance);
    *allowance = NULL;
}

// Up to the second colon.
static void name_party(const char *peer, char ret[ALLOWANCE_NAME_BYTES]) {
    unsigned colons = 0;
    size_t n = 0;
    for (; n < ALLOWANCE_NAME_BYTES - 1 && peer[n] != 0; n++) {
        if (peer[n] == ':' && ++colons == 2)
            break;
        ret[n] = peer[n];
    }
    if (n == 0)
        ret[n++] = '?'; // who is not known
    ret[n] = 0;
}

// FNV-1a.
static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static int64_t left_now(const Allowance *allowance, const Bucket *bucket, int64_t now_ms) {
    int64_t most = (int64_t)allowance->rate.burst * UNIT;
    if (bucket->name[0] == 0)
        return most;
    int64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    int64_t until_full = (most - bucket->left) / allowance->rate.per_second + 1;
    return passed >= until_full ? most : bucket->left + passed * allowance->rate.per_second;
}

// Its own, or the one to take over.
static Bucket *bucket_of(Allowance *allowance, const char *name, int64_t now_ms) {
    uint32_t first = hash(name);
    Bucket *fullest = NULL;
    int64_t most = -1;
    for (uint32_t i = 0; i < PLACES; i++) {
        Bucket *bucket = &allowance->buckets[(first + i) & (SLOTS - 1)];
        if (strcmp(bucket->name, name) == 0)
            return bucket;
        int64_t left = left_now(allowance, bucket, now_ms);
        if (left > most) {
            most = left;
            fullest = bucket;
        }
    }
    memset(fullest, 0, sizeof *fullest);
    return fullest;
}

bool allowance_take(Allowance *allowance, const char *peer, int64_t now_ms) {
    char name[ALLOWANCE_NAME_BYTES];
    name_party(peer, name);
    Bucket *bucket = bucket_of(allowance, name, now_ms);
    int64_t left = left_now(allowance, bucket, now_ms);
    memcpy(bucket->name, name, strlen(name) + 1);
    bucket->at_ms = now_ms;
    bucket->left = left >= UNIT ? left - UNIT : left;
    return left >= UNIT;
}
