import json

import numpy as np
import pandas as pd
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.images import Images, ImageSpec
from trainer.data.kinds import read_spec
from trainer.data.splits import split_given

SPLIT = split_given(train=[0, 2, 3, 5], valid=[1], test=[4])
COLUMNS = Columns(y="label", sensitive_features=["site"])


def make_frame(**columns):
    return pd.DataFrame(
        {"label": [0, 1, 1, 0, 1, 1], "site": ["<script>", "=1+1", "\u202ea", "b", "b", None]} | columns
    )


def make_pixels(shape, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def images(pixels, frame=None, *, columns=COLUMNS, split=SPLIT, **options):
    return Images.from_arrays(pixels, make_frame() if frame is None else frame, columns=columns, split=split, **options)


@pytest.mark.parametrize(
    ("shape", "layout", "channels_first"),
    [
        ((6, 4, 5), None, lambda pixels: pixels[:, None]),
        ((6, 4, 5), "nhw", lambda pixels: pixels[:, None]),
        ((6, 4, 5, 3), "nhwc", lambda pixels: np.moveaxis(pixels, -1, 1)),
        ((6, 3, 4, 5), "nchw", lambda pixels: pixels),
    ],
)
def test_every_layout_becomes_channels_first(shape, layout, channels_first):
    pixels = make_pixels(shape)
    data = images(pixels, layout=layout)
    expected = channels_first(pixels)
    assert data.resident.inputs[0].dtype == torch.uint8
    assert (data.resident.inputs[0].numpy() == expected).all()
    assert data.spec.size == (4, 5)
    assert data.spec.channels == expected.shape[1]
    assert torch.equal(data.spec.inputs(pixels[[4, 1]])[0], data.resident.inputs[0][[4, 1]])


def test_the_scale_is_that_of_the_train_rows_alone():
    pixels = make_pixels((6, 4, 5, 3))
    data = images(pixels, layout="nhwc")
    train = pixels[[0, 2, 3, 5]].astype(float)
    assert data.spec.mean == pytest.approx(train.mean(axis=(0, 1, 2)))
    assert data.spec.std == pytest.approx(train.std(axis=(0, 1, 2)))
    changed = pixels.copy()
    changed[[1, 4]] = 0
    assert images(changed, layout="nhwc").spec == data.spec


def test_scale_of_many_images_is_counted_in_pieces():
    pixels = make_pixels((2500, 3, 3))
    frame = pd.DataFrame({"label": np.arange(2500) % 2, "site": "a"})
    spec = images(pixels, frame, split=split_given(train=range(2500), valid=[], test=[])).spec
    assert spec.mean[0] == pytest.approx(pixels.mean(), rel=1e-12)
    assert spec.std[0] == pytest.approx(pixels.std(), rel=1e-12)


def test_a_constant_channel_divides_by_one():
    assert images(np.full((6, 4, 5), 7, dtype=np.uint8)).spec.std == (1.0,)


def test_the_bytes_are_a_copy():
    pixels = make_pixels((6, 4, 5))
    data = images(pixels)
    pixels[:] = 0
    assert data.resident.inputs[0].sum() > 0


def test_labels_and_weights_are_those_of_the_frame():
    frame = make_frame(label=list("abbabb"), w=[1.0, 9.0, 3.0, 1.0, 9.0, 3.0])
    columns = Columns(y="label", positive="b", sample_weight="w")
    data = images(make_pixels((6, 4, 5)), frame, columns=columns)
    assert data.resident.target.tolist() == [0, 1, 1, 0, 1, 1]
    assert data.resident.weights.tolist() == [0.5, 4.5, 1.5, 0.5, 4.5, 1.5]
    assert data.spec.positive == "b"
    assert data.part("test")["site"].tolist() == ["b"]


def test_a_row_of_no_part_needs_no_label():
    frame = make_frame(label=[0, 1, 1, 0, None, 1])
    data = images(make_pixels((6, 4, 5)), frame, split=split_given(train=[0, 2, 3, 5], valid=[1], test=[]))
    assert data.resident.target[4] == -1


def test_a_spec_comes_back_from_json():
    spec = images(make_pixels((6, 4, 5, 3)), layout="nhwc").spec
    record = json.loads(json.dumps(spec.record()))
    assert ImageSpec.read(record) == spec
    assert read_spec(record) == spec


@pytest.mark.parametrize(
    ("pixels", "layout", "text"),
    [
        (np.zeros((6, 4, 5)), None, "bytes (uint8); came float64: multiply by 255 if they lie in [0, 1]"),
        (np.zeros((6, 4, 5), dtype=np.int64), None, "bytes (uint8); came int64: bring to 0 ... 255"),
        (np.zeros((6, 4, 5, 3), dtype=np.uint8), None, 'need layout="nhwc"'),
        (np.zeros((6, 20), dtype=np.uint8), None, "3 or 4 dimensions; came 2 of shape (6, 20)"),
        (np.zeros((6, 4, 5), dtype=np.uint8), "nchw", "the 4 dimensions of 'nchw'; came 3"),
        (np.zeros((6, 4, 5), dtype=np.uint8), "whc", "layout must be one of 'nhw', 'nhwc', 'nchw'; came 'whc'"),
        (np.zeros((6, 0, 5), dtype=np.uint8), None, "at least one pixel; came the shape (6, 0, 5)"),
        (np.zeros((5, 4, 5), dtype=np.uint8), None, "came 5 images and 6 rows"),
    ],
)
def test_pixels_that_cannot_be_used_are_refused(pixels, layout, text):
    with pytest.raises(InputError) as caught:
        images(pixels, layout=layout)
    assert text in str(caught.value)


def test_everything_wrong_is_in_one_error():
    columns = Columns(y="label", features=["site"], sensitive_features=["colour"])
    with pytest.raises(InputError) as caught:
        images(np.zeros((4, 4)), make_frame(label=1), columns=columns)
    text = "\n".join(caught.value.violations)
    for expected in ("float64", "came 2 of shape", "4 images and 6 rows", "'site' is named as a feature", "'colour'"):
        assert expected in text


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (make_frame(label=1), "the one class 1"),
        (make_frame(label=[0, 1, None, 0, 1, 1]), "missing at row 2"),
        (make_frame(label=[0, 2, 1, 0, 1, 1]), "class 2 in valid or test rows but in no train row"),
        (make_frame().iloc[:0], "came 6 images and 0 rows"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(frame, text):
    with pytest.raises(InputError) as caught:
        images(make_pixels((6, 4, 5)), frame)
    assert text in str(caught.value)


def test_a_frame_with_a_column_of_pixels_is_no_trouble():
    assert images(make_pixels((6, 4, 5)), make_frame(pixels="x")).spec.classes == (0, 1)


def test_what_is_no_array_or_frame_is_a_type_error():
    with pytest.raises(TypeError, match="pixels must be a numpy array; came list"):
        images([[1]])
    with pytest.raises(TypeError, match="frame must be a pandas DataFrame; came dict"):
        images(make_pixels((6, 4, 5)), {})


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (np.zeros((2, 8, 8), dtype=np.uint8), "1 channels of 4 x 5 pixels as in training; came 1 of 8 x 8"),
        (np.zeros((2, 4, 5)), "came float64"),
        (pd.DataFrame({"x": [1]}), "came DataFrame"),
        (np.zeros((0, 4, 5), dtype=np.uint8), "at least one image"),
    ],
)
def test_new_images_must_be_like_the_old(rows, text):
    with pytest.raises(InputError) as caught:
        images(make_pixels((6, 4, 5))).spec.inputs(rows)
    assert text in str(caught.value)


