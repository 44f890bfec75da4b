"""Inputs that make no sense, or little: strategies for all that is parsed, and the call that must take each of them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import click
import command_line
import numpy as np
import onnx
import tomli_w
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from faults.studies import recipe
from hwcost.cli import COMMANDS, cli, main
from hwcost.errors import HwcostError
from hwcost.models.calibration.corpus import read, write
from hwcost.search import Objective, Outcome, Suggestion, join_study, lead_study
from hwcost.search.storage.database import Share
from hwcost.search.study_spec import StudySpec
from hwcost.sweep.recipe import load_recipe

LIMIT_S = 30
"""Seconds that an input may take; a longer one hangs."""

NASTY = (
    "",
    " ",
    "0",
    "-1",
    "1",
    "2",
    "3.5",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e-400",
    "9" * 40,
    "x" * 300,
    "\0",
    "é\u202e",
    "true",
)
NASTY += (
    "[]",
    "{}",
    "null",
    "a:b",
    "2:8",
    "8:2",
    "2:1000",
    "LUT=3",
    "LUT=nan",
    "LUT=",
    "=",
    "--",
    "-",
    "..",
    "/dev/null",
    "/",
)
NASTY += (
    "nets.py:fine",
    "nets.py:broken",
    "nets.py:nothing",
    "nets.py:number",
    "quick.py:recipe",
    "lenet",
    "ZCU104",
    "4",
    "1,4",
    "study",
)
NASTY += (
    "sqlite://",
    "postgresql://u:p@h/d",
    "s3://",
    "odd.json",
    "nets.py",
    "file.toml",
    "rtl",
    "rows.csv",
    "net.onnx",
)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, -1, 2, 7, 2**31, 2**40, 2**64, -(2**63), 0.5, -0.0, 1e-300, 1e300, float("inf"), float("nan")]
    ),
    st.integers(),
    st.floats(),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXTS, one, max_size=3), max_leaves=6
)

SLOW = {"--synthesize", "--try", "--fastest", "--version"}
"""Flags that take longer than an input may."""


class Hang(BaseException):
    """An input took too long."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise `Hang` after so many seconds."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang

    told = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, told)


