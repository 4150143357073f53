"""A small MIMIC-IV of invented patients, whose identifiers no message may name."""

from pathlib import Path

PATIENTS = """subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod
77000001,F,60,2150,2011 - 2013,2151-03-05
77000002,M,50,2140,2014 - 2016,
77000003,F,40,2160,2014 - 2016,
"""
ADMISSIONS = """subject_id,hadm_id,admittime,dischtime,deathtime
77000001,88000001,2150-01-01 10:00:00,2150-01-05 10:00:00,
77000001,88000002,2151-03-01 00:00:00,2151-03-05 12:00:00,2151-03-05 11:00:00
77000002,88000003,2140-06-01 00:00:00,2140-06-02 00:00:00,
77000002,88000003,2140-06-01 00:00:00,2140-06-02 00:00:00,
77000002,88000004,2140-07-09 00:00:00,2140-07-01 00:00:00,
77000001,88000005,2152-01-01 00:00:00,2152-01-02 00:00:00,
77000003,88000006,soon,2160-01-02 00:00:00,
77000003,88000007,2161-02-01 00:00:00,2161-02-03 00:00:00,
"""
DIAGNOSES = """subject_id,hadm_id,seq_num,icd_code,icd_version
77000001,88000001,1,I5023,10
77000001,88000001,2,4280,9
77000001,88000001,3,I5023,10
77000001,88000002,1,I5020,10
77000002,88000003,1,XYZ,9
77000002,88000003,2,E8490,9
77000002,88000004,1,I10,10
77000003,88000007,1,I10,10
"""
PROCEDURES = """subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version
77000001,88000001,1,2150-01-02,3961,9
"""
DRUGS = """subject_id,hadm_id,drug_type,drug
77000001,88000001,MAIN,Aspirin
77000001,88000001,MAIN, aspirin
77000001,88000001,BASE,Sodium Chloride
"""
LABS = """labevent_id,subject_id,hadm_id,itemid,charttime,storetime,valuenum
1,77000001,88000001,1,2150-01-01 12:00:00,2150-01-01 13:30:00,140
2,77000001,88000001,1,2150-01-02 12:00:00,2150-01-02 13:30:00,150
3,77000001,,2,2150-01-01 12:00:00,2150-01-01 14:00:00,5.5
4,77000001,88000001,1,2150-01-02 12:00:00,2150-01-02 13:30:00,150
5,77000001,88000001,1,2150-01-03 12:00:00,2150-01-03 13:00:00,9999
6,77000001,,1,2151-06-01 12:00:00,2151-06-01 13:00:00,141
7,77000002,88000003,1,2140-06-01 03:00:00,,133
8,77000002,88000003,9,2140-06-01 03:00:00,,133
9,77000002,88000003,1,,,133
10,77000002,88000003,1,2140-06-01 05:00:00,,
"""
LAB_ITEMS = """itemid,label,fluid,category
1,Sodium,Blood,Chemistry
2,Glucose,Urine,Chemistry
"""
STAYS = """subject_id,hadm_id,stay_id,first_careunit,intime
77000001,88000001,1,MICU,2150-01-01 11:00:00
"""
INPUTS = """subject_id,hadm_id,itemid,starttime,endtime,amount
77000001,88000001,3,2150-01-01 12:00:00,2150-01-01 18:00:00,500
"""
OUTPUTS = """subject_id,hadm_id,itemid,charttime,storetime,value
77000001,88000001,4,2150-01-01 12:00:00,2150-01-01 12:10:00,80
"""
ITEMS = """itemid,label
3,NaCl 0.9%
4,Foley
"""

TABLES = {
    "hosp/patients": PATIENTS,
    "hosp/admissions": ADMISSIONS,
    "hosp/diagnoses_icd": DIAGNOSES,
    "hosp/procedures_icd": PROCEDURES,
    "hosp/prescriptions": DRUGS,
    "hosp/labevents": LABS,
    "hosp/d_labitems": LAB_ITEMS,
    "icu/icustays": STAYS,
    "icu/inputevents": INPUTS,
    "icu/outputevents": OUTPUTS,
    "icu/d_items": ITEMS,
}


def write(folder: Path, **changes: str | None) -> Path:
    """Write the tables; a change by name replaces one, None leaves it out."""
    for name, text in TABLES.items():
        content = changes.get(name.partition("/")[2], text)
        if content is not None:
            file = folder / f"{name}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    return folder
