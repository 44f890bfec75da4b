"""Nothing of a recipe runs that only a study folder or a database names; what the user names, is known from then on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import TINY, Hwcost, command_line, refused

from hwcost.errors import BadRecipe
from hwcost.search.storage.artifacts import Weights
from hwcost.sweep.trust import finder, found_in_a_record, hash_of, known_recipes, named

PLANTED = "import pathlib; pathlib.Path({mark!r}).touch()\n"


@pytest.fixture
def hwcost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Hwcost]:
    with command_line(tmp_path, monkeypatch, capsys) as called:
        yield called


def planted(path: Path, mark: Path) -> None:
    """The tiny recipe, which leaves a mark when any of it runs."""
    path.write_text(PLANTED.format(mark=str(mark)) + TINY.read_text().replace("from __future__ import annotations", ""))


@pytest.mark.slow
def test_the_folder_of_a_stranger_runs_nothing(hwcost: Hwcost, tmp_path: Path) -> None:
    planted(tmp_path / "evil.py", tmp_path / "ran")
    assert hwcost("sweep", "evil.py:recipe", "--trials", 2, "--out", "study", "--quiet").status == 0
    (tmp_path / "ran").unlink()
    uses = (
        ("train", "--from", "study", "--trial", 0),
        ("verify", "study"),
        ("finish", "study", "--refit", 1),
        ("export", "study", "--trial", 0, "--to", "onnx", "--input-step", 0.5, "-o", "net.onnx"),
    )
    assert hwcost(*uses[0]).status == 0 and (tmp_path / "ran").exists()  # named by the sweep
    (tmp_path / "ran").unlink()
    known_recipes().unlink()  # now the study is a stranger's
    for use in uses:
        refused(hwcost(*use), "evil.py:recipe", "--recipe")
    assert hwcost("report", "study").status == 0 and hwcost("doctor", "study").status == 0
    assert not (tmp_path / "ran").exists()
    assert hwcost(*uses[3], "--recipe", "evil.py:recipe").status == 0
    assert hwcost(*uses[3]).status == 0  # named once
    (tmp_path / "ran").unlink()
    with (tmp_path / "evil.py").open("a") as file:
        file.write("# changed\n")
    refused(hwcost(*uses[3]), "has changed since", "--recipe")
    assert not (tmp_path / "ran").exists()


def test_every_file_that_a_recipe_imports_is_part_of_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    files = {
        "mine.py": "import pack.deep.more\nfrom beside import x\n",
        "beside.py": "import json\n",
        "pack/__init__.py": "",
        "pack/deep/__init__.py": "from . import other\n",
        "pack/deep/more.py": "from ..top import y\n",
        "pack/deep/other.py": "",
        "pack/top.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "unused.py").write_text("")
    whole = hash_of("mine.py:recipe")
    assert whole is not None and whole == hash_of(f"{tmp_path}/mine.py:recipe") == hash_of("mine:recipe")
    for name, text in files.items():
        (tmp_path / name).write_text(text + "# changed\n")
        assert hash_of("mine.py:recipe") != whole, name
        (tmp_path / name).write_text(text)
    (tmp_path / "unused.py").write_text("# changed\n")
    assert hash_of("mine.py:recipe") == whole
    (tmp_path / "json.py").write_text("planted")  # where an import would find it
    assert hash_of("mine.py:recipe") != whole


def test_recipes_that_ship_need_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = {"digits": "hwcost.zoo.digits:recipe"}
    for reference in ("digits", "hwcost.zoo.digits:recipe"):
        assert found_in_a_record(reference, ours).name == named(reference, ours).name == "digits"
    assert not known_recipes().exists()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "side_effect.py").write_text(PLANTED.format(mark=str(tmp_path / "ran")))
    for reference in (
        "this:recipe",
        "side_effect:recipe",
        "side_effect.py:recipe",
        "nowhere.py:recipe",
        "nonsense",
        "",
    ):
        with pytest.raises(BadRecipe):
            found_in_a_record(reference, ours)
    assert not (tmp_path / "ran").exists()


def test_a_home_that_cannot_be_written_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HWCOST_KNOWN_RECIPES", str(tmp_path / "file" / "recipes"))
    assert named(f"{TINY}:recipe", {}).name == "tiny"
    with pytest.raises(BadRecipe, match="name it once"):
        found_in_a_record(f"{TINY}:recipe", {})
    assert finder(f"{TINY}:recipe", {})("somebody/elses.py:recipe").name == "tiny"


@pytest.mark.slow
def test_a_worker_runs_no_code_that_the_database_names(
    hwcost: Hwcost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3
    from contextlib import closing

    planted(tmp_path / "evil.py", tmp_path / "ran")
    url, weights = f"sqlite:///{tmp_path}/studies.db", str(tmp_path / "weights")
    share = ("--storage", url, "--artifacts", weights)
    monkeypatch.setenv("HWCOST_STORAGE", url)
    monkeypatch.setenv("HWCOST_ARTIFACTS", weights)
    assert hwcost("sweep", "evil.py:recipe", "--trials", 1, "--out", "study", "--quiet").status == 0
    monkeypatch.delenv("HWCOST_STORAGE")
    monkeypatch.delenv("HWCOST_ARTIFACTS")
    (tmp_path / "ran").unlink()
    known_recipes().unlink()
    refused(hwcost("worker", "study", *share), "evil.py:recipe", "--recipe")
    assert not (tmp_path / "ran").exists()
    refused(hwcost("worker", "study", "--storage", url), "--artifacts")
    assert hwcost("worker", "study", *share, "--recipe", "evil.py:recipe", "--quiet").status == 0
    planted_at = tmp_path / "planted"
    elsewhere = {"artifacts": str(planted_at), "recipe": "digits"}
    texts = ["", "[]", "7", "{", "[" * 100_000, "null", "\ud800", '{"artifacts": 3}', '{"heartbeat_s": "soon"}']
    texts += [json.dumps(elsewhere | {"heartbeat_s": beat}) for beat in (0, -1, 1e308, True, None, "1", [1])]
    texts += [json.dumps(elsewhere | {"heartbeat_s": 1} | more) for more in ({"recipe": "x" * 5000}, {"seed": [1]})]
    for value in [json.dumps(text) for text in texts] + ["{torn", "3", "[" * 100_000]:
        with closing(sqlite3.connect(tmp_path / "studies.db")) as database, database:
            database.execute("UPDATE study_user_attributes SET value_json = ? WHERE key = 'settings'", (value,))
        refused(hwcost("worker", "study", *share))
    assert not planted_at.exists() and not (tmp_path / "workers" / "study" / "ran").exists()


def test_a_name_of_weights_leads_nowhere_else(tmp_path: Path) -> None:
    from hwcost.errors import BadStudy

    (tmp_path / "secret").write_text("secret")
    weights = Weights(str(tmp_path / "weights"))
    for name in ("../secret", str(tmp_path / "secret"), "..", "", "a" * 400):
        with pytest.raises(BadStudy, match="no name of weights"):
            weights.fetch(name, tmp_path / "here" / "float.pt")
    assert not (tmp_path / "here").exists() and not list((tmp_path / "weights").iterdir())
