// SPDX-License-Identifier: Apache-2.0
//
// One pass over wire bytes with a small stack of our own: no recursion, no allocation, nothing decoded. What passes is
// safe to hand to protobuf-c, whose cost and memory are then bounded by these limits. It is stricter than protobuf's
// parsers, so that signed bytes have one meaning: a varint has its shortest form, a field that is not repeated comes
// at most once, at most one member of a oneof is there, and groups are refused. It judges no value.
#include "proto/check.h"

#include "proto/base/text.h"
#include "proto/bounds.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const CheckLimits CHECK_EVENT = {
    .fields_max = EVENT_FIELDS_MAX,
    .depth_max = EVENT_DEPTH_MAX,
    .string_max = TEXT_BYTES_MAX,
    .bytes_max = TEXT_BYTES_MAX,
    .repeated_max = CLEARED_FIELDS_MAX,
};

const CheckLimits CHECK_WIRE = {
    .fields_max = WIRE_FIELDS_MAX,
    .depth_max = WIRE_DEPTH_MAX,
    .string_max = TEXT_BYTES_MAX,
    .bytes_max = FRAME_BODY_BYTES_MAX,
    .repeated_max = WIRE_REPEATED_MAX,
};

#define STACK_MAX 8

enum { CHECK_OK = 0, CHECK_MALFORMED = 1, CHECK_LIMIT = 2, CHECK_TEXT = 3 };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct Level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
    uint64_t seen;    // bit i: fields[i] was there
    size_t repeated;  // elements of its repeated fields so far
    unsigned next;    // index of the field that a writer in order would send now
    const char *name; // of the field that holds it; NULL for the outermost
} Level;

typedef struct Walk {
    const CheckLimits *limits;
    const uint8_t *at;
    size_t fields;
    size_t depth;                          // levels in use
    const ProtobufCFieldDescriptor *field; // under the cursor; NULL when unknown
    Level levels[STACK_MAX];
} Walk;

// Two bytes and more.
static int read_long_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
    const uint8_t *p = *at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7, p++) {
        uint64_t bits = *p & 0x7F;
        if (shift == 63 && bits > 1)
            return CHECK_MALFORMED;
        value |= bits << shift;
        if (*p >= 0x80)
            continue;
        if (bits == 0)
            return CHECK_MALFORMED; // a longer form than needed
        *ret = value;
        *at = p + 1;
        return CHECK_OK;
    }
    return CHECK_MALFORMED;
}

// Nearly every tag and length is one byte.
static inline int read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
    const uint8_t *p = *at;
    if (p < end && *p < 0x80) {
        *ret = *p;
        *at = p + 1;
        return CHECK_OK;
    }
    return read_long_varint(at, end, ret);
}

int check_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
    return read_varint(at, end, ret);
}

// Our schema has varints and what has a length, nothing of fixed size (a test walks the descriptors).
static unsigned wire_type_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

// A varint must be a value of its type: protobuf-c would cut the upper bits off in silence.
static int check_scalar(ProtobufCType type, uint64_t value) {
    switch (type) {
    case PROTOBUF_C_TYPE_UINT32:
        return value <= UINT32_MAX ? CHECK_OK : CHECK_MALFORMED;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return (int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX ? CHECK_OK : CHECK_MALFORMED;
    case PROTOBUF_C_TYPE_BOOL:
        return value <= 1 ? CHECK_OK : CHECK_MALFORMED;
    default:
        return CHECK_OK;
    }
}

// The high bit of each byte that is not printable ASCII: it is set already, or the byte is below 0x20 (borrows), or
// 0x7F (becomes zero and borrows). A borrow may mark the byte above a bad one too, never hide one.
static inline uint64_t unprintable(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return (word | (word - ones * 0x20) | ((word ^ (ones * 0x7F)) - ones)) & (ones << 7);
}

static inline uint64_t load(const uint8_t *data, size_t n) {
    uint64_t word = 0;
    memcpy(&word, data, n);
    return word;
}

// Printable ASCII, eight bytes at a time: what nearly every code, date and number is. Vietnamese names go on to
// text_is_clean(). The last bytes are looked at twice where the length does not divide.
static bool is_plain_ascii(const uint8_t *data, size_t n) {
    uint64_t bad = 0;
    if (n < 8) {
        for (size_t i = 0; i < n; i++)
            bad |= (uint64_t)(data[i] < 0x20 || data[i] >= 0x7F);
        return bad == 0;
    }
    for (size_t i = 0; i + 8 <= n; i += 8)
        bad |= unprintable(load(data + i, 8));
    return (bad | unprintable(load(data + n - 8, 8))) == 0;
}

static int check_string(const Walk *walk, const uint8_t *data, size_t n) {
    if (n > walk->limits->string_max)
        return CHECK_LIMIT;
    return is_plain_ascii(data, n) || text_is_clean((const char *)data, n) ? CHECK_OK : CHECK_TEXT;
}

// Counts `n` more elements of a repeated field.
static int count_repeated(Walk *walk, Level *level, size_t n) {
    level->repeated += n;
    return level->repeated <= walk->limits->repeated_max ? CHECK_OK : CHECK_LIMIT;
}

static int check_packed(Walk *walk, Level *level, ProtobufCType type, const uint8_t *data, size_t n) {
    const uint8_t *end = data + n;
    while (data < end) {
        uint64_t value;
        int r = read_varint(&data, end, &value);
        if (r == CHECK_OK)
            r = check_scalar(type, value);
        if (r == CHECK_OK)
            r = count_repeated(walk, level, 1);
        if (r != CHECK_OK)
            return r;
    }
    return CHECK_OK;
}

// Writers send fields in the order of their numbers, so the next one is found at once.
static const ProtobufCFieldDescriptor *find_field(Level *level, uint32_t number) {
    const ProtobufCMessageDescriptor *descriptor = level->descriptor;
    for (unsigned i = level->next; i < descriptor->n_fields && descriptor->fields[i].id <= number; i++) {
        if (descriptor->fields[i].id == number) {
            level->next = i; // not i + 1: a repeated field comes again
            return &descriptor->fields[i];
        }
    }
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, number);
    if (field != NULL)
        level->next = (unsigned)(field - descriptor->fields);
    return field;
}

