"""Errors: one tree, and several faults as one error."""

from __future__ import annotations

import pytest

from hwcost import errors
from hwcost.errors import BadOption, HwcostError, UnknownOperation, UnknownPrecision, together


def test_every_error_is_in_the_tree_and_says_what_it_stands_for() -> None:
    classes = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Exception)]
    assert len(classes) > 10
    assert all(issubclass(kind, HwcostError) and kind.__doc__ for kind in classes)
    assert issubclass(BadOption, ValueError)


def test_several_faults_are_one_error_of_the_class_of_the_first() -> None:
    faults = [UnknownOperation("a: no rule"), UnknownPrecision("b: no width")]
    with pytest.raises(UnknownOperation, match=r"^a: no rule\nb: no width$"):
        raise together(faults)
    assert type(together(faults[::-1])) is UnknownPrecision
