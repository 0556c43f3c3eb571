"""Random views of single cells, and the end of a frozen backbone trained on cached activations: what `unseen.py` is made of.

The views and the activations lie under a working folder; each step goes on with what is there. One thread is enough for all of it.
"""
import hashlib
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from blood_cell_cancer.data.preprocess import REFERENCE, Background, CropCell
from blood_cell_cancer.data.public import DIFFERENTIAL as CLASSES

NORMAL = 'lymphocyte', 'monocyte', 'seg_neutrophil', 'eosinophil' # cells of normal blood that must not be called blasts
SETS = dict(wbc5='wbc5', barcelona='barcelona', jhu='johns_hopkins', bccd='other_labs/bccd_cropped', zheng='other_labs/wbc_zheng2018')
MUNICH = 'myeloblast', 'seg_neutrophil' # the classes of wbc5 that are not Barcelona's
LUT = (-np.log((np.arange(256) + 1)/256)).astype(np.float32) # optical density of a pixel value
cv2.setNumThreads(1)


def half_of(patient:str)->str:
    "Half of the patients chooses, the other half judges."
    return 'AB'[int(hashlib.sha256(f'half {patient}'.encode()).hexdigest(), 16) % 2]


def image_table(data:Path # the folder of the sets
               )->pd.DataFrame: # path, set, lab, label, patient, half
    "Every image of the five sets, with its laboratory."
    rows = [(str(p), s, p.parent.name) for s, folder in SETS.items() for p in sorted((data/folder).glob('*/*'))]
    t = pd.DataFrame(rows, columns=['path', 'set', 'label'])
    t['label'] = t['label'].replace({'neutrophil': 'seg_neutrophil'})
    t['lab'] = np.where(t['set'] == 'wbc5', np.where(t['label'].isin(MUNICH), 'munich', 'barcelona'), t['set'])
    patients = pd.read_csv(data/'johns_hopkins.csv')
    t['patient'] = t['path'].map({str(data/SETS['jhu']/p): q for p, q in zip(patients['path'], patients['patient'])})
    t['half'] = t['patient'].map(half_of, na_action='ignore').fillna('')
    return t


def parts(t:pd.DataFrame, each:int=500, home:int=60)->tuple: # row numbers of what trains, of what judges
    "Per class and laboratory of wbc5 and barcelona: `home` images that judge, `each` others that train; bccd trains; the rest judges."
    own = t[t['set'].isin(['wbc5', 'barcelona'])]
    judge = np.sort(own.sample(frac=1, random_state=5).groupby(['lab', 'label']).head(home).index.to_numpy())
    train = own.drop(judge).sample(frac=1, random_state=6).groupby(['lab', 'label']).head(each).index.to_numpy()
    return np.sort(np.r_[train, t.index[t['set'] == 'bccd']]), np.r_[judge, t.index[t['set'].isin(['jhu', 'bccd', 'zheng'])]]


def pixels(path:str, size:int=224)->np.ndarray:
    "An image as RGB, squeezed to a square."
    img = Image.open(path).convert('RGB')
    return np.asarray(img if img.size == (size, size) else img.resize((size, size), Image.BILINEAR))


def place(a:np.ndarray, reach:float=CropCell().reach)->tuple: # x, y, side
    "Middle and side of the square that `crop:cell` cuts out."
    h, w = a.shape[:2]
    density = cv2.GaussianBlur(255 - a[..., 1], (0, 0), max(h, w)/100)
    cells = density[density > cv2.threshold(density, 0, 255, cv2.THRESH_OTSU)[0]]
    if not len(cells): return w/2, h/2, w
    mask = (density > cv2.threshold(cells[None], 0, 255, cv2.THRESH_OTSU)[0]).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    if len(stats) < 2: return w/2, h/2, w
    near = np.exp(-((centres[1:] - [w/2, h/2])**2).sum(1)/(2*(min(h, w)/5)**2))
    weight = stats[1:, 4]*near
    x, y = (centres[1:]*weight[:, None]).sum(0)/weight.sum()
    return x, y, float(np.clip(reach*np.sqrt((stats[1:, 4]*(near > .3)).sum()), min(h, w)*.3, min(h, w)))


