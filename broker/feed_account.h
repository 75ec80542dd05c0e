// SPDX-License-Identifier: Apache-2.0
//
// What may have left of the log, to whom: kept durably before any of it goes out, and never understated, also not by a
// database that was set back to an older copy (`dongbo disclosures`). All may return ERROR_DATABASE.
#pragma once

#include "broker/feed_store.h"

// What is released with this position: in blocks, so that little is written.
uint64_t feed_account_bound(uint64_t position);
// Raises the bound of what may have gone out; durable when it returns. 1 when the session is over.
int feed_account_release(FeedStore *store, const Subscriber *subscriber, uint64_t position);
// The session goes on behind `position`: what was never sent up to there is passed over (exchange.subscription_skip),
// and what was passed over beyond may be sent now. Before anything is.
int feed_account_pass(FeedStore *store, const Subscriber *subscriber, uint64_t position);
// The account of a snapshot, of which something up to `head` is about to go out, the rest of it with `done`. *release:
// 0 for a new one, whose number is then there. Durable when it returns.
typedef struct SnapshotAccount {
    int32_t subscription;
    uint64_t first, head;
    bool done, digests;
} SnapshotAccount;
int feed_account_snapshot(FeedStore *store, const SnapshotAccount *account, int64_t *release);
// The session holds what stands before this place, as its token shows, or was sent it: where the database knows less,
// it has forgotten. What was passed over before `began` stays so.
int feed_account_hold(FeedStore *store, const Subscriber *subscriber, uint64_t position);

// All that this broker released in its life, so that it can say it again.
typedef struct FeedAccounts FeedAccounts;
int feed_accounts_new(FeedAccounts **ret); // ERROR_MEMORY
void feed_accounts_destroy(FeedAccounts **accounts);
// From where the session began up to there, something may have been sent. ERROR_MEMORY.
int feed_accounts_note(FeedAccounts *accounts, const Subscriber *subscriber, uint64_t released);
// The database came back, and may be another one: what it does not know of this it is told.
int feed_accounts_again(const FeedAccounts *accounts, FeedStore *store);
