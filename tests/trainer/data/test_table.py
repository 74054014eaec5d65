import numpy as np
import pandas as pd
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table


def test_encoders_do_not_see_valid_and_test_rows(frame, table, columns):
    changed = frame.copy()
    held_out = np.concatenate([table.split.valid, table.split.test])
    changed.loc[held_out, "angle"] = 1e6
    changed.loc[held_out, "site"] = "elsewhere"
    other = Table.from_frame(changed, columns=columns, split=table.split)
    assert other.spec == table.spec
    assert other.encoded.unseen == {"site": len(held_out)}
    train = torch.tensor(table.split.train)
    assert torch.equal(other.resident.inputs[0][train], table.resident.inputs[0][train])
    assert torch.equal(other.resident.inputs[1][train], table.resident.inputs[1][train])


def test_sensitive_columns_are_inputs_only_if_named(frame):
    split = split_rows(len(frame), seed=0)
    silent = Table.from_frame(frame, columns=Columns(y="ill", sensitive_features=["sex"]), split=split)
    assert "sex" not in silent.spec.encoder.features
    named = Columns(y="ill", features=["age", "sex"], sensitive_features=["sex"])
    card = Table.from_frame(frame, columns=named, split=split).card()
    assert {row.name: row.note for row in card}["sex"] == "a sensitive feature that the model sees"


def test_rows_are_small(table):
    resident = table.resident
    row = sum(tensor[:1].nbytes for tensor in (*resident.inputs, resident.target))
    assert row == 1 + 2 * 4 + 8


def test_the_card_tells_what_the_model_sees():
    frame = pd.DataFrame(
        {
            "x": [1.0, 1.0, 1.0, 1.0, 2.0, 3.0],
            "id": ["a", "b", "c", "d", "e", "f"],
            "sex": ["f", "m", None, "m", "f", "m"],
            "y": ["no", "yes", "no", "yes", "no", "yes"],
        }
    )
    columns = Columns(y="y", sensitive_features=["sex"], positive="yes")
    table = Table.from_frame(frame, columns=columns, split=split_given(train=[0, 1, 2, 3], valid=[4], test=[5]))
    card = {row.name: row for row in table.card()}
    assert card["x"].note == "constant in the train rows: tells the model nothing"
    assert (card["id"].kind, card["id"].levels, card["id"].unseen) == ("category", 4, 2)
    assert card["id"].note == "almost a value per row: an identifier?"
    assert (card["sex"].role, card["sex"].kind, card["sex"].missing) == ("sensitive feature", "carried", 1)
    assert (card["y"].role, card["y"].levels) == ("label", 2)
    assert [card[part].n for part in ("train", "valid", "test")] == [4, 1, 1]
    assert table.split.digest[:12] in card["train"].note


def test_all_violations_are_listed_at_once():
    frame = pd.DataFrame(
        {
            "age": [1.0, np.inf, 3.0, 4.0, 5.0, 6.0],
            "empty": [np.nan] * 4 + [1.0, 2.0],
            "when": pd.to_timedelta(np.arange(6), unit="D"),
            "weight": [1.0, -1.0, np.nan, 1.0, 1.0, 1.0],
            "y": [1, 1, 1, 1, 0, None],
        }
    )
    columns = Columns(y="y", sample_weight="weight")
    with pytest.raises(InputError) as caught:
        Table.from_frame(frame, columns=columns, split=split_given(train=[0, 1, 2, 3], valid=[4], test=[5]))
    text = str(caught.value)
    for expected in (
        "feature 'age' holds infinite numbers at row 1",
        "feature 'empty' has no value in any train row",
        "feature 'when' holds durations",
        "label 'y' is missing at row 5",
        "label 'y' has the one class 1.0 in the train rows",
        "label 'y' has the class 0.0 in valid or test rows but in no train row",
        "sample weight 'weight' must be a finite number of at least 0; not so at rows 1, 2",
    ):
        assert expected in text


def test_missing_columns_are_listed_with_what_there_is(frame):
    columns = Columns(y="outcome", features=["age", "height"], sensitive_features=["race"])
    with pytest.raises(InputError) as caught:
        Table.from_frame(frame, columns=columns, split=split_rows(len(frame)))
    assert len(caught.value.violations) == 3
    assert "column 'outcome' is missing; the data has angle, age" in str(caught.value)


def test_a_split_of_other_data_is_refused(frame, columns):
    with pytest.raises(InputError, match="the data has 1500 rows"):
        Table.from_frame(frame, columns=columns, split=split_rows(2000))


def test_two_classes_by_name_need_a_positive_one():
    frame = pd.DataFrame({"x": range(6), "y": ["no", "yes"] * 3})
    split = split_given(train=range(6), valid=[], test=[])
    with pytest.raises(InputError, match="need `positive`"):
        Table.from_frame(frame, columns=Columns(y="y"), split=split)
    with pytest.raises(InputError, match="'maybe' occurs in no train row; found 'no', 'yes'"):
        Table.from_frame(frame, columns=Columns(y="y", positive="maybe"), split=split)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1, 1, 0], (0, 1)),
        ([True, False, True, False], (False, True)),
        ([2, 0, 1, 0], (0, 1, 2)),
        (["b", "c", "a", "a"], ("a", "b", "c")),
        ([1.5, 0.5, 2.5, 0.5], (0.5, 1.5, 2.5)),
    ],
)
def test_classes_are_sorted_and_plain(labels, classes):
    frame = pd.DataFrame({"x": range(4), "y": labels})
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_given(train=range(4), valid=[], test=[]))
    assert table.spec.classes == classes
    assert [type(value) for value in table.spec.classes] == [type(value) for value in classes]
    assert [classes[code] for code in table.resident.target.tolist()] == labels


