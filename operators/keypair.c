// SPDX-License-Identifier: Apache-2.0
//
// `dongbo keys`: makes key files, locks and unlocks them, and shows their public halves. Never prints a secret.
#include "operators/commands.h"
#include "operators/result.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

#define PASSPHRASE_BYTES_MIN 8

static void print_public(const Keys *keys) {
    char hex[2 * KEY_BYTES + 1], id[17];
    hex_encode(keys->curve_public, KEY_BYTES, hex);
    printf("curve_public %s\n", hex);
    hex_encode(keys->sign_public, KEY_BYTES, hex);
    printf("sign_public  %s\n", hex);
    keys_id(keys->sign_public, id);
    char fingerprint[KEY_FINGERPRINT_BYTES];
    keys_fingerprint(keys, fingerprint);
    printf("key id       %s\nfingerprint  %s\n", id, fingerprint);
}

// A new one, said twice; of a descriptor once. Empty is refused.
static int read_new(const char *fd, Passphrase *ret) {
    Passphrase again = {0};
    int r = fd ? passphrase_read_fd(fd, ret) : passphrase_ask("New passphrase", ret);
    if (r == 0 && ret->n < PASSPHRASE_BYTES_MIN)
        r = error_fail(ERROR_CONFIG, "a passphrase has %d bytes at least", PASSPHRASE_BYTES_MIN);
    if (r == 0 && !fd)
        r = passphrase_ask("Once more", &again);
    if (r == 0 && !fd && strcmp(again.text, ret->text) != 0)
        r = error_fail(ERROR_CONFIG, "the two are not the same; nothing was changed");
    passphrase_wipe(&again);
    return r;
}

int keypair_new(Desk *desk, int argc, char **argv) {
    CLEANUP(passphrase_wipe) Passphrase passphrase = {0};
    bool locked = false;
    const char *fd = NULL;
    int operand = 0;
    const Option options[] = {{"passphrase", 0, OPTION_FLAG, NULL, "ask for a passphrase that locks FILE", &locked},
                              {"passphrase-fd", 0, OPTION_TEXT, "N", "... or read it from this file descriptor", &fd},
                              {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    locked = locked || fd;
    Keys keys;
    r = locked ? read_new(fd, &passphrase) : 0;
    if (r < 0)
        return r;
    r = keys_generate(&keys);
    if (r == 0)
        r = keys_save(&keys, argv[operand], locked ? &passphrase : NULL);
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
    bool locked = false;
    r = keys_load_public(argv[operand], &keys, &locked);
    if (r == 0)
        print_public(&keys);
    if (r == 0 && locked)
        printf("its secrets are locked by a passphrase\n");
    return r;
}

int keypair_passphrase(Desk *desk, int argc, char **argv) {
    static const char notes[] =
        "The present passphrase, where FILE has one, is found as programs find it: a systemd credential,\n"
        "$DONGBO_PASSPHRASE_FD, or asked for. Programs that run are not touched; they need it at their next start.\n";
    CLEANUP(passphrase_wipe) Passphrase passphrase = {0};
    CLEANUP(keys_wipe) Keys keys = {0};
    bool take_away = false;
    const char *fd = NULL;
    int operand = 0;
    const Option options[] = {{"new-fd", 0, OPTION_TEXT, "N", "read the new one from this file descriptor", &fd},
                              {"remove", 0, OPTION_FLAG, NULL, "let FILE have none", &take_away},
                              {0}};
    int r = desk_parse_noted(desk, options, notes, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    const char *path = argv[operand];
    if (take_away && fd)
        return error_fail(ERROR_CONFIG, "--remove and --new-fd exclude each other");
    r = keys_load(path, &keys);
    if (r == 0 && !keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s is the public half: there is nothing to lock", path);
    if (r == 0 && !take_away)
        r = read_new(fd, &passphrase);
    if (r == 0)
        r = keys_replace(&keys, path, take_away ? NULL : &passphrase);
    if (r == 0)
        printf("%s %s\n", path, take_away ? "has no passphrase any more" : "is locked by the new passphrase");
    return r;
}
