"""Chapters of ICD-9-CM, ICD-10-CM and ICD-10-PCS: their ranges and titles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chapter:
    """A chapter of a classification.

    Attributes
    ----------
    key : str
        A short name that is the same in both revisions where both have such a chapter.
    first, last : str
        Its first and last category, without dots.
    title : str
    """

    key: str
    first: str
    last: str
    title: str

    @property
    def span(self) -> str:
        """The categories, such as ``I00-I99``."""
        return self.first if self.first == self.last else f"{self.first}-{self.last}"


DIAGNOSES_10 = (
    Chapter("infectious", "A00", "B99", "Certain infectious and parasitic diseases"),
    Chapter("neoplasms", "C00", "D49", "Neoplasms"),
    Chapter("blood", "D50", "D89", "Diseases of the blood, and disorders of immunity"),
    Chapter("endocrine", "E00", "E89", "Endocrine, nutritional and metabolic diseases"),
    Chapter("mental", "F01", "F99", "Mental, behavioral and neurodevelopmental disorders"),
    Chapter("nervous", "G00", "G99", "Diseases of the nervous system"),
    Chapter("eye", "H00", "H59", "Diseases of the eye and adnexa"),
    Chapter("ear", "H60", "H95", "Diseases of the ear and mastoid process"),
    Chapter("circulatory", "I00", "I99", "Diseases of the circulatory system"),
    Chapter("respiratory", "J00", "J99", "Diseases of the respiratory system"),
    Chapter("digestive", "K00", "K95", "Diseases of the digestive system"),
    Chapter("skin", "L00", "L99", "Diseases of the skin and subcutaneous tissue"),
    Chapter("musculoskeletal", "M00", "M99", "Diseases of muscles, bones and connective tissue"),
    Chapter("genitourinary", "N00", "N99", "Diseases of the genitourinary system"),
    Chapter("pregnancy", "O00", "O9A", "Pregnancy, childbirth and the puerperium"),
    Chapter("perinatal", "P00", "P96", "Conditions that originate in the perinatal period"),
    Chapter("congenital", "Q00", "Q99", "Congenital malformations and chromosomal abnormalities"),
    Chapter("symptoms", "R00", "R99", "Symptoms, signs and abnormal findings"),
    Chapter("injury", "S00", "T88", "Injury, poisoning and other consequences of external causes"),
    Chapter("special", "U00", "U85", "Codes for special purposes"),
    Chapter("external", "V00", "Y99", "External causes of morbidity"),
    Chapter("factors", "Z00", "Z99", "Factors influencing health status"),
)

DIAGNOSES_9 = (
    Chapter("infectious", "001", "139", "Infectious and parasitic diseases"),
    Chapter("neoplasms", "140", "239", "Neoplasms"),
    Chapter("endocrine", "240", "279", "Endocrine, nutritional, metabolic and immunity disorders"),
    Chapter("blood", "280", "289", "Diseases of the blood and blood-forming organs"),
    Chapter("mental", "290", "319", "Mental disorders"),
    Chapter("nervous", "320", "389", "Diseases of the nervous system and sense organs"),
    Chapter("circulatory", "390", "459", "Diseases of the circulatory system"),
    Chapter("respiratory", "460", "519", "Diseases of the respiratory system"),
    Chapter("digestive", "520", "579", "Diseases of the digestive system"),
    Chapter("genitourinary", "580", "629", "Diseases of the genitourinary system"),
    Chapter("pregnancy", "630", "679", "Complications of pregnancy, childbirth, puerperium"),
    Chapter("skin", "680", "709", "Diseases of the skin and subcutaneous tissue"),
    Chapter("musculoskeletal", "710", "739", "Diseases of muscles, bones and connective tissue"),
    Chapter("congenital", "740", "759", "Congenital anomalies"),
    Chapter("perinatal", "760", "779", "Conditions that originate in the perinatal period"),
    Chapter("symptoms", "780", "799", "Symptoms, signs and ill-defined conditions"),
    Chapter("injury", "800", "999", "Injury and poisoning"),
    Chapter("external", "E000", "E999", "External causes of injury and poisoning"),
    Chapter("factors", "V01", "V91", "Factors influencing health status"),
)

PROCEDURES_9 = (
    Chapter("unclassified", "00", "00", "Procedures and interventions, not classified elsewhere"),
    Chapter("nervous", "01", "05", "Operations on the nervous system"),
    Chapter("endocrine", "06", "07", "Operations on the endocrine system"),
    Chapter("eye", "08", "16", "Operations on the eye"),
    Chapter("other", "17", "17", "Other diagnostic and therapeutic procedures"),
    Chapter("ear", "18", "20", "Operations on the ear"),
    Chapter("nose", "21", "29", "Operations on nose, mouth and pharynx"),
    Chapter("respiratory", "30", "34", "Operations on the respiratory system"),
    Chapter("circulatory", "35", "39", "Operations on the cardiovascular system"),
    Chapter("blood", "40", "41", "Operations on the hemic and lymphatic system"),
    Chapter("digestive", "42", "54", "Operations on the digestive system"),
    Chapter("urinary", "55", "59", "Operations on the urinary system"),
    Chapter("male genital", "60", "64", "Operations on the male genital organs"),
    Chapter("female genital", "65", "71", "Operations on the female genital organs"),
    Chapter("obstetrics", "72", "75", "Obstetrical procedures"),
    Chapter("musculoskeletal", "76", "84", "Operations on the musculoskeletal system"),
    Chapter("skin", "85", "86", "Operations on the integumentary system"),
    Chapter("diagnostic", "87", "99", "Miscellaneous diagnostic and therapeutic procedures"),
)

PROCEDURES_10 = (
    Chapter("surgical", "0", "0", "Medical and surgical"),
    Chapter("obstetrics", "1", "1", "Obstetrics"),
    Chapter("placement", "2", "2", "Placement"),
    Chapter("administration", "3", "3", "Administration"),
    Chapter("monitoring", "4", "4", "Measurement and monitoring"),
    Chapter("assistance", "5", "5", "Extracorporeal or systemic assistance and performance"),
    Chapter("therapies", "6", "6", "Extracorporeal or systemic therapies"),
    Chapter("osteopathic", "7", "7", "Osteopathic"),
    Chapter("other", "8", "8", "Other procedures"),
    Chapter("chiropractic", "9", "9", "Chiropractic"),
    Chapter("imaging", "B", "B", "Imaging"),
    Chapter("nuclear", "C", "C", "Nuclear medicine"),
    Chapter("radiation", "D", "D", "Radiation therapy"),
    Chapter("rehabilitation", "F", "F", "Physical rehabilitation and diagnostic audiology"),
    Chapter("mental", "G", "G", "Mental health"),
    Chapter("substances", "H", "H", "Substance abuse treatment"),
    Chapter("technology", "X", "X", "New technology"),
)

CHAPTERS = {
    ("DX", 9): DIAGNOSES_9,
    ("DX", 10): DIAGNOSES_10,
    ("PX", 9): PROCEDURES_9,
    ("PX", 10): PROCEDURES_10,
}
"""Chapters by kind, "DX" for diagnoses and "PX" for procedures, and by revision, in order."""