def test_labels_that_no_file_could_hold_are_refused():
    frame = pd.DataFrame({"x": range(4), "y": [(1, 2), (3, 4)] * 2})
    with pytest.raises(InputError, match=r"labels must be text, finite numbers or booleans; found \(1, 2\)"):
        Table.from_frame(frame, columns=Columns(y="y"), split=split_given(train=range(4), valid=[], test=[]))


def test_rows_outside_the_split_need_no_label():
    frame = pd.DataFrame({"x": range(5), "y": [0, 1, 0, 1, None]})
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_given(train=range(4), valid=[], test=[]))
    assert table.resident.target.tolist() == [0, 1, 0, 1, -1]


def test_other_frames_and_names_in_one_text_are_refused(columns):
    with pytest.raises(InputError, match="column names must be text; came 0: rename"):
        Table.from_frame(pd.DataFrame({0: range(4), "y": [0, 1] * 2}), columns=Columns(y="y"), split=split_rows(4))
    with pytest.raises(TypeError, match="must be a pandas DataFrame; came dict"):
        Table.from_frame({"x": [1]}, columns=columns, split=split_rows(10))
    with pytest.raises(InputError, match=r"came the text 'sex': pass \['sex'\]"):
        Columns(y="ill", sensitive_features="sex")
    with pytest.raises(InputError, match="'y_pred' has a name that predictions need"):
        Columns(y="y_pred")


def test_the_card_shows_every_way_of_reading_a_column():
    frame = pd.DataFrame(
        {
            "age": [1.0, None, 3.0, 4.0, 5.0, 6.0],
            "size": ["s", "m", "s", "m", "l", "s"],
            "sold": pd.to_datetime(
                ["2026-01-05", "2026-01-06", "2026-01-05", "2026-01-06", "2026-02-01", "2025-01-01"]
            ),
            "note": ["so ill", "ill", "well", "so well", "new words", "x"],
            "y": [0, 1, 0, 1, 0, 1],
        }
    )
    columns = Columns(y="y", ordered={"size": ["s", "m", "l"]}, text=["note"])
    table = Table.from_frame(frame, columns=columns, split=split_given(train=[0, 1, 2, 3], valid=[4], test=[5]))
    card = {row.name: row for row in table.card() if row.role != "leak"}
    assert [card[name].kind for name in ("age", "size", "sold", "note")] == ["number", "ordered", "date", "text"]
    # Known or not; unknown, s, m; unknown and two weekdays; padding, unknown, and three words that occur twice.
    assert [card[name].codes for name in ("age", "size", "sold", "note")] == [2, 3, 3, 5]
    assert [card[name].unseen for name in ("age", "size", "sold", "note")] == [0, 1, 2, 2]
    assert card["sold"].note == "2 rows lie before or after all train rows: read as the first or last day of these"
    assert card["train"].note.startswith("by given, digest ")


@pytest.mark.parametrize("value", [["a"], ("a", "b"), {"a": 1}, b"a"])
def test_features_of_lists_are_refused_by_name(value):
    frame = pd.DataFrame({"x": range(4), "bag": [value] * 4, "y": [0, 1, 0, 1]})
    with pytest.raises(InputError, match=r"feature 'bag' holds .*, which is no single value"):
        Table.from_frame(frame, columns=Columns(y="y"), split=split_given(train=range(4), valid=[], test=[]))


def test_hostile_names_and_values_are_only_values():
    names = ["<script>", "=1+1", "a\nb", "\u202eabc", "'; DROP TABLE"]
    frame = pd.DataFrame({name: [*names, "x"] for name in names}).assign(y=[0, 1, 0, 1, 0, 1])
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_given(train=range(4), valid=[4], test=[5]))
    assert [row.name for row in table.card()][:5] == names
    assert all(row.unseen == 2 for row in table.card()[:5])


def test_a_number_that_only_later_is_missing_is_the_median_and_is_counted_where_the_words_say():
    """What `Columns.missing` says: the model is not told, table and card count it, and "refuse" refuses it."""
    frame = pd.DataFrame({"x": [float(value) for value in range(41)], "y": [value % 2 for value in range(41)]})
    split = split_given(train=range(31), valid=[], test=range(31, 41))
    later = frame.assign(x=frame["x"].where(frame.index != 40))
    table = Table.from_frame(later, columns=Columns(y="y"), split=split)
    codes, numbers = table.resident.inputs[:2]
    assert codes.shape == (41, 0), "no flag: training never saw a missing one"
    assert numbers[40, 0] == numbers[15, 0] == 0, "15 is the median of the train rows"
    assert table.encoded.missing == {"x": 1}
    assert {row.name: row.missing for row in table.card()}["x"] == 1
    with pytest.raises(InputError, match="feature 'x' has no value at row 40"):
        Table.from_frame(later, columns=Columns(y="y", missing="refuse"), split=split)
    told = " ".join(str(Columns.__doc__).split())
    assert "read as the median of the train rows and the model is not told" in told
    assert "counted in `Encoded.missing`" in told


def test_rows_without_a_cluster_are_refused_before_training_and_not_by_the_audit_after_it():
    frame = pd.DataFrame({"x": range(6), "y": [0, 1] * 3, "person": ["a", None, "b", "b", None, None]})
    columns = Columns(y="y", features=["x"], cluster="person")
    with pytest.raises(InputError, match="cluster 'person' is missing at rows 1, 4, counted from 0: complete it"):
        Table.from_frame(frame, columns=columns, split=split_given(train=[0, 1, 2], valid=[3], test=[4]))
    table = Table.from_frame(frame, columns=columns, split=split_given(train=[0, 3], valid=[2], test=[]))
    assert len(table.part("train")) == 2
