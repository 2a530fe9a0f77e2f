"""Pictures of pages, kept small in `pictures/` and compared with how the pages look now.

The fonts are the portal's own, so another machine draws nearly the same. Compared is a picture a
quarter as wide: what differs by a shade or half a pixel, as between two versions of a browser, is
not seen; what moves, goes or changes its colour is.
"""

import base64
import os
from pathlib import Path

from playwright.async_api import Page as Tab

FOLDER = Path(__file__).parent / "pictures"
#: Where a picture is put that differs from the one that is kept.
SEEN = Path(__file__).parents[2] / "var" / "pictures"
#: BROBYG_PICTURES=write keeps the pictures of this run.
WRITE = os.environ.get("BROBYG_PICTURES") == "write"
#: The share of the points that may differ.
ALLOWED = 0.001

#: Draws a picture smaller, as JPEG, and returns it with the share of its points that differ from
#: the kept one.
_COMPARE = """
async ([seen, kept, shrink]) => {
  const read = async (address) => {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    return picture;
  };
  const draw = (picture, width, height) => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, 0, 0, width, height);
    return [canvas, context.getImageData(0, 0, width, height).data];
  };
  const whole = await read('data:image/png;base64,' + seen);
  const [width, height] = [whole.width, whole.height].map((size) => Math.round(size / shrink));
  const small = draw(whole, width, height)[0].toDataURL('image/jpeg', 0.85);
  const [, words] = small.split(',');
  if (!kept) return [words, 1];
  const now = await read(small), before = await read('data:image/jpeg;base64,' + kept);
  if (before.width !== width || before.height !== height) return [words, 1];
  const [[, points], [, others]] = [now, before].map((one) => draw(one, width, height));
  let differ = 0;
  for (let at = 0; at < points.length; at += 4) {
    if ([0, 1, 2].some((part) => Math.abs(points[at + part] - others[at + part]) > 24)) differ += 1;
  }
  return [words, differ / (width * height)];
}
"""


async def difference(tab: Tab, blank: Tab, name: str) -> float:
    """The share of points by which the page differs from the picture kept of it; 1 without one.

    `blank` is an empty tab, in which the pictures are compared. Where they differ, or are to be
    written, the page's own is written.
    """
    file = FOLDER / f"{name}.jpg"
    kept = base64.b64encode(file.read_bytes()).decode() if file.exists() else ""
    seen = base64.b64encode(
        await tab.screenshot(full_page=True, animations="disabled", caret="hide")
    ).decode()
    small, share = await blank.evaluate(_COMPARE, [seen, kept, 4])
    if share > ALLOWED:
        path = (FOLDER if WRITE else SEEN) / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(small))
    return 0.0 if WRITE else float(share)