// All members of a oneof at once.
static uint64_t oneof_bits(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if ((descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            descriptor->fields[i].quantifier_offset == field->quantifier_offset)
            bits |= UINT64_C(1) << i;
    return bits;
}

// A field that is not repeated may come once; of a oneof, one member once. `level->next` is its index.
static inline int check_once(Level *level, const ProtobufCFieldDescriptor *field) {
    uint64_t bits = UINT64_C(1) << level->next;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        bits = oneof_bits(level->descriptor, field);
    if (level->seen & bits)
        return CHECK_MALFORMED;
    level->seen |= bits;
    return CHECK_OK;
}

static int descend(Walk *walk, const uint8_t *data, size_t n) {
    if (walk->depth == walk->limits->depth_max)
        return CHECK_LIMIT;
    walk->levels[walk->depth++] =
        (Level){.descriptor = walk->field->descriptor, .end = data + n, .name = walk->field->name};
    walk->at = data;
    return CHECK_OK;
}

// Content of a length-delimited field. The cursor ends behind it, or at the start of a message to go into.
static int check_delimited(Walk *walk, Level *level) {
    uint64_t n;
    if (read_varint(&walk->at, level->end, &n) != CHECK_OK || n > (uint64_t)(level->end - walk->at))
        return CHECK_MALFORMED;
    const uint8_t *data = walk->at;
    walk->at = data + n;
    if (walk->field == NULL)
        return n <= walk->limits->bytes_max ? CHECK_OK : CHECK_LIMIT;
    switch (walk->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return check_string(walk, data, n);
    case PROTOBUF_C_TYPE_BYTES:
        return n <= walk->limits->bytes_max ? CHECK_OK : CHECK_LIMIT;
    case PROTOBUF_C_TYPE_MESSAGE:
        return descend(walk, data, n);
    default:
        return check_packed(walk, level, walk->field->type, data, n);
    }
}

static int check_value(Walk *walk, Level *level, unsigned wire) {
    uint64_t value;
    switch (wire) {
    case WIRE_VARINT:
        if (read_varint(&walk->at, level->end, &value) != CHECK_OK)
            return CHECK_MALFORMED;
        return walk->field != NULL ? check_scalar(walk->field->type, value) : CHECK_OK;
    case WIRE_64:
    case WIRE_32: {
        ptrdiff_t size = wire == WIRE_32 ? 4 : 8;
        if (level->end - walk->at < size)
            return CHECK_MALFORMED;
        walk->at += size;
        return CHECK_OK;
    }
    case WIRE_BYTES:
        return check_delimited(walk, level);
    default:
        return CHECK_MALFORMED; // groups, and types that do not exist
    }
}

static int check_field(Walk *walk) {
    Level *level = &walk->levels[walk->depth - 1];
    uint64_t tag;
    walk->field = NULL;
    if (read_varint(&walk->at, level->end, &tag) != CHECK_OK || tag > UINT32_MAX || tag >> 3 == 0)
        return CHECK_MALFORMED;
    if (++walk->fields > walk->limits->fields_max)
        return CHECK_LIMIT;
    const ProtobufCFieldDescriptor *field = walk->field = find_field(level, (uint32_t)(tag >> 3));
    unsigned wire = tag & 7;
    if (field == NULL)
        return check_value(walk, level, wire);
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    bool packed = repeated && wire == WIRE_BYTES && wire_type_of(field->type) == WIRE_VARINT;
    if (!packed && wire != wire_type_of(field->type))
        return CHECK_MALFORMED;
    int r = CHECK_OK;
    if (!repeated)
        r = check_once(level, field);
    else if (!packed)
        r = count_repeated(walk, level, 1);
    return r == CHECK_OK ? check_value(walk, level, wire) : r;
}

static void name_field(const Walk *walk, char ret[64]) {
    size_t n = 0;
    for (size_t i = 1; i < walk->depth; i++)
        if (walk->levels[i].name != NULL && n < 64)
            n += (size_t)snprintf(ret + n, 64 - n, "%s.", walk->levels[i].name);
    if (walk->field != NULL && n < 64)
        snprintf(ret + n, 64 - n, "%s", walk->field->name);
    else if (n > 0 && n < 64)
        ret[n - 1] = 0; // an unknown field within: name the message
}

int check_message(const ProtobufCMessageDescriptor *descriptor, const CheckLimits *limits, const uint8_t *data,
                  size_t n, char ret_field[64]) {
    assert(limits->depth_max >= 1 && limits->depth_max <= STACK_MAX && descriptor->n_fields <= 64);
    Walk walk; // levels are set as they are entered: zeroing them all costs as much as a short message
    walk.limits = limits;
    walk.at = data;
    walk.fields = 0;
    walk.depth = 1;
    walk.field = NULL;
    walk.levels[0] = (Level){.descriptor = descriptor, .end = n > 0 ? data + n : data}; // data may be NULL then
    if (ret_field != NULL)
        ret_field[0] = 0;
    while (walk.depth > 0) {
        if (walk.at == walk.levels[walk.depth - 1].end) {
            walk.depth--;
            continue;
        }
        int r = check_field(&walk);
        if (r == CHECK_OK)
            continue;
        if (ret_field != NULL)
            name_field(&walk, ret_field);
        return r;
    }
    return CHECK_OK;
}