def restain(a, gain, mean):
    "An affine map of each Lab channel, as a table look-up."
    m, d = (v[:, 0] for v in cv2.meanStdDev(a)) if mean is None else (np.array(REFERENCE[0]), np.ones(3))
    to = np.array(REFERENCE[0]) + (0 if mean is None else mean)
    return cv2.LUT(a, np.clip((np.arange(256)[:, None] - m)*gain/np.maximum(d, 1) + to, 0, 255).astype(np.uint8)[None])


def recolour(a, jitter=None, own=False):
    "Reinhard's normalisation, unless the picture keeps its `own` colours; `jitter`, gains and shifts of L, a, b, is added."
    lab = cv2.cvtColor(a, cv2.COLOR_RGB2LAB)
    if not own: lab = restain(lab, np.array(REFERENCE[1]), None)
    return cv2.cvtColor(lab if jitter is None else restain(lab, *jitter), cv2.COLOR_LAB2RGB)


def before_crop(a, colour):
    "The whole picture; for the colour 'background' its empty ground is made a neutral grey."
    return np.asarray(Background()(Image.fromarray(a))) if colour == 'background' else a


def cut_out(a, at, size=224):
    "The square around the cell, scaled to `size`."
    x, y, side = at
    k = size/side
    return cv2.warpAffine(a, np.array([[k, 0, size/2 - x*k], [0, k, size/2 - y*k]], np.float32), (size, size),
                          borderMode=cv2.BORDER_REPLICATE)


NUCLEUS = np.array([.62, 1.05, .42]) # optical densities of a nucleus in R, G, B


def by_nucleus(o):
    "The brightest common colour made white, and the optical densities of each channel scaled to those of the nucleus: other colours remain apart."
    n = len(o)
    smooth = cv2.GaussianBlur(o, (0, 0), n/100)
    white = LUT[np.quantile(smooth.reshape(-1, 3), .97, axis=0).astype(int)]
    x = np.arange(n) - n/2
    middle = smooth[x[:, None]**2 + x**2 < (.42*n)**2]
    dark = middle[middle[:, 1] <= np.quantile(middle[:, 1], .2)]
    gain = np.clip(NUCLEUS/np.maximum(LUT[dark].mean(0) - white, .05), .5, 2.5)
    return cv2.LUT(o, np.clip(245*np.exp(-np.maximum(LUT[:, None] - white, -.05)*gain), 0, 255).astype(np.uint8)[None])


def clean(a, at, size=224, scale=1., colour='reinhard'):
    "What the network sees in prediction, to within interpolation."
    x, y, side = at
    o = cut_out(a, (x, y, side*scale), size)
    return recolour(o) if colour == 'reinhard' else by_nucleus(o) if colour == 'nucleus' else o


def optics(o, r, unit=1.):
    "Another camera: coarser, out of focus, moved, or sharpening; `unit` pixels are what one pixel is in a picture of 160."
    size, u = len(o), r.uniform
    if r.random() < .35:
        q = int(size*u(.3/unit, .8))
        o = cv2.resize(cv2.resize(o, (q, q), interpolation=cv2.INTER_AREA), (size, size))
    z = r.random()
    if z < .35: return cv2.GaussianBlur(o, (0, 0), unit*u(.3, 2.5))
    if z < .5:
        n = int(unit*u(3, 11))
        kernel = np.zeros((n, n), np.float32)
        kernel[n//2] = 1/n
        kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((n/2 - .5, n/2 - .5), u(0, 180), 1), (n, n))
        return cv2.filter2D(o, -1, kernel/max(kernel.sum(), 1e-3))
    if z < .7:
        w = u(.3, 1.5)
        return cv2.addWeighted(o, 1 + w, cv2.GaussianBlur(o, (0, 0), unit*u(1, 3)), -w, 0)
    return o


