-- SPDX-License-Identifier: Apache-2.0
-- What the log's proofs are made of, beside hashes and frontiers (broker/segment.h). Segments of format 1 have neither;
-- their leaf follows from row and summary.
ALTER TABLE exchange.segment
    ADD leaf   bytea,                                  -- in the Merkle log
    ADD origin bytea;                                  -- of a batch: SealedBatch with header and signature alone; stays
                                                       -- when batch and payload go
CREATE INDEX segment_leaf ON exchange.segment (leaf_index);
GRANT SELECT (leaf, origin) ON exchange.segment TO dongbo_reader;
