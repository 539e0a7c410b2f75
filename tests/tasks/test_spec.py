"""Specs taken apart, and what is said about those that are wrong."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azc.errors import TaskError
from azc.tasks import parse_spec
from azc.tasks.images.catalogue import IMAGE_SETS


@pytest.mark.parametrize(
    ("text", "part", "pair", "raw"),
    [
        ("digits", "pairs", None, False),
        ("mnist:3,8", "pair", (3, 8), False),
        ("mnist: 8, 3 ", "pair", (8, 3), False),
        ("fashion-mnist:search", "search", None, False),
        ("svhn:select", "select", None, False),
        ("digits:all", "all", None, False),
        ("cifar10:raw", "pairs", None, True),
        ("cifar10:raw:3,8", "pair", (3, 8), True),
        ("digits:raw:all", "all", None, True),
        ("imagenet32:0,999", "pair", (0, 999), False),
    ],
)
def test_images(text, part, pair, raw):
    spec = parse_spec(text)
    assert spec.images is IMAGE_SETS[text.split(":")[0]]
    assert (spec.part, spec.pair, spec.raw) == (part, pair, raw)
    assert spec.synthetic is None
    assert spec.file is None
    assert not spec.single


@pytest.mark.parametrize("text", ["a.npz", "dir/b.CSV", "c.parquet", "C:\\x:y.csv", "digits.csv"])
def test_files(text):
    spec = parse_spec(text)
    assert spec.file == Path(text)
    assert spec.images is None
    assert spec.single == (text == "a.npz")


def test_home_folder():
    assert parse_spec("~/a.csv").file == Path.home() / "a.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digitz", "known task kind, got 'digitz'; did you mean 'digits'?"),
        ("cifar-10", "did you mean 'cifar10'?"),
        ("quux", "choose one of linear, affine, teacher-nn, digits, mnist"),
        ("", "expected the name of a task kind, got ''"),
        ("a\0.npz", "expected the name of a task kind"),
        (None, "expected the name of a task kind, got None"),
        ("linear:3,8", "'linear' alone"),
        ("digits:3,3", "two different classes, got 3 twice"),
        ("digits:3,12", "classes from 0 to 9 in digits, got 12"),
        ("imagenet32:1,1000", "classes from 0 to 999 in imagenet32, got 1000"),
        ("digits:3", "for example digits:0,1"),
        ("digits:3,4,5", r"digits[:raw][:search|select|all|A,B]"),
        ("digits:-1,3", "A and B classes"),
        ("digits:", "A and B classes"),
        ("digits:serch", "did you mean 'search'?"),
        ("digits:rwa", "did you mean 'raw'?"),
        ("digits:3,8:raw", "write digits:raw:3,8"),
        ("digits:raw:3,8:1", "expected digits"),
        (
            "table.xlsx",
            "a file ending in .npz, .csv, .tsv, .csv.gz, .tsv.gz or .parquet, got 'table.xlsx'",
        ),
        ("folder/x", "a file ending in .npz"),
    ],
)
def test_refused(text, message):
    with pytest.raises(TaskError) as caught:
        parse_spec(text)
    assert message in str(caught.value)


@given(st.text(max_size=30) | st.from_regex(r"(digits|mnist)(:raw)?(:[a-z0-9,]*)*"))
def test_any_text_parses_or_is_a_task_error(text):
    with contextlib.suppress(TaskError):
        spec = parse_spec(text)
        kinds = (spec.synthetic, spec.images, spec.file)
        assert sum(kind is not None for kind in kinds) == 1
