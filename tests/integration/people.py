# SPDX-License-Identifier: Apache-2.0
"""A few citizens and what agencies say about them, for tests that need no whole country."""
import contextlib
import datetime
import unicodedata

import wire

SURNAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi")
GIVEN = ("An", "Bình", "Cường", "Dũng", "Hà", "Hải", "Lan", "Minh", "Oanh", "Phượng", "Quý", "Thuỷ")


def citizen(n):
    """The n-th citizen, as a row of the population's CSV file."""
    male = n % 2 == 0
    year = 1950 + n % 49
    return {"citizen_number": f"001{0 if male else 1}{year % 100:02}{n:06}",
            "full_name": f"{SURNAMES[n % len(SURNAMES)]} {'Văn' if male else 'Thị'} {GIVEN[n % len(GIVEN)]}",
            "birth_date": f"{year}-{n % 12 + 1:02}-{n % 28 + 1:02}", "sex": "male" if male else "female",
            "residence_province": "01", "residence_province63": "01", "residence_commune": "00004"}


def citizens(n):
    return [citizen(i) for i in range(n)]


def registration(n, **fields):
    """The n-th citizen as a row of the population centre's table of changes: the mapping of deploy/sample."""
    return {**citizen(n), "row_id": f"b{n}", "kind": "registered", "recorded_at": "2022-03-01T08:00:00+07:00",
            "old_number": "", "died_on": "", "mother_name": "", "father_name": "", **fields}


def bare(name):
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", name.replace("Đ", "D").replace("đ", "d"))
                   if not unicodedata.combining(c))


def subject_of(person, **other):
    """What is said of somebody who is a row of the population's file."""
    said = {name: person[name] for name in ("citizen_number", "full_name", "birth_date", "sex")}
    return wire.Subject(**{**said, **other})


def subject(n, **other):
    return subject_of(citizen(n), **other)


DOSES = 50


def dose_date(number):
    """Doses are as far apart as they should be, the first DOSES of them, and none is in the future."""
    return datetime.date(2021, 9, 15) + datetime.timedelta(days=35 * ((number - 1) % DOSES))


def dose_body(number=1, **other):
    return {"vaccine_group": "covid-19", "dose_number": number, "product_code": "EU/1/20/1528",
            "occurrence_date": dose_date(number).isoformat(), "status": "completed", **other}


def dose(n, number=1, agency="MOH", about=None, body=None, key=None, **said):
    """A vaccination of the n-th citizen, as a ChangeEvent's bytes."""
    return wire.event(agency, key or f"vac-{n}-{number}", about or subject(n), health=body or dose_body(number), **said)


def dose_row(n, number=1, **other):
    """The same as a row of the Ministry of Health's own table (deploy/sample/mappings/vaccinations.yaml)."""
    person = citizen(n)
    return {"row_id": f"row-{n}-{number}", "thoi_diem": "2021-10-01T08:00:00Z", "so_cccd": person["citizen_number"],
            "ho_ten": person["full_name"], "ngay_sinh": person["birth_date"],
            "gioi_tinh": "Nam" if person["sex"] == "male" else "Nữ", "ma_san_pham": "EU/1/20/1528", "mui_so": number,
            "so_lo": "FF2832", "ngay_tiem": f"{dose_date(number):%d/%m/%Y}", "co_so": "01-001", "ghi_chu": "", **other}


@contextlib.contextmanager
def ministry(exchange, n, fields):
    """The Ministry of Health as a peer of its own, n citizens, and a committee that sees these fields of all doses."""
    exchange.load_population(citizens(n))
    exchange.agency("MOH", "health", [])
    exchange.committee("hn", "health", fields)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        yield peer


def publish(peer, first, last, number=1, at_once=50):
    """This dose of each of these citizens, so many in a batch."""
    for n in range(first, last, at_once):
        peer.publish([dose(i, number) for i in range(n, min(n + at_once, last))])
