// SPDX-License-Identifier: Apache-2.0
//
// The seven domains through their descriptors. Bodies are flat: strings and uint32 only (a test walks the
// descriptors), so rules, mappings, rights, reconciliation and sinks treat all of them with this one module.
#pragma once

#include "event.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAIN_MIN 1
#define DOMAIN_MAX 7
#define DOMAIN_FIELDS_MAX 31 // field numbers of a body are 1 to 31, so that a set of them is one uint32_t

// "population", "health", "education", "social_security", "residence", "e_id", "electricity". NULL when unknown.
const char *domain_name(int domain);
int domain_by_name(const char *name);                            // 0 when unknown
const ProtobufCMessageDescriptor *domain_descriptor(int domain); // of its body; NULL when unknown
// The fields that say which record of the person it is, as bits (PROTOCOL.md, Events; a test holds that they agree with
// the rules). 0 when it has none, or is unknown.
uint32_t domain_keys(int domain);

// The event's body and its domain (DOMAIN_UNSPECIFIED and NULL when it has none).
int event_domain(const Dongbo__ChangeEvent *event);
ProtobufCMessage *event_body(const Dongbo__ChangeEvent *event);
void event_set_body(Dongbo__ChangeEvent *event, int domain, ProtobufCMessage *body);

// What a feed record does, as a receiver writes it: upsert, delete, entered, left. NULL when it is none of these.
const char *change_name(int change);
bool change_lets_go(int change); // the receiver's copy of the record
// Gives a number.
bool population_is_reissue(const Dongbo__PopulationChange *change);
// The number holds no longer, and there is no other.
bool population_is_cancellation(const Dongbo__PopulationChange *change);
// Two persons are one: the subject's number goes, the body's stays.
bool population_is_merger(const Dongbo__PopulationChange *change);

// Fields of a flat message by number. A string field's value is its text; a uint32's is written into `buffer`.
// Never NULL; "" when not said.
const char *field_text(const ProtobufCMessage *body, unsigned number, char buffer[12]);
bool field_is_said(const ProtobufCMessage *body, unsigned number);
// Copies one field from one message to another of the same type (pointers are shared, not duplicated).
void field_copy(ProtobufCMessage *to, const ProtobufCMessage *from, unsigned number);
void field_clear(ProtobufCMessage *body, unsigned number);
bool field_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, unsigned number);
// text is kept by pointer. 1 when a uint32 field gets text that is not a number below 2^32.
int field_set_text(ProtobufCMessage *body, unsigned number, const char *text);
// Whether a field of this name holds a FHIR date: names of fields say so (a test holds that they agree with the rules).
bool field_is_date(const char *name);
const char *field_name(const ProtobufCMessageDescriptor *descriptor, unsigned number);  // NULL when unknown
unsigned field_by_name(const ProtobufCMessageDescriptor *descriptor, const char *name); // 0 when unknown
// The set of fields said, as bits (bit n = field number n).
uint32_t fields_said(const ProtobufCMessage *body);

const char *verdict_name(int verdict); // "ACCEPTED"; "?" when unknown
int verdict_by_name(const char *name); // 0 when unknown
bool verdict_is_open(int verdict);     // another may follow: MISMATCH waits for a person's eye, DEFERRED for its person