def called(*words: str) -> str:
    """What becomes of a call of the command: "right", "refused", or what is wrong with its end."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["hwcost", *words]
    status: object = 0
    try:
        with within(LIMIT_S), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        status = ended.code
    except Hang:
        return "HANG"
    except BaseException:
        return f"TRACEBACK {traceback.format_exc()[-1500:]}"
    said = [line for line in err.getvalue().splitlines() if line.startswith("hwcost: error: ")]
    if status == 2:
        return "refused" if len(said) == 1 and err.getvalue().endswith("\n") else f"NOT ONE LINE {err.getvalue()!r}"
    if status != 0:
        return f"STATUS {status}"
    nonsense = "--json" in words and any(word in out.getvalue() for word in ("NaN", "Infinity"))
    return f"NONSENSE {out.getvalue()[:500]}" if nonsense else "right"


def asked(function: Callable[[], object]) -> str:
    """What becomes of a call of a function."""
    try:
        with within(LIMIT_S):
            function()
    except HwcostError as error:
        return "refused" if str(error) else "NO MESSAGE"
    except Hang:
        return "HANG"
    except BaseException:
        return f"TRACEBACK {traceback.format_exc()[-1500:]}"
    return "right"


def command_lines(draw: st.DataObject) -> tuple[object, str]:
    """Any command with any of its flags, and values of any kind."""
    name = draw.draw(st.sampled_from([name for name in COMMANDS if name not in ("worker", "verify")]))
    command = cli.get_command(click.Context(cli), name)
    options = [
        one for one in command.params if isinstance(one, click.Option) and not SLOW & {*one.opts} and not one.hidden
    ]
    words = [name, *draw.draw(st.lists(TEXTS, max_size=2))]
    for option in draw.draw(st.lists(st.sampled_from(options), max_size=4)):
        words += [option.opts[0]] if option.is_flag else [option.opts[0], draw.draw(TEXTS)]
    if name == "sweep":
        words += ["--trials", "1", "--out", "swept", "--quiet"]
    return words, called(*words)


def toml_files(draw: st.DataObject) -> tuple[object, str]:
    """A settings file with any keys and values, or no TOML at all."""
    name = draw.draw(st.sampled_from(["sweep", "estimate", "export", "report", "calibrate"]))
    command = cli.get_command(click.Context(cli), name)
    keys = [
        one.opts[0].lstrip("-")
        for one in command.params
        if one.opts[0] not in SLOW | {"--verbose", "--trials", "--out"}
    ]
    plain = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), TEXTS)
    table = draw.draw(st.dictionaries(st.sampled_from(keys) | TEXTS, plain | st.lists(plain, max_size=3), max_size=4))
    text = tomli_w.dumps({name: table})
    if draw.draw(st.integers(0, 3)) == 0:
        text = draw.draw(
            st.sampled_from(["[" * 9999, "\ufeff" + text, text[: len(text) // 2], f"{name} = 3", "x" * 99999])
        )
    Path("file.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
    more = (
        ["--trials", "1", "--out", "swept", "--quiet"] if name == "sweep" else ["-o", "x"] if name == "export" else []
    )
    return (name, text[:300]), called(name, "--config", "file.toml", *more)


EXPRESSIONS = (
    "None",
    "0",
    "-1",
    "1e400",
    "10**400",
    "float('nan')",
    "'x'",
    "''",
    "[]",
    "{}",
    "()",
    "(0, 4, 4)",
    "object()",
    "True",
)
EXPRESSIONS += (
    "lambda *_: None",
    "lambda *_: 1 / 0",
    "lambda *_: exit()",
    "lambda *_: {'LUT': 'x'}",
    "lambda *_: {'LUT': -1}",
    "made",
)
EXPRESSIONS += (
    "lambda *_: torch.nn.Linear(4, 4)",
    "lambda *_: torch.nn.Flatten()",
    "lambda *_: torch.nn.Linear(10**13, 3)",
    "between(0, 1)",
)
EXPRESSIONS += (
    "integers(32, signed=True)",
    "('accuracy', 'DSP')",
    "('accuracy',)",
    "({},)",
    "{'base': 3}",
    "lambda _: {'fps': 'x'}",
)
FIELDS = ("name", "network", "float_network", "data", "input", "space", "budget", "device", "fps", "task", "training")
FIELDS += ("clock_mhz", "hardware", "objectives", "anchors", "plain", "example")


SOUND = ("fps=2e5", "clock_mhz=150.0", "device='ZCU104'", "example=None", "anchors=()", "name='other'", "plain=None")
SOUND += ("budget=lambda _: {'LUT': 900}", "hardware=lambda _: {'fps': 3e5}", "objectives=('accuracy', 'LUT', 'FF')")


def recipes(draw: st.DataObject) -> tuple[object, str]:
    """The quick recipe with one or two of its fields replaced."""
    fields = draw.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2, unique=True))
    changes = ", ".join(f"{field}={draw.draw(st.sampled_from(EXPRESSIONS))}" for field in fields)
    if draw.draw(st.booleans()):
        changes = draw.draw(st.sampled_from(SOUND))
    Path("mine.py").write_text(
        "import torch\nfrom dataclasses import replace\nfrom hwcost.graph.ranges import between, integers\n"
        f"from faults.studies import recipe\nfrom tiny_recipe import made\nrecipe = replace(recipe, {changes})\n"
    )
    return changes, called("sweep", "mine.py:recipe", "--trials", "1", "--out", "swept", "--quiet")


def onnx_files(draw: st.DataObject) -> tuple[object, str]:
    """A network's file with flipped bits, cut, or with other numbers, names and shapes in it."""
    content = bytearray(Path("sound.onnx").read_bytes())
    if draw.draw(st.booleans()):
        flips = draw.draw(
            st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 7)), min_size=1, max_size=3)
        )
        for at, bit in flips:
            content[at] ^= 1 << bit
        if draw.draw(st.integers(0, 4)) == 0:
            del content[draw.draw(st.integers(0, len(content) - 1)) :]
        what: object = flips
    else:
        model = onnx.load_from_string(bytes(content))
        what = _changed(draw, model)
        content = bytearray(model.SerializeToString())
    Path("net.onnx").write_bytes(content)
    return what, called("estimate", "net.onnx", "--json")


