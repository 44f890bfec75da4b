"""The files of a study folder: JSON and checkpoints, each there whole or not at all."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import pandas as pd
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, BadStudy
from hwcost.files import replace, sealed, unsealed
from hwcost.report import RunRecord
from hwcost.search import JOURNAL, MARK
from hwcost.sweep.settings import Settings

_note = logging.getLogger(__name__).warning

TRIALS = "trials.json"
"""The table of trials, with its nested columns."""


@contextmanager
def withdrawn_unless_begun(path: Path) -> Iterator[None]:
    """Remove a file that is written meanwhile, with the folders made for it, where no study begins in its folder."""
    folder = path.parent
    there, made = path.exists(), [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    finally:
        if path.exists() and not there and not any((folder / name).exists() for name in (JOURNAL, MARK)):
            path.unlink()
            for one in made:
                if any(one.iterdir()):
                    break
                one.rmdir()
            _note("%s: removed again, since no study began with it", path)


def checkpoint(folder: Path, number: int | None, *, refit: bool = False) -> Path:
    """Path of the weights of a trial, as chosen or as `refit` on all but the test samples, or of the float network."""
    name = "float" if number is None else f"trial-{number:04d}"
    return folder / "checkpoints" / f"{name}{'-refit' * refit}.pt"


def unfinished(folder: Path, seed: int | None) -> Path:
    """Path of what a training keeps to resume after a kill; a retry has the seed of what it repeats."""
    return folder / "checkpoints" / f"unfinished-{'float' if seed is None else seed}"


def save_net(net: nn.Module, path: Path) -> str:
    """Write the weights of a network.

    Returns:
        Their hash, which belongs in the record of the trial: `read_net` checks it.
    """
    content = io.BytesIO()
    torch.save(net.state_dict(), content)
    _replace(path, content.getvalue())
    return sha256(content.getvalue()).hexdigest()


def restore_net(net: nn.Module, path: Path, recorded: str | None) -> None:
    """Put saved weights into a network of the same build.

    Args:
        net: in place.
        path, recorded: as for `read_net`.

    Raises:
        BadStudy: as `read_net`, or the weights are of another network.
    """
    state = read_net(path, recorded)
    try:
        net.load_state_dict(state)
    except Exception as error:  # a user's module may fail in any way at all
        raise _unreadable(path, error) from error


def read_net(path: Path, recorded: str | None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, onto the CPU.

    Args:
        path: of the checkpoint.
        recorded: its hash in the record of the trial; None in a study from before there were any, where the checksums
            inside the file alone are checked.

    Raises:
        BadStudy: the file is missing, broken, or another than the recorded one.
    """
    try:
        content = path.read_bytes()
        if recorded is not None and sha256(content).hexdigest() != recorded:
            raise BadStudy(
                f"{path}: not the weights that were trained, by the hash in their record; restore the file, or start a "
                "study in another folder"
            )
        with ZipFile(io.BytesIO(content)) as archive:
            if (damaged := archive.testzip()) is not None:  # PyTorch reads over a wrong checksum
                raise ValueError(f"wrong checksum of {damaged}")
        state: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except BadStudy:
        raise
    except Exception as error:  # torch and pickle fail in many ways on a broken file
        raise _unreadable(path, error) from error
    return state


def _unreadable(path: Path, error: Exception) -> BadStudy:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return BadStudy(f"{path}: cannot be read ({reason}); restore it, or start a study in another folder")


def write_text(path: Path, text: str) -> None:
    """A text file."""
    _replace(path, text.encode())


