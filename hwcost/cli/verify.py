"""`hwcost verify`: resources that an open synthesizer counts, next to the estimate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
import pandas as pd

from hwcost.cli.design import ARCHITECTURE, Build, of_constants
from hwcost.cli.laboratory import Tools, progress_bar, with_tools
from hwcost.cli.network import RECIPES, input_step, pipeline_of
from hwcost.cli.options import (
    CLOCK,
    COUNT,
    DEVICE,
    FPS,
    PLACE,
    TRIAL,
    Target,
    Verbosity,
    gathered,
    of_recipe,
    with_verbosity,
)
from hwcost.cli.table import print_table, say, say_left_out
from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption, BadStudy
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, Mixed, Unrolled, place
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.resources import COUNTED, OnPart
from hwcost.sweep.replay import best, recall
from hwcost.sweep.study_files import read_run
from hwcost.sweep.trust import finder


@click.command("verify")
@click.argument("target", default="lenet")
@click.option("--top", type=COUNT, help="Number of front points to verify, the knee first.  [default: 1]")
@click.option("--trial", type=TRIAL, help="Verify this trial of a study instead.")
@of_recipe
@click.option("--data", type=PLACE, help="Folder or file of the data set of a study.")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32, of your own network.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input in bits.  [default: 8]")
@ARCHITECTURE
@gathered(Target, "hardware", DEVICE, FPS, CLOCK)  # `target` is the argument
@click.option("--out", type=PLACE, help="Folder for the results.  [default: STUDY/verify]")
@click.option(
    "--whole", is_flag=True, help="Also build the whole pipeline as `hwcost build` does, and count its units."
)
@click.option("--import", "report", type=PLACE, help="Utilisation report of Vivado to compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print every part, by network or trial, as JSON.")
@with_verbosity("unit")
@with_tools
def verify_command(
    target: str,
    top: int | None,
    trial: int | None,
    recipe: str | None,
    data: Path | None,
    shape: str | None,
    input_bits: int | None,
    architecture: str,
    hardware: Target,
    out: Path | None,
    whole: bool,
    report: Path | None,
    as_json: bool,
    verbosity: Verbosity,
    tools: Tools,
) -> None:
    """Synthesize the blocks of TARGET and compare with the estimate.

    TARGET is the folder of a study, whose best front points or one --trial are verified, or a network as in
    `hwcost estimate`. The results, a picture, and corrections.json for `hwcost estimate --corrections` are written to
    --out. Of weights that are constants, the products are built as they are now, with the sums that their price shares.

    \b
    Example:
      hwcost verify reports/digits --top 3
      hwcost verify reports/digits --trial 12
    """
    step: float | None = None
    study = Path(target) if (Path(target) / "run.json").is_file() else None
    folder = out
    if study is None and Path(target).is_dir():
        raise BadStudy(f"{target}: not a study (it has no run.json); name a folder that `hwcost sweep` wrote")
    if study is not None:
        if hardware.given or shape is not None or input_bits is not None or architecture != "dataflow":
            raise BadOption(
                f"{target}: a study defines network and part; omit --input, --input-bits, --architecture, --device, "
                "--fps and --clock"
            )
        if trial is not None and top is not None:
            raise BadOption("--trial and --top exclude each other; give one")
        if report is not None and (top or 1) > 1:
            raise BadOption("--import: a report describes one network; omit --top")
        find = finder(recipe, RECIPES)
        numbers = best(study, top or 1) if trial is None else [trial]
        points = {f"trial {number}": recall(study, number, find, data) for number in numbers}
        designs = {name: (point.pipeline, _buildable(name, point.model)) for name, point in points.items()}
        folder, step = study / "verify" if out is None else out, read_run(study)["data"].get("step")
    else:
        if any(one is not None for one in (top, trial, data, recipe)):
            raise BadOption(f"{target}: not a study; omit --top, --trial, --recipe and --data")
        pipeline, defaults = pipeline_of(target, shape, input_bits)
        designs = {
            target: (
                pipeline,
                Build().model(pipeline, hardware, defaults)
                if architecture == "dataflow"
                else of_constants(architecture, pipeline, hardware, defaults),
            )
        }
    if whole:
        _check_whole({name: model for name, (_, model) in designs.items()}, report)
    found: dict[str, object] = {}
    for name, (network, model) in designs.items():
        rows = _imported(network, model, report) if report is not None else _measured(network, model, tools, verbosity)
        built = _whole(network, model, step, tools, verbosity) if whole else rows[:0]
        # pandas writes missing values as null
        found[name] = json.loads(pd.concat([rows, built], ignore_index=True).to_json(orient="records"))
        if not as_json:
            _show(name, rows, built)
        if folder is not None:
            written = _write(folder, name, rows, built, model.device.name)
            click.echo(f"-> {written}", err=as_json)
    if as_json:
        click.echo(json.dumps(found, indent=2))


Buildable = Dataflow | Mixed | Unrolled


def _buildable(name: str, model: OnPart) -> Buildable:
    """Refuse a design of an architecture of the user's own, whose parts no bench here builds.

    Raises:
        BadOption: names its architecture.
    """
    if not isinstance(model, Buildable):
        raise BadOption(
            f"{name}: verify synthesizes folded units and constants (Dataflow, Unrolled, Mixed), and this design is "
            f"{type(model).__name__}"
        )
    return model


def _measured(pipeline: Pipeline, model: Buildable, tools: Tools, verbosity: Verbosity) -> pd.DataFrame:
    part = model.device
    if part.dsp_kind == "DSP58":
        click.echo(
            f"{part.name}: no open synthesizer knows Versal. Its logic is measured as that of UltraScale+; what it "
            "takes of DSP, BRAM18 and URAM cannot be verified.",
            err=True,
        )
    lab = tools.laboratory(FABRICS[part.dsp_kind].family)
    from hwcost.synth.verify import verify

    with progress_bar("units", verbosity) as progress:
        return verify(place(pipeline.layers()), model, lab, progress)


def _check_whole(designs: Mapping[str, Buildable], report: Path | None) -> None:
    """Refuse --whole of what is not built, before anything is synthesized."""
    if report is not None:
        raise BadOption("--whole builds the network, --import reads what a vendor's tool built; give one of them")
    for name, model in designs.items():
        if not isinstance(model, Dataflow):
            kind = type(model).__name__
            raise BadOption(f"{name}: --whole builds folded pipelines, and this design is {kind}; omit it")


def _whole(
    pipeline: Pipeline, model: Buildable, step: float | None, tools: Tools, verbosity: Verbosity
) -> pd.DataFrame:
    """A row for the whole pipeline: the sum of its units as `hwcost build` writes them, streams and FIFOs included."""
    assert isinstance(model, Dataflow)
    from hwcost.build.accelerator import accelerator
    from hwcost.build.draft import layout
    from hwcost.synth.verify import whole_row

    made = accelerator(layout(pipeline, model, input_step=input_step(pipeline) if step is None else step))
    lab = tools.laboratory(FABRICS[model.device.dsp_kind].family)
    with progress_bar("units of the whole", verbosity) as progress:
        counts = lab.count(made.designs(), progress)
    return whole_row(estimate(pipeline, model).total, counts, model)


def _imported(pipeline: Pipeline, model: Buildable, report: Path) -> pd.DataFrame:
    from hwcost.synth.verify import against
    from hwcost.synth.vivado import read_report

    layers = estimate(pipeline, model).layers
    amounts = {str(row["layer"]): {name: float(row[name]) for name in COUNTED} for _, row in layers.iterrows()}
    return against(list(amounts), amounts, read_report(report))


def _show(name: str, rows: pd.DataFrame, whole: pd.DataFrame) -> None:
    """Print the parts with their residuals, the totals, and the whole network where it was built."""
    counted = [area for area in ("LUT", "FF", "BRAM18", "DSP") if rows[[area, f"{area}_measured"]].any(axis=None)]
    known = rows[rows["LUT_measured"].notna()]
    cells = [[row["layer"], row["block"], row["part"], *_figures(row, counted)] for _, row in rows.iterrows()]
    total = known[known.columns[3:]].sum(min_count=1)
    cells.append(["total", "", "", *_figures(total, counted)])
    bold = len(cells) - 1
    cells += [[row["layer"], "", "", *_figures(row, counted)] for _, row in whole.iterrows()]
    headers = [name, "block", "part"]
    for area in counted:
        headers += [f"{area} est.", f"{area} meas.", *(["residual"] if area == "LUT" else [])]
    spare = ("block", "DSP est.", "DSP meas.", "BRAM18 est.", "BRAM18 meas.")
    left_out = print_table(headers, cells, left=headers[:3], spare=spare, styles={bold: "bold"})
    say_left_out(left_out, "a wider terminal, --json and verify.csv show all")
    if len(known) < len(rows):
        missing = len(rows) - len(known)
        subject, verb = ("1 block has", "is") if missing == 1 else (f"{missing} blocks have", "are")
        say(f"{subject} no RTL here and {verb} left out of both totals.")


def _figures(row: pd.Series[float], counted: list[str]) -> list[str]:
    cells = []
    for name in counted:
        ours, measured = float(row[name]), float(row[f"{name}_measured"])
        cells += [f"{ours:,.0f}", "-" if measured != measured else f"{measured:,.0f}"]
        if name == "LUT":
            cells.append(f"{ours / measured - 1:+.1%}" if measured == measured and measured else "-")
    return cells


def _write(folder: Path, name: str, rows: pd.DataFrame, whole: pd.DataFrame, part: str) -> Path:
    from hwcost.synth.verify import corrections

    stem = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
    try:
        (folder / stem).mkdir(parents=True, exist_ok=True)
        table, picture = folder / stem / "verify.csv", folder / stem / "verify.png"
        text = rows.to_csv(index=False, lineterminator="\n")
        if not (picture.is_file() and table.is_file() and table.read_text(encoding="utf-8") == text):
            table.unlink(missing_ok=True)  # never next to a picture of other rows
            picture.write_bytes(_picture(rows, name))
            table.write_text(text, encoding="utf-8")
        if len(whole):
            (folder / stem / "whole.csv").write_text(whole.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
        found = {"part": part, "layers": corrections(rows)}
        (folder / stem / "corrections.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadOption(f"--out {folder}: cannot be written ({error.strerror})") from error
    return folder / stem


def _picture(rows: pd.DataFrame, name: str) -> bytes:
    """Draw the picture; called only for new figures, because drawing takes longer than looking them up."""
    from hwcost.report.verify_figure import verify_picture
    from hwcost.synth.verify import by_layer

    return verify_picture(by_layer(rows), name)
