"""README's picture, from the newest run of the demo: the film's frame at the height of the wiping, above its decision.

make demo && .venv/bin/python docs/picture.py
"""

from __future__ import annotations

from pathlib import Path

import av
from PIL import Image

from saycan.trace import read_trace

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write docs/demo.png."""
    run = max((ROOT / "runs").glob("*-clean-the-counter"))
    steps = read_trace(run / "trace.jsonl").steps
    wiped = next(step for step in steps if step.skill.verb == "wipe")
    ticks = [step.ticks for step in steps]
    share = (sum(ticks[: wiped.index - 1]) + 0.6 * wiped.ticks) / sum(ticks)
    with av.open(str(run / "video.mp4")) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    frame = frames[int(share * (len(frames) - 1))]
    decision = Image.open(run / "decisions" / f"{wiped.index:02d}.png").convert("RGB")
    width = 1000
    parts = [
        part.resize((width, round(part.height * width / part.width)), Image.Resampling.LANCZOS)
        for part in (frame, decision)
    ]
    picture = Image.new("RGB", (width, sum(part.height for part in parts)), "white")
    picture.paste(parts[0], (0, 0))
    picture.paste(parts[1], (0, parts[0].height))
    picture.quantize(256, dither=Image.Dither.NONE).save(ROOT / "docs" / "demo.png", optimize=True)


if __name__ == "__main__":
    main()
