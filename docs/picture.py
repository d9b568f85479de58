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
    frame, decision = (_as_wide(part, 1000) for part in (frame, decision))
    picture = Image.new("RGB", (frame.width, frame.height + decision.height), "white")
    picture.paste(frame, (0, 0))
    picture.paste(decision, (0, frame.height))
    picture.save(ROOT / "docs" / "demo.png", optimize=True)


def _as_wide(image: Image.Image, width: int) -> Image.Image:
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