def test_several_labels_and_numbers_are_learnt_too():
    pixels = make_pixels((6, 4, 5))
    frame = make_frame(label=["cat", "", "cat|dog", "dog", "", "dog"])
    labels = images(pixels, frame, columns=Columns(y="label", task="labels"))
    assert labels.spec.classes == ("cat", "dog")
    assert labels.resident.target[2].tolist() == [1.0, 1.0]
    assert labels.spec.positive is None
    number = images(pixels, make_frame(label=[1.0, 9.0, 2.0, 3.0, 9.0, 2.0]), columns=Columns(y="label", task="number"))
    assert number.spec.target.center == 2.0
    assert ImageSpec.read(json.loads(json.dumps(number.spec.record()))) == number.spec


def test_the_card_tells_what_the_model_sees_and_finds_equal_images():
    pixels = make_pixels((6, 4, 5))
    pixels[4] = pixels[0]
    rows = {(row.name, row.role): row for row in images(pixels).card()}
    assert rows["pixels", "feature"].levels == 4
    assert "4 x 5, channels: 1, mean and deviation" in rows["pixels", "feature"].note
    assert rows["label", "label"].levels == 2
    assert rows["site", "sensitive feature"].missing == 1
    assert [rows[part, "split"].n for part in ("train", "valid", "test")] == [4, 1, 1]
    assert rows["test", "leak"].note == "1 of 1 images stand among the train rows too, byte for byte"
    assert ("valid", "leak") not in rows
