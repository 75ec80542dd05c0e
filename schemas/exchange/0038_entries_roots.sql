-- SPDX-License-Identifier: Apache-2.0
-- What a batch's agency needs to know of its segment to have it proved. It follows from the summary, and is kept so
-- that a proof for each batch costs no reading of summaries. Null: of before.
ALTER TABLE exchange.segment ADD entries_root bytea;
