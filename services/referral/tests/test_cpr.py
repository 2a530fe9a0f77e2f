from datetime import date

import pytest
from brobyg_referral.people.domain.cpr import is_cpr
from hypothesis import given
from hypothesis import strategies as st

# Official test persons (HL7 Denmark dk-core). They fail the old modulus-11 check, as numbers since
# 2007 may.
TEST_PERSONS = [
    "0201609995",
    "0201609996",
    "0504909995",
    "3101229995",
    "2311143995",
    "1310169996",
    "0212159995",
    "2103009996",
]


@pytest.mark.parametrize("number", TEST_PERSONS)
def test_an_official_test_person_is_accepted_without_a_modulus_11_check(number: str) -> None:
    assert is_cpr(number)


@pytest.mark.parametrize("number", ["2902009AA1", "010190AB12", "3112851XY9", "0101857ZZ3"])
def test_a_replacement_number_is_accepted_by_its_form(number: str) -> None:
    assert is_cpr(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "020160-9995",
        "02016099950",
        "020160999",
        "3202609995",
        "0213609995",
        "0000000000",
        "٠٢٠١٦٠٩٩٩٥",
        "abcdef9995",
        "0201609a95",
        "3002901AA1",
        "0201609995\n",
    ],
)
def test_what_has_no_valid_date_or_another_form_is_refused(number: str) -> None:
    assert not is_cpr(number)


def test_29_february_is_accepted_only_in_the_leap_years_of_its_century() -> None:
    assert is_cpr("2902004995")  # seventh digit 4, year 00: born 2000, a leap year
    assert not is_cpr("2902000995")  # seventh digit 0, year 00: born 1900, no leap year
    assert is_cpr("2902040995")  # 1904


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(1999, 12, 31)), st.integers(0, 3999))
def test_every_date_of_the_1900s_is_accepted_with_a_seventh_digit_below_4(
    born: date, serial: int
) -> None:
    assert is_cpr(f"{born:%d%m%y}{serial:04d}")


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2036, 12, 31)),
    st.sampled_from([4000, 9000]),
)
def test_every_date_of_the_2000s_is_accepted_with_a_seventh_digit_4_or_9(
    born: date, serial: int
) -> None:
    assert is_cpr(f"{born:%d%m%y}{serial:04d}")
