"""Bits that flip in checkpoints, weights of another trial, and journals older than their report: all are noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny_recipe
import torch
from sweeps import experiment, run
from torch import nn

from hwcost.errors import BadStudy
from hwcost.search import JOURNAL
from hwcost.sweep.finalists import REFIT, TESTED, entry_of, key_of, recorded
from hwcost.sweep.replay import recall
from hwcost.sweep.study_files import (
    checkpoint,
    read_json,
    read_net,
    restore_net,
    save_net,
    withdrawn_unless_begun,
    write_json,
)


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    net, path = nn.Linear(3, 2), tmp_path / "net.pt"
    recorded = save_net(net, path)
    restore_net(nn.Linear(3, 2), path, recorded)
    content = path.read_bytes()
    state, harmless = read_net(path, None), 0
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(BadStudy, match="not the weights that were trained"):
            read_net(path, recorded)
        try:  # without a record, as in an old study: refused, or the bit was in what means nothing
            found = read_net(path, None)
        except BadStudy as error:
            assert "\n" not in str(error)
            continue
        harmless += 1
        assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
    assert harmless < len(content) / 7 / 2


def test_every_flipped_bit_of_a_record_is_noticed(tmp_path: Path) -> None:
    path, record = tmp_path / "test.json", {"3-0af": 0.875, "points": [{"LUT": 17}]}
    write_json(path, record)
    assert read_json(path) == record
    content = path.read_bytes()
    for at in range(len(content) - 1):  # the last line break means nothing
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            with pytest.raises(BadStudy):
                read_json(path)
    for text in ('{"a": 1}', '{\n  "a": 1\n}', '{"a": 1, "crc32": "00000000"}'):  # older, or of a person
        path.write_text(text)
        assert read_json(path) == {"a": 1}
    write_json(path, {})
    assert read_json(path) == {}


@pytest.mark.parametrize(
    ("name", "entry"), [("test.json", "high"), ("repeats.json", {}), ("repeats.json", [3]), ("refit.json", [])]
)
def test_an_entry_of_another_form_is_refused(tmp_path: Path, name: str, entry: object) -> None:
    write_json(tmp_path / name, {"0-af": entry})
    with pytest.raises(BadStudy, match="its entry 0-af is garbled"):
        recorded(tmp_path / name)


@pytest.mark.slow
def test_rot_and_swapped_weights_of_a_study_are_named(tmp_path: Path, undrawn: None) -> None:
    one = experiment(tiny_recipe.recipe, tmp_path / "study")
    run(one, 3, refit=1)
    folder = tmp_path / "study"
    (number, *_) = (int(key.split("-")[0]) for key in read_json(folder / REFIT))
    others = [other for other in range(3) if other != number]
    for refit in (False, True):
        path = checkpoint(folder, number, refit=refit)
        whole = path.read_bytes()
        recall(folder, number, lambda _: tiny_recipe.recipe, None, refit=refit)
        middle = len(whole) // 2
        for content in (
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            checkpoint(folder, others[0]).read_bytes(),
            whole[:-1],
        ):
            path.write_bytes(content)
            with pytest.raises(BadStudy, match=path.name):
                recall(folder, number, lambda _: tiny_recipe.recipe, None, refit=refit)
        path.write_bytes(whole)
    path = checkpoint(folder, None)
    path.write_bytes(checkpoint(folder, number).read_bytes())
    figures = read_json(folder / "float.json")
    (folder / "float.json").write_text(json.dumps({name: figures[name] for name in ("validation", "checkpoint")}))
    with pytest.raises(BadStudy, match=r"float\.pt"):
        run(one, 1)


@pytest.mark.slow
def test_an_older_journal_is_refused_and_takes_no_figures_of_other_weights(tmp_path: Path, undrawn: None) -> None:
    one = experiment(tiny_recipe.recipe, tmp_path / "study")
    folder = tmp_path / "study"
    run(one, 2)
    older = (folder / JOURNAL).read_bytes()
    run(one, 2)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != JOURNAL}
    for journal in (older, None):
        (folder / JOURNAL).unlink()
        if journal is not None:
            (folder / JOURNAL).write_bytes(journal)
        with pytest.raises(BadStudy, match=r"trials up to 3, its journal only [02] trials; restore"):
            run(one, 1)
        assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before}
    (folder / JOURNAL).write_bytes(older)
    shutil.move(folder / "trials.json", tmp_path)
    run(one, 2)  # as the user asked for


def test_a_record_of_finalists_is_of_one_training() -> None:
    row = {"number": 3, "params": {"base": 2}, "seed": 7, "checkpoint": "ab"}
    records = {key_of(row): 0.5, "3": 0.25}
    assert entry_of(records, row) == 0.5
    for change in ({"number": 4}, {"params": {"base": 3}}, {"seed": 8}, {"checkpoint": "cd"}):
        assert entry_of(records, row | change) is None
    assert entry_of(records, row | {"checkpoint": float("nan")}) == 0.25  # of a study from before there were hashes
    assert TESTED != REFIT


def test_a_draft_without_a_study_is_withdrawn_with_its_folders_and_nothing_else(tmp_path: Path) -> None:
    with withdrawn_unless_begun(tmp_path / "a/b/recipe.py"):
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a/b/recipe.py").write_text("")
    assert not (tmp_path / "a").exists()
    (tmp_path / "a").mkdir()
    for kept in ("notes.txt", "study.journal"):
        with withdrawn_unless_begun(tmp_path / "a/recipe.py"):
            (tmp_path / "a/recipe.py").write_text("")
            (tmp_path / "a" / kept).touch()
        assert (tmp_path / "a" / kept).exists() and (tmp_path / "a/recipe.py").exists() == (kept == "study.journal")
    with withdrawn_unless_begun(tmp_path / "a/recipe.py"):
        (tmp_path / "a/study.journal").unlink()
    assert (tmp_path / "a/recipe.py").exists()  # not drafted now
