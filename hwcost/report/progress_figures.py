"""Progress of the front: hypervolume against finished trials."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from hwcost.report.pareto import Floats
from hwcost.report.study import Study
from hwcost.report.style import ACCENT, INK, Drawing, sheet
from hwcost.report.volume_scale import VolumeScale

MOST_VOLUMES = 128


def hypervolume_course(study: Study) -> Floats:
    """Hypervolume after each finished trial, in order of trial number; 1 is a point best in everything.

    Trials beyond the worst value that counts add nothing, as they are on no front. Where the front has changed more
    than `MOST_VOLUMES` times, it is measured after every second change, or every third, and so on, the last among them.
    """
    scale = VolumeScale.of([study])
    points = scale.scaled(study.complete)
    front, changes = points[:0], []
    for place, (newest, of_use) in enumerate(zip(points, study.complete["of_use"], strict=True)):
        if not of_use or (front >= newest).all(axis=1).any():  # a point that another one covers adds no volume
            continue
        front = np.vstack([front[~(newest >= front).all(axis=1)], newest])
        changes.append((place, front))
    course = np.zeros(len(points))
    for place, front in changes[::-1][:: -(-len(changes) // MOST_VOLUMES) or 1][::-1]:
        course[place:] = scale.volume(front)
    return course


def progress_figure(study: Study, width: float = 3.5) -> Drawing | None:
    """Hypervolume against finished trials, `width` inches wide; None with fewer than two."""
    course = hypervolume_course(study)
    if len(course) < 2:
        return None
    trials = np.arange(1, len(course) + 1)
    figure, axes = sheet(width, max(2.2, 0.5 * width))
    axes.step(trials, course, where="post", color=ACCENT, lw=1.3)
    axes.set_xlabel("finished trials")
    axes.set_ylabel("hypervolume")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlim(0, 1.1 * trials[-1])
    axes.set_ylim(0, 1.12 * course[-1] if course[-1] > 0 else 1)
    axes.annotate(
        f"{course[-1]:.3f}", (trials[-1], course[-1]), (0, 4), textcoords="offset points", ha="center", color=INK
    )
    half = int(np.argmax(course >= 0.95 * course[-1]))
    summary = (
        f"Normalised hypervolume rises to {course[-1]:.3f} over {len(course)} finished trials; 95 % of that was "
        f"reached after {trials[half]} of them."
    )
    return Drawing(name="hypervolume", figure=figure, alternative=summary)
