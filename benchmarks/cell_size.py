"""How large a white cell is, in diameters of the red cells around it, and a few other measures of its nucleus; on one image.

Red cells are about 7 micrometres in every laboratory, so they tell the scale that a crop takes away. Used by `unseen_size.py`.
"""
import cv2
import numpy as np

from blood_cell_cancer.data.preprocess import green_density, nucleus_mask

MEASURES = 'red', 'reds', 'nucleus', 'cell', 'solidity', 'lobes', 'density', 'rough', 'blue'
DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


def middle_nucleus(a, density):
    "The lobes near the middle as one mask, and every nucleus. Nuclei absorb red light too; red cells do not."
    red = cv2.GaussianBlur(255 - a[..., 0], (0, 0), len(a)/100)
    mask = nucleus_mask(density) & (red > cv2.threshold(red, 0, 255, cv2.THRESH_OTSU)[0])
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, DISC)
    n, part, stats, centres = cv2.connectedComponentsWithStats(mask)
    if n < 2: return np.zeros_like(mask), mask
    size = len(mask)
    near = np.exp(-((centres[1:] - size/2)**2).sum(1)/(2*(size/5)**2))
    best = 1 + (stats[1:, 4]*near).argmax()
    # Lobes of the same nucleus lie within a third of its width.
    reach = int(max(3, stats[best, 4]**.5/3))
    zone = cv2.dilate((part == best).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2*reach + 1, 2*reach + 1)))
    own = [i for i in range(1, n) if i == best or (zone[part == i].any() and stats[i, 4] < stats[best, 4] and near[i - 1] > .3)]
    return np.isin(part, own).astype(np.uint8), mask


def foreground(density, nuclei):
    "Whatever is no empty ground, its holes filled: red cells are pale in the middle."
    wide = cv2.dilate(nuclei, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    rest = density[wide == 0]
    if len(rest) < 100: return np.ones_like(nuclei)
    front = ((density > cv2.threshold(rest[None], 0, 255, cv2.THRESH_OTSU)[0]) | (nuclei > 0)).astype(np.uint8)
    n, part, stats, _ = cv2.connectedComponentsWithStats(1 - front, connectivity=4)
    holes = [i for i in range(1, n) if stats[i, 4] < len(front)**2/100 and stats[i, 0] > 0 and stats[i, 1] > 0
             and stats[i, 0] + stats[i, 2] < len(front) and stats[i, 1] + stats[i, 3] < len(front)]
    front[np.isin(part, holes)] = 1
    return front


def red_cells(front, nuclei):
    "Middles and radii of round discs that neither touch a nucleus nor the border."
    size = len(front)
    radius = cv2.GaussianBlur(cv2.distanceTransform(front, cv2.DIST_L2, 5), (0, 0), 1)
    away = cv2.distanceTransform(1 - nuclei, cv2.DIST_L2, 5) if nuclei.any() else np.full(front.shape, 1e3, np.float32)
    top = cv2.dilate(radius, np.ones((int(size/20) | 1,)*2, np.uint8))
    y, x = np.nonzero((radius >= top) & (radius > size/56))
    r = radius[y, x]
    inside = np.minimum.reduce([x, y, size - 1 - x, size - 1 - y]) > r
    k = inside & (away[y, x] > 1.4*r)
    return x[k], y[k], r[k]


def white_cell(front, nucleus, reds):
    "The region of the cell: nearer to the nucleus than to any red cell, and near the nucleus."
    def distance(mask): return cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    discs, near = np.zeros_like(front), distance(nucleus)
    for x, y, r in zip(*reds): cv2.circle(discs, (int(x), int(y)), max(1, int(r)), 1, -1)
    inside = (front > 0) & (near < .6*np.sqrt(nucleus.sum())) & (near < distance(discs) if discs.any() else True)
    cell = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))) | nucleus
    _, part = cv2.connectedComponents(cell)
    return np.isin(part, np.unique(part[nucleus > 0])).astype(np.uint8)


def regions(a # uint8 (224, 224, 3)
           )->tuple: # nucleus, cell, red cells' (x, y, radius), foreground
    density = green_density(a)
    nucleus, nuclei = middle_nucleus(a, density)
    front = foreground(density, nuclei)
    reds = np.array(red_cells(front, nuclei))
    # Platelets and slivers are smaller than half a nucleus.
    reds = reds[:, 2*reds[2] > np.sqrt(nucleus.sum())/2]
    return nucleus, white_cell(front, nucleus, reds) if nucleus.any() else nucleus, reds, front


def measure(a)->tuple: # values of `MEASURES`, NaN where there is nothing to measure; diameters in pixels
    "Median diameter of the red cells and their number; diameters of nucleus and cell; shape, density and texture of the nucleus."
    nucleus, cell, (x, y, r), front = regions(a)
    if len(r):
        order = np.argsort(r)
        # Each disc weighs as much as it covers, so that slivers and platelets do not count.
        red, reds = 2*r[order][np.cumsum(r[order]**2).searchsorted((r**2).sum()/2)], len(r)
    else: red, reds = np.nan, 0
    if not nucleus.any(): return red, reds, *[np.nan]*7
    contours = cv2.findContours(nucleus, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    od = -np.log((a.astype(np.float32) + 1)/256)
    od -= np.median(od[front == 0], axis=0) if (front == 0).sum() > 50 else 0
    inner = od[cv2.erode(nucleus, DISC) > 0] if cv2.erode(nucleus, DISC).any() else od[nucleus > 0]
    plasm = (cell > 0) & (cv2.dilate(nucleus, DISC) == 0)
    tone = od[plasm].mean(0) if plasm.sum() > 20 else inner.mean(0)
    return (red, reds, 2*np.sqrt(nucleus.sum()/np.pi), 2*np.sqrt(cell.sum()/np.pi), nucleus.sum()/max(hull, nucleus.sum()),
            len([c for c in contours if cv2.contourArea(c) > .05*nucleus.sum()]), inner[:, 1].mean(), inner[:, 1].std()/inner[:, 1].mean(),
            np.log(max(tone[0], .01)/max(tone[2], .01)))
