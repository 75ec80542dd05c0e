// SPDX-License-Identifier: Apache-2.0
//
// The masks themselves are proto/base/text.h's. Refuses to guess: a value is shown whole only where its field says so.
#include "operators/mask.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>

#define KEY_PARTS ((char)0x1F)

static bool begins_with_year(const char *value) {
    return strspn(value, "0123456789") == 4 && (value[4] == '\0' || value[4] == '-');
}

const char *mask_value(const RuleField *field, const char *value, char out[MASK_BYTES]) {
    switch (!*value ? MASK_NONE : field ? field->personal : MASK_ALL) {
    case MASK_NONE:
        return value;
    case MASK_NAME:
        text_mask_name(value, out, MASK_BYTES);
        break;
    case MASK_NUMBER:
        text_mask_number(value, out);
        break;
    case MASK_DATE: // what is no date of ours has its year elsewhere, or is somebody's name
        snprintf(out, MASK_BYTES, "%.4s", begins_with_year(value) ? value : "***");
        break;
    case MASK_ALL:
        snprintf(out, MASK_BYTES, "***");
        break;
    }
    return out;
}

void mask_key(const DomainRules *rules, const char *key, bool unmask, Bytes *out) {
    bytes_clear(out);
    for (size_t i = 0; key; i++) {
        char part[1024], masked[MASK_BYTES];
        const char *end = strchr(key, KEY_PARTS);
        snprintf(part, sizeof part, "%.*s", end ? (int)(end - key) : (int)strlen(key), key);
        const RuleField *field = rules && i < rules->n_key ? rules->key[i] : NULL;
        bytes_append_text(out, i ? "/" : "");
        bytes_append_text(out, unmask ? part : mask_value(field, part, masked));
        key = end ? end + 1 : NULL;
    }
    bytes_append_u8(out, 0);
}