def _changed(draw: st.DataObject, model: onnx.ModelProto) -> object:
    graph = model.graph
    kind = draw.draw(st.sampled_from(["initializer", "attribute", "node", "name", "shape"]))
    if kind == "initializer":
        one = draw.draw(st.sampled_from(list(graph.initializer)))
        value = draw.draw(st.sampled_from([0.0, -1.0, 1000.0, 0.5, float("nan"), float("inf"), 1e38, None]))
        array = onnx.numpy_helper.to_array(one)
        made = np.zeros((0,), array.dtype) if value is None else np.full(array.shape, value).astype(array.dtype)
        one.CopyFrom(onnx.numpy_helper.from_array(made, one.name))
        return kind, one.name, value
    node = draw.draw(st.sampled_from(list(graph.node)))
    if kind == "attribute" and node.attribute:
        attribute = draw.draw(st.sampled_from(list(node.attribute)))
        attribute.i = draw.draw(st.sampled_from([0, -1, 2**40, 7]))
        for at in range(len(attribute.ints)):
            attribute.ints[at] = attribute.i
        return kind, node.op_type, attribute.name, attribute.i
    if kind == "node":
        if draw.draw(st.booleans()):
            graph.node.remove(node)
        else:
            node.op_type = draw.draw(st.sampled_from(["Quant", "Add", "Conv", "MaxPool", "Nothing", ""]))
        return kind, node.op_type
    if kind == "name" and node.input:
        node.input[draw.draw(st.integers(0, len(node.input) - 1))] = draw.draw(
            st.sampled_from([*node.output, "nobody", ""])
        )
        return kind, node.op_type
    size = draw.draw(st.sampled_from([0, -1, 2**40, 2**62, 3]))
    dimensions = graph.input[0].type.tensor_type.shape.dim
    dimensions[draw.draw(st.integers(0, len(dimensions) - 1))].dim_value = size
    return kind, size


