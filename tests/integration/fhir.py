# SPDX-License-Identifier: Apache-2.0
"""Holds a resource against what FHIR R4 (4.0.1) says of an Immunization, as far as ours use it: which elements there
are, how often, and of which type. Debian has no package with FHIR's own definitions, so they stand here in our words,
after the specification's pages on Immunization and data types. An element that is not here fails."""
import re

STATUS = {"completed", "entered-in-error", "not-done"}  # required binding: immunization-status


def _text(value):
    return isinstance(value, str) and re.fullmatch(r"[\r\n\t\S ]+", value) is not None and value.strip() != ""


def _shaped(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


# By type: a test of a primitive value, or the elements: name: (least, most, type); most None is "*", a list.
TYPES = {
    "string": _text,
    "code": _shaped(r"\S+( \S+)*"),
    "uri": _shaped(r"\S+"),
    "id": _shaped(r"[A-Za-z0-9\-.]{1,64}"),
    "dateTime": _shaped(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
                        r"(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?"),
    "positiveInt": lambda value: type(value) is int and 0 < value < 1 << 31,
    "status": lambda value: value in STATUS,
    "resourceType": lambda value: value == "Immunization",
    "Coding": {"system": (0, 1, "uri"), "code": (0, 1, "code"), "display": (0, 1, "string")},
    "CodeableConcept": {"coding": (0, None, "Coding"), "text": (0, 1, "string")},
    "Identifier": {"system": (0, 1, "uri"), "value": (0, 1, "string")},
    "Reference": {"reference": (0, 1, "string"), "type": (0, 1, "uri"), "identifier": (0, 1, "Identifier"),
                  "display": (0, 1, "string")},
    "Meta": {"versionId": (0, 1, "id"), "tag": (0, None, "Coding")},
    "Performer": {"function": (0, 1, "CodeableConcept"), "actor": (1, 1, "Reference")},
    "ProtocolApplied": {"targetDisease": (0, None, "CodeableConcept"), "doseNumberPositiveInt": (0, 1, "positiveInt"),
                        "doseNumberString": (0, 1, "string")},
    "Immunization": {
        "resourceType": (1, 1, "resourceType"), "id": (0, 1, "id"), "meta": (0, 1, "Meta"),
        "identifier": (0, None, "Identifier"), "status": (1, 1, "status"), "vaccineCode": (1, 1, "CodeableConcept"),
        "patient": (1, 1, "Reference"), "occurrenceDateTime": (0, 1, "dateTime"), "occurrenceString": (0, 1, "string"),
        "lotNumber": (0, 1, "string"), "performer": (0, None, "Performer"),
        "protocolApplied": (0, None, "ProtocolApplied")},
}


def check(value, kind, path):
    elements = TYPES[kind]
    if callable(elements):
        assert elements(value), f"{path}: {value!r} is no {kind}"
        return
    assert isinstance(value, dict) and value, f"{path} is empty"
    assert value.keys() <= elements.keys(), f"{path}: {value.keys() - elements.keys()}"
    for name, (least, most, of) in elements.items():
        assert name in value or least == 0, f"{path}.{name} is missing"
        if name in value and most == 1:
            check(value[name], of, f"{path}.{name}")
        elif name in value:
            assert isinstance(value[name], list) and value[name], f"{path}.{name} is no list, or empty"
            for i, one in enumerate(value[name]):
                check(one, of, f"{path}.{name}[{i}]")


def check_immunization(resource):
    check(resource, "Immunization", "Immunization")
    assert len(resource.keys() & {"occurrenceDateTime", "occurrenceString"}) == 1, "occurrence[x] is 1..1"
    for protocol in resource.get("protocolApplied", []):
        assert len(protocol.keys() & {"doseNumberPositiveInt", "doseNumberString"}) == 1, "doseNumber[x] is 1..1"
