"""Store the RGB images of a data file as WebP, which makes a file that is shipped smaller.

    python tools/compact_data.py SRC OUT [--quality 0..100]

Lossless without --quality.
"""

import argparse
import io

import h5py
import numpy as np
from PIL import Image


def compact(src, out, quality):
    """Copy a data file; RGB images become zero-padded rows of bytes [N,L]."""
    options = {"lossless": True, "quality": 100} if quality is None else {"quality": quality}
    with h5py.File(src) as file, h5py.File(out, "w") as made:
        made.attrs.update(file.attrs)

        def copy(name, item):
            if not isinstance(item, h5py.Dataset):
                return
            if item.ndim < 4:
                file.copy(item, made.require_group(item.parent.name))
                return
            codes = []
            for image in item:
                content = io.BytesIO()
                Image.fromarray(image).save(content, "WEBP", method=6, **options)
                codes.append(np.frombuffer(content.getvalue(), np.uint8))
            rows = np.zeros((len(codes), max(map(len, codes))), np.uint8)
            for row, code in zip(rows, codes):
                row[: len(code)] = code
            filters = dict(compression="gzip", shuffle=True, fletcher32=True)
            coded = made.create_dataset(name, data=rows, chunks=(1, rows.shape[1]), **filters)
            coded.attrs["coding"] = "WEBP"

        file.visititems(copy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("src")
    parser.add_argument("out")
    parser.add_argument("--quality", type=int)
    given = parser.parse_args()
    compact(given.src, given.out, given.quality)
