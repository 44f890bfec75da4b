"""Progress of the front: hypervolume against finished trials and against seconds."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from hwcost.report.axes import short
from hwcost.report.pareto import Floats, hypervolume
from hwcost.report.study import Study
from hwcost.report.style import ACCENT, INK, Drawing, sheet


def scaled_objectives(study: Study) -> Floats:
    """Objectives of the finished trials from 0, the worst value any of them reached, to 1, the best.

    Minimized objectives that are never negative are scaled as log(1 + value), because doubling a design matters as
    much at 500 LUTs as at 50,000; an objective that never varies is 1 throughout.

    Returns:
        (finished trials, objectives), all to be maximized.
    """
    columns = []
    for name, direction in study.objectives:
        values = study.column(name)
        if name == "accuracy" and direction == "minimize":
            values = -values
        elif direction == "minimize":
            values = -np.log1p(values) if len(values) and values.min() >= 0 else -values
        span = float(np.ptp(values)) if len(values) else 0.0
        columns.append((values - values.min()) / span if span > 0 else np.ones_like(values))
    return np.column_stack(columns)


def hypervolume_course(study: Study) -> Floats:
    """Normalised hypervolume after each finished trial, in order of trial number; 1 is a point best in everything."""
    points = scaled_objectives(study)
    course: list[float] = []
    for count in range(1, len(points) + 1):
        newest, earlier = points[count - 1], points[: count - 1]
        beaten = bool((earlier >= newest).all(axis=1).any())
        if beaten:  # a point that another one covers adds no volume
            course.append(course[-1])
            continue
        reference, ways = np.zeros(points.shape[1]), ["maximize"] * points.shape[1]
        course.append(hypervolume(points[:count], reference, ways))
    return np.array(course)


def progress_figures(study: Study) -> list[Drawing]:
    """Hypervolume against finished trials, and against seconds of work where every trial has its seconds."""
    course = hypervolume_course(study)
    if len(course) < 2:
        return []
    courses = [("trials", "finished trials", np.arange(1, len(course) + 1).astype(float))]
    seconds = study.column("seconds")
    if np.isfinite(seconds).all():
        unit, name = (60.0, "minutes") if seconds.sum() > 600 else (1.0, "seconds")
        courses.append(("seconds", f"{name} of training, summed over trials", np.cumsum(seconds) / unit))
    drawings = []
    for name, label, xs in courses:
        figure, axes = sheet(4.4, 2.4)
        axes.step(xs, course, where="post", color=ACCENT, lw=1.3)
        axes.set_xlabel(label)
        axes.set_ylabel("hypervolume")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=name == "trials"))
        axes.set_xlim(0, 1.1 * xs[-1])
        axes.set_ylim(0, 1.12 * course[-1] if course[-1] > 0 else 1)
        axes.annotate(f"{course[-1]:.3f}", (xs[-1], course[-1]), (0, 4), textcoords="offset points", ha="center",
                      fontsize=8, color=INK)  # fmt: skip
        half = int(np.argmax(course >= 0.95 * course[-1]))
        summary = (
            f"Normalised hypervolume rises to {course[-1]:.3f} over {len(course)} finished trials; 95 % of that was "
            f"reached after {short(float(xs[half]))} {label}."
        )
        drawings.append(Drawing(name=f"hypervolume-{name}", figure=figure, alternative=summary))
    return drawings
