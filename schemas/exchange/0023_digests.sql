-- SPDX-License-Identifier: Apache-2.0
-- What records add up to may have been sent, instead of the records. Whoever can guess what a record says finds out
-- from the digest of its bucket whether it does, the more so where few share one.
ALTER TABLE exchange.snapshot_release ADD digests boolean NOT NULL DEFAULT false;
