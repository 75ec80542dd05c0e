# SPDX-License-Identifier: Apache-2.0
"""Proofs that an agency's batches are in the log that everybody is shown [8, Proofs; 15]. Fault: what came is no such
proof. False: it is one, and does not hold.

Written from proto/PROTOCOL.md, whose sections are named in brackets."""
import struct

from google.protobuf.message import DecodeError

import dongbo_pb2 as pb
from exchange import is_signed, key_id, sha256

PROOF_BATCHES_MAX = 64
KIND_BATCH = 1


class Fault(Exception):
    pass


class Unknown(Exception):
    """The head is by a key that is not known here: nobody can judge it."""


class False_(Exception):
    """Evidence against the exchange, where it has signed what was said."""


class Contradiction(False_):
    """Between two heads, which are signed by themselves."""


def split(size):
    return 1 << (size - 1).bit_length() - 1


def root_of(leaf, index, size, path):
    """RFC 6962, 2.1.1."""
    if size == 1:
        if path:
            raise False_("a path is too long")
        return leaf
    if not path:
        raise False_("a path is too short")
    k = split(size)
    if index < k:
        return sha256(b"\1", root_of(leaf, index, k, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], root_of(leaf, index - k, size - k, path[:-1]))


def roots_of(older, size, path, old_root, whole=True):
    """RFC 6962, 2.1.2: (the older tree's root, the newer one's); takes what it uses from the path's end."""
    if older == size:
        root = old_root if whole else path.pop()
        return root, root
    k = split(size)
    beside = path.pop()
    if older <= k:
        old, new = roots_of(older, k, path, old_root, whole)
        return old, sha256(b"\1", new, beside)
    old, new = roots_of(older - k, size - k, path, old_root, False)
    return sha256(b"\1", beside, old), sha256(b"\1", beside, new)


def leaf_of(stream, batch, root, origin, proof):
    """A batch's segment [15], by what we have ourselves and what we are told of it."""
    place = struct.pack(">IQQBI", proof.epoch, proof.first_position, proof.last_position, KIND_BATCH, proof.agency)
    sequences = struct.pack(">QQ", batch.first, batch.last)
    times = struct.pack(">qq", proof.stored_at_us, proof.population_position)
    signed = sha256(origin.header, origin.signature)
    return sha256(b"\0dongbo segment 2\0", place, stream, sequences, root, signed, times, proof.entries_root)


def open_head(signed, sign_public):
    try:
        head = pb.TreeHead.FromString(signed.head)
    except DecodeError:
        raise Fault("a head that is none") from None
    if not (head.number and head.size and len(head.root) == 32):
        raise Fault("a head that is none")
    if head.key_id != key_id(sign_public):
        raise Unknown(head.key_id)
    if not is_signed(sign_public, b"dongbo head 1", signed.head, signed.signature):
        raise Fault("a head that is not signed by the exchange")
    return head


def check_head(head, before, frame):
    """That it goes on from the head that is held; None: none is."""
    if before is None or head.epoch > before.epoch:
        return
    if head.epoch < before.epoch:
        raise False_("the head is of an epoch that was over")
    if head.number == before.number and head != before:
        raise Contradiction("there are two heads of one number")
    if frame.older != before.number or head.number < before.number:
        raise Fault("the head does not join the one that is held")
    if head.size < before.size or (head.number > before.number) != (head.size > before.size):
        raise Contradiction("the log has shrunk")
    path = list(frame.consistency)
    try:
        roots = roots_of(before.size, head.size, path, before.root)
    except IndexError:
        raise False_("the proof of consistency is too short") from None
    if path or roots != (before.root, head.root):
        raise False_("the log does not begin with the one before")


def check_batch(head, proof, stream, batch, receipt):
    """`batch` is what was sealed (first, last, root, sealed), `receipt` its ReceiptBody."""
    n = batch.last - batch.first + 1
    if proof.last_sequence != batch.last:
        raise False_("it is of another range of events")
    if proof.last_position - proof.first_position + 1 != n or proof.last_position > head.last_position \
            or proof.epoch > head.epoch or proof.leaf_index >= head.size:
        raise False_("the batch cannot stand where it is said to")
    leaf = leaf_of(stream, batch, batch.root, pb.SealedBatch.FromString(batch.sealed), proof)
    if root_of(leaf, proof.leaf_index, head.size, list(proof.path)) != head.root:
        raise False_("the batch is not in the log of the head")
    if receipt.epoch < proof.epoch:
        return
    if sha256(b"\2", proof.previous_hash, leaf) != receipt.segment_hash:
        raise False_("the receipt names another segment")
    if (receipt.epoch, receipt.stored_at_us) != (proof.epoch, proof.stored_at_us):
        raise False_("the receipt says another time")
    if not receipt.duplicate and (receipt.first_position, receipt.last_position) != (proof.first_position,
                                                                                    proof.last_position):
        raise False_("the receipt says another place")