def _table(classes: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    sizes = (("train", 200), ("test", 60))
    values = {f"X_{part}": random.normal(size=(size, 16)).astype("f4") for part, size in sizes}
    return values | {f"y_{part}": np.arange(size) % classes for part, size in sizes}


SOUND_TABLES = {"dry-bean": _table(7), "letter": _table(26)}


def npz_files(draw: st.DataObject) -> tuple[object, str]:
    """A table of data with arrays missing, of other types and shapes, or no archive."""
    names = ("X_train", "y_train", "X_test", "y_test")
    arrays: dict[str, Any] = {}
    found = draw.draw(st.sampled_from(["dry-bean", "letter", "ds-cnn", "autoencoder", "fashion-mnist"]))
    changed = st.lists(st.sampled_from((*names, "x")), min_size=1, max_size=5, unique=True)
    if found in SOUND_TABLES and draw.draw(st.booleans()):
        arrays |= SOUND_TABLES[found]
        changed = st.lists(st.sampled_from((*names, "x")), max_size=1)
    for name in draw.draw(changed):
        shape = draw.draw(st.sampled_from([(), (0,), (20,), (20, 16), (20, 4, 4), (3, 2)]))
        kind = draw.draw(st.sampled_from(["f4", "f8", "i8", "u1", "?", "U3", "c8", "M8[s]"]))
        arrays[name] = np.full(shape, draw.draw(st.sampled_from([0, 1, 6, 7]))).astype(kind)
        if kind[0] == "f" and draw.draw(st.integers(0, 3)) == 0 and arrays[name].size:
            arrays[name].flat[0] = draw.draw(st.sampled_from([np.nan, np.inf]))
    np.savez("table.npz", **arrays)
    content = Path("table.npz").read_bytes()
    if draw.draw(st.integers(0, 3)) == 0:
        Path("table.npz").write_bytes(content[: draw.draw(st.integers(0, len(content)))])
    from hwcost.cli.network import RECIPES

    loaded = load_recipe(found, RECIPES)
    shown = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    return (found, shown), asked(lambda: loaded.data(Path("table.npz")))


def csv_files(draw: st.DataObject) -> tuple[object, str]:
    """Rows of measured units, or of published designs, with other cells."""
    rows = list(csv.reader(io.StringIO(Path("corpus.csv").read_text())))
    corpus = draw.draw(st.booleans())
    if not corpus:
        rows = [["name", "accuracy", "LUT"], ["other", "0.9", "700"]]
    for _ in range(draw.draw(st.integers(1, 3))):
        row = rows[draw.draw(st.integers(0, len(rows) - 1))]
        row[draw.draw(st.integers(0, len(row) - 1))] = draw.draw(TEXTS)
    if draw.draw(st.integers(0, 4)) == 0:
        rows[draw.draw(st.integers(0, len(rows) - 1))].append("more")
    with Path("rows.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL if draw.draw(st.booleans()) else csv.QUOTE_MINIMAL).writerows(rows)
    if corpus:
        return rows[-2:], called("calibrate", "--check", "rows.csv", "--json")
    return rows, called("report", "study", "other", "--out", "compared", "--published", "rows.csv")


def foldings(draw: st.DataObject) -> tuple[object, str]:
    """PE and SIMD of layers, and corrections, as JSON of any kind."""
    sizes = st.sampled_from([1, 2, 4]) | st.sampled_from([8, 0, 3, -1, 2**40, 2**70, True, None, 1.5, "2"])
    sound = st.fixed_dictionaries({"PE": st.sampled_from([1, 2, 4]), "SIMD": st.sampled_from([1, 2, 4])})
    entry = st.fixed_dictionaries({"PE": sizes, "SIMD": sizes}) | VALUES
    names = st.sampled_from(["0", "2", "1", "Defaults", "x", ""])
    tables = st.fixed_dictionaries({"0": sound, "2": sound | entry}), st.dictionaries(names, entry, max_size=4), VALUES
    table: object = draw.draw(st.one_of(*tables))
    kind = draw.draw(st.sampled_from(["--folding", "--corrections"]))
    if kind == "--corrections" and draw.draw(st.booleans()):
        table = {"part": draw.draw(st.sampled_from(["xc7z020", 3, None])), "layers": table}
    text = json.dumps(table)
    if draw.draw(st.integers(0, 4)) == 0:
        text = draw.draw(st.sampled_from(["[" * 99999, '{"a":' * 99999, "", "nul", text[:-1], "\ufeff" + text]))
    Path("odd.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    return (kind, text[:300]), called("estimate", "nets.py:fine", "--input", "4", kind, "odd.json", "--json")


def records(draw: st.DataObject) -> tuple[object, str]:
    """A file of a study with another value at any place, and a command that reads it."""
    folder = Path("garbled")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree("study", folder)
    path = folder / draw.draw(st.sampled_from(["run.json", "trials.json", "float.json", "test.json", "refit.json"]))
    content = json.loads(path.read_text())
    content.pop("crc32", None)
    where, value = [], draw.draw(VALUES)
    place: Any = content
    while True:
        key = draw.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        where.append(key)
        if not isinstance(place[key], dict | list) or not place[key] or draw.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    if draw.draw(st.integers(0, 5)) == 0:
        del place[key]
    else:
        place[key] = value
    path.write_text(json.dumps(content))
    words = draw.draw(
        st.sampled_from(
            [
                ["report", "garbled"],
                ["train", "--from", "garbled", "--trial", "0", "--quiet"],
                ["export", "garbled", "--trial", "0", "--to", "qonnx", "--input-step", "0.0625", "-o", "made.onnx"],
                [
                    "export",
                    "garbled",
                    "--trial",
                    "0",
                    "--refit",
                    "--to",
                    "qonnx",
                    "--input-step",
                    "0.0625",
                    "-o",
                    "made.onnx",
                ],
                ["finish", "garbled", "--refit", "1", "--quiet"],
                ["sweep", "quick.py:recipe", "--sampler", "random", "--trials", "1", "--out", "garbled", "--quiet"],
            ]
        )
    )
    verdict = called(*words)
    if verdict.startswith("STATUS 2"):
        verdict = "refused"
    return (path.name, where, repr(value)[:80], words[0]), verdict


def rows(draw: st.DataObject) -> tuple[object, str]:
    """A row of a shared study's database with another value."""
    shutil.rmtree("shared", ignore_errors=True)
    shutil.copytree("sound", "shared")
    with closing(sqlite3.connect("shared/studies.db")) as database, database:
        table, column, cell = draw.draw(st.sampled_from(_cells(database)))
        value = draw.draw(
            st.sampled_from(
                [
                    "",
                    "[]",
                    "7",
                    "{",
                    "[" * 99999,
                    '{"name": "X", "attributes": {}}',
                    None,
                    -1,
                    1e308,
                    b"\xff",
                    "RUNNING",
                ]
            )
        )
        try:
            database.execute(f"update {table} set {column} = ? where rowid = ?", (value, cell))
        except sqlite3.Error:
            return (table, column, value), "refused"
    joins = draw.draw(st.booleans())

    def use() -> None:
        if joins:
            with join_study("sqlite:///shared/studies.db", "led", Path("shared/other")) as found:
                found.agree(SPEC, artifacts="shared/weights", files=_file).frame()
        else:
            with led("shared") as study:
                study.frame()
                study.run(judged, trials=1)

    return (table, column, repr(value)[:40], "join" if joins else "lead"), asked(use)


def _cells(database: sqlite3.Connection) -> list[tuple[str, str, int]]:
    tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
    return [
        (table, column, cell)
        for table in tables
        for column in (row[1] for row in database.execute(f"pragma table_info({table})"))
        if not column.endswith("_id")
        for cell in (row[0] for row in database.execute(f"select rowid from {table}"))
    ]


SPEC = StudySpec(
    fingerprint={"code": "same"},
    objectives=(Objective("loss", "minimize"),),
    seed=3,
    sampler="random",
    space={"base": recipe.space["base"]},
    anchors=(),
)


def judged(suggestion: Suggestion) -> Outcome:
    return Outcome((float(suggestion.params["base"]),), {})


def _file(number: int | None) -> Path:
    return Path("shared/led") / f"{number}.pt"


@contextmanager
def led(folder: str) -> Iterator[Any]:
    share = Share(f"sqlite:///{folder}/studies.db", f"{folder}/weights", 1)
    with lead_study(share, Path(folder) / "led", SPEC, files=_file, settings={}) as study:
        yield study


KINDS = (command_lines, toml_files, recipes, onnx_files, npz_files, csv_files, foldings, records, rows)


def prepared() -> None:
    """Fill the working folder with sound inputs, which the cases change."""
    os.environ["HWCOST_KNOWN_RECIPES"] = str(Path("known").resolve())
    torch.set_num_threads(1)
    Path("nets.py").write_text(command_line.NETWORKS)
    Path("quick.py").write_text("from faults.studies import recipe, roomy\n")
    import hwcost.sweep.study_report as study_report

    drawn = study_report.write_report
    study_report.write_report = lambda folder, trials, run, **_: drawn(folder, trials, run)  # type: ignore[attr-defined]
    for name in ("study", "other"):
        assert (
            called("sweep", "quick.py:recipe", "--sampler", "random", "--trials", "2", "--out", name, "--quiet")
            == "right"
        )
    assert called("finish", "study", "--refit", "1", "--quiet") == "right"
    assert (
        called("export", "study", "--trial", "0", "--to", "qonnx", "--input-step", "0.0625", "-o", "sound.onnx")
        == "right"
    )
    corpus = Path(__file__).resolve().parents[2] / "reports" / "calibration" / "corpus.csv"
    write(Path("corpus.csv"), read(corpus)[:40])
    Path("sound").mkdir()
    with led("sound") as study:
        _file(None).parent.mkdir(parents=True, exist_ok=True)
        study._study.set_user_attr("weights", "0" * 32)
        study.run(judged, trials=3)


def tried(count: int, first: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Try so many inputs in the working folder.

    Returns:
        (kind, verdict) -> number; and the inputs that nothing should have made of them what it did.
    """
    verdicts, wrong = Counter[tuple[str, str]](), list[str]()

    @seed(first)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(KINDS))
        shutil.rmtree("swept", ignore_errors=True)
        case, verdict = kind(data)
        verdicts[kind.__name__, verdict.split()[0]] += 1
        if verdict not in ("right", "refused"):
            wrong.append(f"{kind.__name__} {case!r}: {verdict}")

    one()
    return verdicts, wrong
