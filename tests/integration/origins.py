# SPDX-License-Identifier: Apache-2.0
"""Proofs of origin as a subscriber checks them, from proto/PROTOCOL.md alone, and as an exchange has them."""
import hashlib
import os

import people
import wire


def root_of(leaf, index, count, path):
    """RFC 6962, 2.1.1, from the leaf upwards."""
    def walk(index, count, left):
        if count == 1:
            assert not left
            return leaf
        split = 1 << (count - 1).bit_length() - 1
        sibling = left[-1]
        if index < split:
            return hashlib.sha256(b"\1" + walk(index, split, left[:-1]) + sibling).digest()
        return hashlib.sha256(b"\1" + sibling + walk(index - split, count - split, left[:-1])).digest()
    return walk(index, count, list(path))


class Proved:
    """One that is good: whose event, the batch's header, and the event where it was told."""

    def __init__(self, frame, proof, keys):
        batch = wire.SealedBatch.FromString(frame.batches[proof.batch])
        assert not batch.salts and not batch.events
        self.header = wire.BatchHeader.FromString(batch.header)
        assert self.header.key_id == keys.key_id and keys.verifies("dongbo batch 1", batch.header, batch.signature)
        assert root_of(proof.leaf, proof.index, self.header.count, proof.path) == self.header.root
        self.sequence = self.header.first_sequence + proof.index
        self.leaf, self.erased, self.event = proof.leaf, proof.erased, None
        assert bool(proof.salt) == bool(proof.event)
        if proof.event:
            assert wire.leaf(proof.salt + proof.event) == proof.leaf
            self.event = wire.ChangeEvent.FromString(proof.event)


def proofs(frames, keys):
    """Of these frames of records: the proof of each record by its position, None for none. keys: the agency's."""
    found = {}
    for frame in frames:
        assert len(frame.origins) == len(frame.records), repr(frame)
        records = [wire.FeedRecord.FromString(data) for data in frame.records]
        read = [wire.OriginProof.FromString(data) for data in frame.origins]
        assert len(set(frame.batches)) == len(frame.batches)
        assert {proof.batch for proof in read if proof.leaf} == set(range(len(frame.batches)))
        for record, proof in zip(records, read):
            found[record.position] = Proved(frame, proof, keys[record.agency]) if proof.leaf else None
    return found


def take(peer, position, **hello):
    """The feed up to there with proofs; its frames of records."""
    frames = []
    peer.token = None
    peer.hello(**{"origin_proofs": True, "from_start": True, **hello})
    assert peer.welcome.origin_proofs
    while peer.position < position:
        if peer.allowed - peer.taken < 1 << 20:
            peer.credit(1 << 20)
        received = peer.take()
        if received.type == wire.RECORDS:
            frames.append(received.message)
    return frames


class Batch:
    """Two events that an agency signed, as an exchange has them."""

    def __init__(self, keys, agency="MOH", **said):
        self.keys, self.salts = keys, os.urandom(32)
        self.events = [people.dose(n, 2, agency, event_time_us=1640000000000000, **said) for n in range(2)]
        self.leaves = [wire.leaf(self.salts[16 * i:16 * i + 16] + self.events[i]) for i in range(2)]

    def origin(self, **lies):
        """Header and signature alone."""
        sealed = wire.SealedBatch.FromString(wire.seal(self.keys, bytes(16), 1, self.events, salts=self.salts, **lies))
        return wire.SealedBatch(header=sealed.header, signature=sealed.signature).SerializeToString()

    def proof(self, i, told=False, **lies):
        said = {"index": i, "leaf": self.leaves[i], "path": [self.leaves[1 - i]]}
        if told:
            said.update(salt=self.salts[16 * i:16 * i + 16], event=self.events[i])
        return wire.OriginProof(**{**said, **lies}).SerializeToString()
