# SPDX-License-Identifier: Apache-2.0
"""An agency's agent against a real exchange: what is taken, what is handed back, and that nothing stops at a bad row."""
import csv

import pytest

PERSON = {"citizen_number": "001099000001", "full_name": "Nguyễn Văn An", "birth_date": "1999-05-01", "sex": "male",
          "residence_province": "01", "residence_province63": "01"}
OTHER = {"citizen_number": "001199000002", "full_name": "Trần Thị Bình", "birth_date": "1999-06-02", "sex": "female",
         "residence_province": "01", "residence_province63": "01"}
UNKNOWN = {"citizen_number": "001099000003", "full_name": "Lê Văn Cường", "birth_date": "1999-07-03", "sex": "male",
           "residence_province": "01", "residence_province63": "01"}


def dose(row, person, number=1, **more):
    """A row as deploy/sample/mappings/vaccinations.yaml reads it."""
    return {"row_id": row, "so_cccd": person["citizen_number"], "ho_ten": person["full_name"],
            "ngay_sinh": person["birth_date"], "gioi_tinh": "Nam" if person["sex"] == "male" else "Nữ", "mui_so": number,
            "ma_san_pham": "EU/1/20/1528", "so_lo": "L1", "ngay_tiem": "01/08/2021", "co_so": "",
            "thoi_diem": "2022-03-01T08:00:00+07:00", **more}


@pytest.fixture
def health(exchange):
    exchange.load_population([PERSON, OTHER])
    agent = exchange.agency("MOH", "health", ["vaccinations"])
    exchange.start_broker()
    return agent


def verdicts(rows):
    return sorted((row["row_id"], row["dongbo_verdict"], row["dongbo_reasons"].split(" ")[0].split(":")[0])
                  for row in rows)


def test_takes_a_file_and_hands_back_what_is_refused(exchange, health):
    health.drop("vaccinations", "a.csv", [dose("r1", PERSON), dose("r2", PERSON, ho_ten="Nguyễn Văn Bê"),
                                          dose("r3", OTHER), dose("r4", OTHER, number="hai"), dose("r5", UNKNOWN)])
    health.once(expect=1)
    refused = health.refused("vaccinations")
    assert verdicts(refused) == [("r2", "MISMATCH", "NAME_DIFFERS"), ("r4", "REJECTED", "FIELD_FORMAT")]
    assert {row["dongbo_row"] for row in refused} == {"3", "5"}
    assert all(row["dongbo_text_vi"] and row["dongbo_text_en"] for row in refused)
    folder = health.directory / "vaccinations"
    assert not (folder / "a.csv").exists() and (folder / "done/a.csv").exists()
    assert exchange.cluster.value("SELECT count(*) FROM exchange.record_version") == 2
