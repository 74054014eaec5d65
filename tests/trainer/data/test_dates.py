import calendar
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.dates import date_parts, fit_date
from trainer.data.encoders import encode, fit_encoder
from trainer.data.splits import split_given, split_time
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SPLIT = split_given(train=[0, 1, 2, 3], valid=[4], test=[5])


def dated(values, **more):
    return pd.DataFrame({"sold": values, "y": [0, 1, 0, 1, 0, 1], **more})


def test_parts_agree_with_the_calendar_of_the_standard_library():
    days = [dt.date(2023, 12, 1) + dt.timedelta(days=number) for number in range(800)]
    parts = date_parts(pd.Series(pd.to_datetime(days)))
    for row, day in enumerate(days):
        found = parts.iloc[row]
        last = calendar.monthrange(day.year, day.month)[1]
        expected = {
            "year": day.year,
            "month": day.month,
            "day": day.day,
            "weekday": day.weekday(),
            "day_of_year": day.timetuple().tm_yday,
            "elapsed_days": (day - dt.date(1970, 1, 1)).days,
            "is_month_start": day.day == 1,
            "is_month_end": day.day == last,
            "is_quarter_start": day.day == 1 and day.month in (1, 4, 7, 10),
            "is_quarter_end": day.day == last and day.month in (3, 6, 9, 12),
            "is_year_start": (day.month, day.day) == (1, 1),
            "is_year_end": (day.month, day.day) == (12, 31),
        }
        assert {name: found[name] for name in expected} == expected


def test_parts_are_learnt_from_the_train_rows_only():
    values = ["2026-01-05", "2026-01-12", "2026-02-02", "2026-02-09", "2030-07-03", "2031-08-03"]
    changed = [*values[:4], "1990-03-01", "1991-12-31"]
    one, other = (
        Table.from_frame(dated(pd.to_datetime(some)), columns=Columns(y="y"), split=SPLIT) for some in (values, changed)
    )
    assert one.spec == other.spec
    (item,) = one.spec.encoder.dates
    assert [part.column for part in item.category] == ["month"]  # all of 2026, all Mondays, none at an end
    assert one.encoded.unseen == {"sold": 2}


def test_text_of_dates_is_read_where_it_is_named_and_codes_are_the_same():
    values = ["2026-01-05", "2026-03-31T12:00", None, "2026-02-09", "2026-01-01", "2026-03-31"]
    text = Table.from_frame(dated(values), columns=Columns(y="y", dates=["sold"]), split=SPLIT)
    days = pd.to_datetime(pd.Series(values), format="ISO8601")
    plain = Table.from_frame(dated(days), columns=Columns(y="y"), split=SPLIT)
    assert text.spec.encoder == plain.spec.encoder
    assert (text.encoded.codes == plain.encoded.codes).all()
    assert (text.encoded.numerics == plain.encoded.numerics).all()
    assert text.encoded.missing == {"sold": 1}
    assert text.encoded.codes[2].tolist() == [0] * text.encoded.codes.shape[1]
    assert "hour" in [part.column for part in text.spec.encoder.dates[0].numeric]


def test_one_day_in_training_leaves_its_distance_only():
    encoder = fit_date(pd.Series(pd.to_datetime(["2026-11-21"] * 3), name="sold"))
    assert ([part.column for part in encoder.numeric], encoder.category) == (["elapsed_days"], ())


def test_parts_are_told_in_the_time_zone_of_the_train_rows():
    local = pd.Series(pd.to_datetime(["2026-01-01 00:30", "2026-07-01 00:30"])).dt.tz_localize("Europe/Berlin")
    encoder = fit_encoder(pd.DataFrame({"sold": local}), features=["sold"])
    elsewhere = pd.DataFrame({"sold": local.dt.tz_convert("UTC")})
    assert (
        encode(elsewhere, encoder=encoder).codes == encode(pd.DataFrame({"sold": local}), encoder=encoder).codes
    ).all()
    assert encoder.dates[0].zone == "Europe/Berlin"
    with pytest.raises(InputError, match="'sold' had times in Europe/Berlin in training; came none: convert it"):
        encode(pd.DataFrame({"sold": local.dt.tz_localize(None)}), encoder=encoder)


def test_what_is_no_date_is_refused_with_its_row():
    text = dated(["2026-01-05", "2026-13-40", "2026-02-02", "soon", "2026-02-10", "2026-02-11"], z=[1] * 6)
    with pytest.raises(InputError) as caught:
        Table.from_frame(text, columns=Columns(y="y", dates=["sold", "z"]), split=SPLIT)
    assert "'sold' holds '2026-13-40', which is no date, at rows 1, 3, counted from 0" in str(caught.value)
    assert "date feature 'z' holds int64; expected dates or ISO 8601 text" in str(caught.value)


def test_a_weekday_effect_is_learnt_from_dates_alone():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, 2000), unit="D")
    frame = pd.DataFrame({"sold": days, "busy": (days.weekday >= 5).astype(int)})
    table = Table.from_frame(frame, columns=Columns(y="busy"), split=split_time(frame["sold"]))
    learner = Learner(table, network=MLPSettings(hidden=(16,), frequencies=8, sigma=0.5), device="cpu")
    learner.fit_one_cycle(8, 1e-2, batch_size=64)
    assert learner.validate("test").accuracy > 0.98  # days after all train rows; 0.71 by always saying no
