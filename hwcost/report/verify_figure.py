"""Estimated against measured LUTs of every layer of one network."""

import pandas as pd

from hwcost.report.style import ACCENT, MUTED, SERIES, Drawing, house_style, picture, sheet


def verify_picture(layers: pd.DataFrame, name: str) -> bytes:
    """PNG with two bars per layer and the residual next to them.

    Args:
        layers: layer, LUT and LUT_measured, in the order of the stream.
        name: of the network.
    """
    with house_style():
        figure, axes = sheet(6.4, 0.9 + 0.42 * len(layers))
        places = range(len(layers))
        for shift, column, color, label in (
            (-0.18, "LUT", ACCENT, "estimated"),
            (0.18, "LUT_measured", SERIES[6], "synthesized"),
        ):
            axes.barh([place + shift for place in places], layers[column], height=0.34, color=color, label=label)
        for place, (_, row) in zip(places, layers.iterrows(), strict=True):
            if row["LUT_measured"]:
                text = f" {row['LUT'] / row['LUT_measured'] - 1:+.0%}"
                axes.text(max(row["LUT"], row["LUT_measured"]), place, text, va="center", color=MUTED)
        total, measured = layers["LUT"].sum(), layers["LUT_measured"].sum()
        axes.set_yticks(list(places), list(layers["layer"]))
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("LUT")
        axes.legend(frameon=False, loc="lower right")
        share = f", {total / measured - 1:+.1%}" if measured else ""
        axes.set_title(f"{name}: {total:,.0f} LUT estimated, {measured:,.0f} synthesized{share}")
        return picture(Drawing(name="verify", figure=figure, alternative=name), "png")
