"""A folder of image files that people really have: odd ones that must be read right, and bad ones that must be named.

python tests/bad_images.py FOLDER     # writes it, as one class `monocyte`, and lists what is wrong with each
"""
import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image

GREY = np.linspace(30, 220, 48*40).reshape(40, 48) # what every readable file shows, 48 wide and 40 high
GOOD = Image.fromarray(np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1).astype(np.uint8))


def encoded(img, kind, **kwargs):
    out = io.BytesIO()
    img.save(out, kind, **kwargs)
    return out.getvalue()


def turned(): # lies on its side, and says so
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(GOOD.rotate(90, expand=True), 'PNG', exif=exif)


def deep():
    wide = Image.fromarray((GREY*257).astype(np.uint16))
    return encoded(wide, 'PNG')


def with_alpha():
    img = GOOD.convert('RGBA')
    img.putalpha(255)
    return encoded(img, 'PNG')


def widthless(): # a TIFF whose second page says nothing of its width
    data = bytearray(encoded(GOOD, 'TIFF', save_all=True, append_images=[GOOD]))
    tag = struct.pack('<HH', 256, 4) # ImageWidth, a long
    data[data.index(tag, data.index(tag) + 1)] = 255
    return bytes(data)


def mistyped(): # turned by EXIF, beside a tag of another type than the standard gives it
    tags = struct.pack('<H', 2) + struct.pack('<HHIHH', 0x112, 3, 1, 6, 0) + struct.pack('<HHI4s', 0x11a, 2, 4, b'abc') # orientation; a resolution in letters
    return encoded(GOOD, 'JPEG', exif=b'Exif\0\0II*\0' + struct.pack('<I', 8) + tags + bytes(4))


def odd_files() -> dict:
    "Name -> bytes, and the pixels that must come of them."
    grey = np.repeat(GREY.astype(np.uint8)[..., None], 3, -1)
    rgb = np.asarray(GOOD)
    return {'plain.png': (encoded(GOOD, 'PNG'), rgb), 'on its side.png': (turned(), rgb), 'sixteen bits.png': (deep(), grey), 'alpha.png': (with_alpha(), rgb),
            'grey.png': (encoded(GOOD.convert('L'), 'PNG'), np.repeat(np.asarray(GOOD.convert('L'))[..., None], 3, -1)),
            'palette.gif': (encoded(GOOD.quantize(256), 'GIF'), np.asarray(GOOD.quantize(256).convert('RGB'))),
            'print.tif': (encoded(GOOD.convert('CMYK'), 'TIFF'), np.asarray(GOOD.convert('CMYK').convert('RGB'))),
            'CAPITALS.PNG': (encoded(GOOD.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 'PNG'), rgb[:, ::-1]),
            'жовта клітина 細胞.png': (encoded(GOOD.transpose(Image.Transpose.FLIP_TOP_BOTTOM), 'PNG'), rgb[::-1]),
            '=SUM(A1).png': (encoded(GOOD.rotate(180), 'PNG'), rgb[::-1, ::-1]),
            'one pixel.png': (encoded(Image.fromarray(rgb[:1, :1]), 'PNG'), rgb[:1, :1]),
            'strip.png': (encoded(Image.fromarray(np.tile(rgb[:, :3], (20, 1, 1))), 'PNG'), np.tile(rgb[:, :3], (20, 1, 1))), # 800 pixels high, 3 wide
            'webp named png.png': (encoded(GOOD, 'WEBP', lossless=True, exact=True), rgb)}


def bad_files() -> dict:
    "Name -> bytes, and words of the error."
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)), 'JPEG')
    png = encoded(GOOD, 'PNG')
    return {'empty.jpg': (b'', 'an empty file'), 'cut.jpg': (whole[:len(whole)//2], 'truncated'), 'text.jpg': (b'monocyte?\n', 'not an image'),
            'zeros.png': (bytes(5000), 'not an image'), 'cut.png': (png[:len(png)//2], 'truncated'), 'damaged.png': (png[:60] + bytes(20) + png[80:], ''),
            'header alone.bmp': (encoded(GOOD, 'BMP')[:54], 'truncated'), 'pages.tif': (encoded(GOOD, 'TIFF', save_all=True, append_images=[GOOD]), '2 images'),
            'huge.png': (encoded(Image.new('1', (12_000, 12_000)), 'PNG'), 'megapixels'), 'float.tif': (encoded(Image.fromarray(GREY.astype(np.float32)), 'TIFF'), '32 bits'),
            'page without width.tif': (widthless(), 'damaged'), 'letters for a number.jpg': (mistyped(), 'damaged')}


def write(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, (data, _) in (odd_files() | bad_files()).items(): (folder/name).write_bytes(data)
    (folder/'dangling.jpg').symlink_to(folder/'nowhere.jpg')
    if hasattr(os, 'mkfifo'): os.mkfifo(folder/'pipe.jpg')
    return folder


if __name__ == '__main__':
    from blood_cell_cancer.core.tables import images_below, image_table
    table = image_table(images_below(write(Path(sys.argv[1])/'monocyte')), progress=False)
    print(table[['name', 'width', 'height', 'error']].to_string())