def stain(o, r):
    "Another stain and lamp: optical densities mixed, bent, scaled; light uneven; noise; JPEG."
    size, u = len(o), r.uniform
    mix = np.eye(3)*(1 + u(-.4, .4, 3)) + u(-.2, .2, (3, 3))*(1 - np.eye(3))
    od = cv2.pow(np.maximum(cv2.transform(LUT[o], mix.astype(np.float32)), 0),
                 u(.8, 1.25))*np.float32(u(.7, 1.3)) + np.maximum(u(-.03, .12, 3), 0).astype(np.float32)
    o = 256*cv2.exp(-od) - 1
    if r.random() < .3:
        ramp = np.linspace(-1, 1, size, dtype=np.float32)
        o = o*(1 + ramp[None, :, None]*np.float32(u(-.15, .15)) + ramp[:, None, None]*np.float32(u(-.15, .15)))
    if r.random() < .3: o = o + r.standard_normal(o.shape, dtype=np.float32)*np.float32(u(0, 6))
    o = np.clip(o, 0, 255).astype(np.uint8)
    if r.random() < .3: o = cv2.imdecode(cv2.imencode('.jpg', o, [cv2.IMWRITE_JPEG_QUALITY, int(u(35, 90))])[1], cv2.IMREAD_COLOR)
    return o


def other_style(o, b, r, widest:float=.06):
    "Fourier domain adaptation: the low frequencies' amplitudes of `o` mixed with those of `b`, a cell of another laboratory."
    size, lam = len(o), r.uniform(.3, 1)
    n = max(1, int(size*r.uniform(.005, widest)))
    fo, fb = (np.fft.rfft2(x.astype(np.float32), axes=(0, 1)) for x in (o, b))
    amp = np.abs(fo)
    for rows in (slice(0, n + 1), slice(size - n, size)):
        k = rows, slice(0, n + 1)
        amp[k] = (1 - lam)*amp[k] + lam*np.abs(fb[k])
    return np.clip(np.fft.irfft2(amp*np.exp(1j*np.angle(fo)), s=(size, size), axes=(0, 1)), 0, 255).astype(np.uint8)


