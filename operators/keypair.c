// SPDX-License-Identifier: Apache-2.0
//
// `dongbo keys`: makes key files and shows their public halves. Never prints a secret.
#include "operators/commands.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/keys.h"

#include <stdio.h>

static void print_public(const Keys *keys) {
    char hex[2 * KEY_BYTES + 1], id[17];
    hex_encode(keys->curve_public, KEY_BYTES, hex);
    printf("curve_public %s\n", hex);
    hex_encode(keys->sign_public, KEY_BYTES, hex);
    printf("sign_public  %s\n", hex);
    keys_id(keys->sign_public, id);
    printf("key id       %s\n", id);
}

int keypair_new(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    Keys keys;
    r = keys_generate(&keys);
    if (r == 0)
        r = keys_save(&keys, argv[operand]);
    if (r == 0) {
        printf("%s: keep it, nobody else needs it\n%s.pub: hand this over\n", argv[operand], argv[operand]);
        print_public(&keys);
    }
    keys_wipe(&keys);
    return r;
}

int keypair_show(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    Keys keys;
    r = keys_load(argv[operand], &keys);
    if (r == 0) {
        print_public(&keys);
        keys_wipe(&keys);
    }
    return r;
}
