// SPDX-License-Identifier: Apache-2.0
//
// Events' words are taken out of the record that they went into, as if they had never been said: what the others said
// of it stands, field by field, byte for byte what it would be without those events. Pure. Nobody's claim is made in
// their place, for that would weigh against what others say later.
#pragma once

#include "broker/reconcile.h"

typedef struct WithdrawWord {
    const Dongbo__ChangeEvent *event; // whose word it is
    uint32_t agency;                  // ... and the event's
} WithdrawWord;

typedef struct Withdraw {
    const DomainRules *rules;
    Arena *arena;
    const Dongbo__Record *const *versions; // all of the record, as history.h wants them
    size_t n;
    const Dongbo__Record *current; // among them, or what became of it since; NULL for none
    const WithdrawWord *words;     // that go, all at once: what that takes does not grow with how many they are
    size_t n_words;
} Withdraw;

// Whether any of the record is by this event's word.
bool withdraw_stands(const Dongbo__Record *current, const Dongbo__ChangeEvent *event);
// ret->verdict is ACCEPTED where a value or the record's being changes, else UNCHANGED; a version without any origin
// says that nobody's word is left. What the record lost is noted of each word, in their order. Nothing is stored where
// there is no record. ERROR_MEMORY; 1 when a version's bytes are unreadable.
int withdraw(const Withdraw *of, Merged *ret);