def alone(o, r):
    "The middle of the picture alone, on an even bright ground: what lies around a cell tells the laboratory."
    size = len(o)
    ground = np.quantile(o.reshape(-1, 3), r.uniform(.8, .98), axis=0) + r.normal(0, 8, 3)
    mask = np.zeros((size, size), np.float32)
    axes = tuple(int(size*v) for v in r.uniform(.36, .52, 2))
    cv2.ellipse(mask, (size//2, size//2), axes, r.uniform(0, 180), 0, 360, 1., -1)
    mask = cv2.GaussianBlur(mask, (0, 0), r.uniform(1, 6))[..., None]
    return np.clip(o*mask + ground*(1 - mask), 0, 255).astype(np.uint8)


def view(a, at, r, size=224, style=None, masked=0., scale=1., colour='reinhard', unit=1.):
    """A random view of the cell: turned, scaled, through another camera, in another stain; then Reinhard, where prediction has it.
    A share `masked` of the views shows the middle of the picture alone; `scale` narrows the square."""
    u, (x, y, s) = r.uniform, at
    s *= scale
    s *= np.exp(u(-.3, .3))
    x += u(-.06, .06)*s
    y += u(-.06, .06)*s
    t, k, f, e = u(0, 2*np.pi), size/s, 1 if r.random() < .5 else -1, np.exp(u(-.06, .06))
    A = np.array([[np.cos(t)*k*f*e, -np.sin(t)*k/e], [np.sin(t)*k*f*e, np.cos(t)*k/e]])
    border = cv2.BORDER_REFLECT_101 if r.random() < .5 else cv2.BORDER_REPLICATE
    o = cv2.warpAffine(a, np.c_[A, size/2 - A@[x, y]].astype(np.float32), (size, size), borderMode=border)
    if style is not None and r.random() < .5: o = other_style(o, style(r), r)
    o = stain(optics(o, r, unit), r)
    if masked and r.random() < masked: o = alone(o, r)
    if colour == 'nucleus': o = by_nucleus(o)
    return recolour(o, (1 + u(-.15, .15, 3), u(-1, 1, 3)*[8, 3, 3]), colour != 'reinhard')


def cached(file:Path, rows, session, make, mean, std, batch:int=32)->np.ndarray: # float16, memory-mapped
    "Outputs of a frozen network for one view of each row, computed once."
    if not file.exists():
        part, out, t0 = file.with_suffix('.part.npy'), None, time.time()
        for i in range(0, len(rows), batch):
            x = np.stack([make(int(j)) for j in rows[i:i + batch]]).transpose(0, 3, 1, 2).astype(np.float32)/255
            y = session.run(None, {'x': (x - np.float32(mean)[:, None, None])/np.float32(std)[:, None, None]})[0]
            if out is None: out = np.lib.format.open_memmap(part, 'w+', 'float16', (len(rows), *y.shape[1:]))
            out[i:i + batch] = y
        out.flush()
        os.replace(part, file)
        print(f'{file.name}: {len(rows)} views, {time.time() - t0:.0f} s', flush=True)
    return np.load(file, mmap_mode='r')


def drawing_weights(y, lab, full:int=250)->dict: # (class, laboratory) -> chance
    "Classes evenly, the laboratories of a class evenly; a laboratory with less than `full` cells of a class by the root of their share."
    n = pd.Series(list(zip(y, lab))).value_counts()
    w = np.minimum(1, n/full)**.5
    return (w/w.groupby([k[0] for k in n.index]).transform('sum')/len(set(y))).to_dict()


def fit(net, # a `CutNet` with `from_cut` set: activations at its cut to logits
        views:list, # of activations, one array a view, rows as in `y`
        y, lab, # class names and laboratories of the rows
        steps:int=600, lr:float=3e-4, batch:int=32, smooth:float=.1, seed:int=0,
        report=lambda net, step: None # called every 100 steps with the averaged network
       ): # the network with averaged weights, batch norm as it was
    "Train what lies behind the cut: classes and laboratories drawn evenly, batch norm frozen, weights averaged."
    import copy
    import torch
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    codes = torch.tensor([CLASSES.index(c) for c in y])
    weights = drawing_weights(y, lab)
    keys = list(weights)
    chances = np.array([weights[k] for k in keys])
    cells = [np.nonzero((y == c) & (lab == l))[0] for c, l in keys]
    trained = [p for p in net.parameters() if p.requires_grad]
    head = set(map(id, net.head.parameters()))
    groups = [dict(params=[p for p in trained if id(p) not in head]), dict(params=list(net.head.parameters()))]
    opt = torch.optim.AdamW(groups, lr=lr, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, [lr, 5*lr], total_steps=steps, pct_start=.2)
    mean = copy.deepcopy(net)
    net.eval()
    for step in range(steps):
        rows = [rng.choice(cells[k]) for k in rng.choice(len(keys), batch, p=chances)]
        z = np.stack([views[v][i] for v, i in zip(rng.integers(len(views), size=batch), rows)]).astype(np.float32)
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(z).contiguous(memory_format=torch.channels_last)), codes[rows],
                                                 label_smoothing=smooth)
        opt.zero_grad()
        loss.backward()
        opt.step()
        plan.step()
        decay = min(.99, (1 + step)/(10 + step))
        with torch.no_grad():
            for p, q in zip(mean.parameters(), net.parameters()): p.lerp_(q, 1 - decay)
        if step % 100 == 99: report(mean, step + 1)
    return mean