def _replace(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        replace(path, content)
    except OSError as error:
        raise BadStudy(f"{path}: cannot be written ({error.strerror}); mend that, or give another --out") from error


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """A record, indented, with a checksum as its last entry."""
    _replace(path, sealed(content))


def read_json(path: Path) -> dict[str, Any]:
    """A record.

    Raises:
        BadStudy: the file is missing or broken; by its checksum, too, where it has one.
    """
    try:
        content = unsealed(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadStudy(f"{path}: cannot be read ({error}); restore it, or start a study in another folder") from error
    if not isinstance(content, dict):
        raise BadStudy(f"{path}: not a record of hwcost; start a study in another folder")
    return content


def read_trials(folder: Path) -> pd.DataFrame:
    """The table of trials, as `hwcost sweep` wrote it.

    Raises:
        BadStudy: it is missing or broken.
    """
    path = folder / TRIALS
    rows = read_json(path).get("trials") if path.is_file() else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _numbered(row) for row in rows):
        raise BadStudy(f"{path}: no table of trials; call `hwcost sweep` again to write it")
    return pd.DataFrame(rows, columns=None if rows else ["number", "state"])


def _numbered(row: Mapping[str, object]) -> bool:
    return isinstance(row.get("number"), int) and not isinstance(row["number"], bool)


def text(row: Mapping[Any, Any], name: str) -> str | None:
    """A text that not every trial has; a gap in a table is NaN."""
    found = row.get(name)
    return found if isinstance(found, str) else None


def whole(row: Mapping[Any, Any], name: str) -> int | None:
    """A number that not every trial has; a gap in a table is NaN."""
    found = row.get(name)
    return None if found is None or found != found else int(found)


def read_measured(folder: Path) -> dict[int, dict[str, float]]:
    """Read the counts of `hwcost verify` for a study: number of a trial -> resource -> amount, over all blocks.

    Raises:
        BadStudy: a table of it is broken.
    """
    found = {}
    for path in sorted((folder / "verify").glob("trial-*/verify.csv")):
        try:
            rows = pd.read_csv(path)
            total = rows[["LUT_measured", "BRAM18_measured", "DSP_measured"]].sum(skipna=False)
            number = int(path.parent.name.removeprefix("trial-"))
        except (OSError, ValueError, KeyError) as error:
            raise BadStudy(f"{path}: cannot be read ({error}); call `hwcost verify` again, or remove it") from error
        found[number] = {str(name).removesuffix("_measured"): float(amount) for name, amount in total.items()}
    return found


def read_run(folder: Path) -> RunRecord:
    """Read how a study was made.

    Raises:
        BadStudy: there is no study, or its record is broken.
    """
    if not (folder / "run.json").is_file():
        raise BadStudy(f"{folder}: no study there (no run.json); name a folder that `hwcost sweep` wrote")
    return cast(RunRecord, read_json(folder / "run.json"))  # `read_study` checks it


def read_settings(folder: Path, **given: str | int | None) -> Settings:
    """Read the settings that a study was made with, for a further call on it.

    Args:
        folder: of the study; it becomes `out`, wherever the study was made.
        given: flag -> value that replaces the recorded one, in the spelling of `Settings.to_dict`; None keeps it.

    Raises:
        BadStudy: there is no study, or its record is broken.
    """
    record = dict(read_run(folder))
    kept = {name: value for name, value in given.items() if value is not None}
    try:
        device: Mapping[str, Any] = record["device"]  # type: ignore[assignment] # of a checked form only after this
        resolved = {"device": device["name"]}
        recorded = record["settings"] if "settings" in record else _first_settings(record)
        settings = Settings.from_dict({**resolved, **dict(recorded), **kept, "out": str(folder)})  # type: ignore[call-overload]
    except (BadOption, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadStudy(
            f"{folder}: its record lacks or garbles {error}; call `hwcost sweep` again to write it"
        ) from error
    return settings


def _first_settings(record: Mapping[str, Any]) -> dict[str, object]:
    """Settings in the record of a study from before they had an entry of their own."""
    bits, limits = record.get("bits"), record.get("limits") or {}
    return {
        "recipe": record["recipe"],
        "seed": record["seed"],
        "sampler": record["sampler"],
        "bits": "{}:{}".format(*bits) if bits else None,
        "warm": record.get("warm"),
        "ramp": record.get("ramp"),
        "limit": [f"{name}={most!r}" for name, most in limits.items()] or None,
        "clock": record["device"]["clock_mhz"],
        "fps": record.get("fps", record["target_fps"]),  # None where the recipe, or the trial, chose it
        "accelerator": record.get("accelerator"),
    }
