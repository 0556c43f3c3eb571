"""Train every layer of EfficientNet-Lite0 on random views of licensed cells of three laboratories.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_full.py --work runs/1 --weights tf_efficientnet_lite0.in1k.safetensors --steps 2200

`unseen.py` trains the last layers alone, on cached activations; here nothing is frozen but the statistics of batch norm. A killed run
goes on at its last checkpoint (every 100 steps). The shipped network: differential.sh. See nbs/studies/01_unseen_laboratories.
"""
import argparse
import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from safetensors.torch import load_file

import unseen as u
import unseen_views as d

SIZE, MEAN, STD = 160, .5, .5
COLOURS = 'reinhard', 'background', 'nucleus'


def parser():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', default='runs/differential')
    a.add_argument('--weights', required=True, help='ImageNet weights of tf_efficientnet_lite0, a safetensors file')
    a.add_argument('--backbone', default='tf_efficientnet_lite0')
    a.add_argument('--size', type=int, default=SIZE, help='pixels')
    a.add_argument('--steps', type=int, default=2000)
    a.add_argument('--stop', type=int, default=0, help='step to stop at, before the plan of the learning rate ends')
    a.add_argument('--each', type=int, default=900, help='images of a class and laboratory that train')
    a.add_argument('--batch', type=int, default=32)
    a.add_argument('--lr', type=float, default=4e-4)
    a.add_argument('--without', nargs='*', default=[], help='laboratories that do not train')
    a.add_argument('--threads', type=int, default=2)
    a.add_argument('--init', default='', help='a net.pt to go on from')
    a.add_argument('--scale', type=float, default=1., help='side of the square round the cell, in sides of crop:cell')
    a.add_argument('--masked', type=float, default=0., help='share of views that show the middle of the picture alone')
    a.add_argument('--colour', default='reinhard', choices=COLOURS, help='how colours are normalised')
    a.add_argument('--unit', type=float, default=1., help='pixels that blur as one does at 160 pixels')
    a.add_argument('--keep', action='store_true', help='keep the averaged weights of each 100 steps')
    a.add_argument('--mixed', action='store_true', help='mix the styles of early layers between the pictures of a batch')
    a.add_argument('--allow', action='store_true', help="allow for the mix of classes of each picture's laboratory")
    a.add_argument('--seed', type=int, default=0)
    a.add_argument('--no-style', dest='style', action='store_false', help='no view takes the style of another laboratory')
    return a


class Views(torch.utils.data.Dataset):
    "The random view of each draw; draw `i` is a function of the seed and `i` alone."
    def __init__(self, t, train, size, draws, seed, styled=True, colour='reinhard', **how):
        self.t, self.train, self.size, self.draws, self.seed, self.styled, self.colour, self.how = t, train, size, draws, seed, styled, colour, how
        self.labs, self.y = t['lab'].to_numpy(), t['label'].to_numpy()
        weights = d.drawing_weights(self.y[train], self.labs[train])
        self.keys, self.chances = list(weights), np.array(list(weights.values()))
        self.mix = class_mixes(weights)
        self.cells = [train[(self.y[train] == c) & (self.labs[train] == l)] for c, l in self.keys]
    def __len__(self): return self.draws
    def __getitem__(self, i):
        r = np.random.default_rng([self.seed, 77, i])
        j = int(r.choice(self.cells[r.choice(len(self.keys), p=self.chances)]))
        a = self.picture(j)
        x = d.view(a, d.place(a), r, self.size, (lambda r: self.style(j, r)) if self.styled else None, colour=self.colour, **self.how)
        return torch.from_numpy(x).permute(2, 0, 1), d.CLASSES.index(self.y[j]), self.mix[self.labs[j]]
    def picture(self, j): return d.before_crop(d.pixels(self.t['path'][j]), self.colour)
    def style(self, j, r):
        b = self.picture(int(r.choice(self.train[self.labs[self.train] != self.labs[j]])))
        return d.cut_out(b, d.place(b), self.size)


def class_mixes(weights, rest=.1):
    "How often each class is drawn in each laboratory, a share `rest` of it even over all classes."
    mix = pd.Series(weights).unstack().reindex(list(d.CLASSES)).fillna(0)
    return {lab: torch.tensor((1 - rest)*(v/v.sum()).to_numpy() + rest/len(v), dtype=torch.float32) for lab, v in mix.items()}


def loss_of(logits, y, mix, allow=False, smooth=.1):
    """Cross-entropy with smoothed labels. `allow`: logits are adjusted by the mix of classes of the picture's laboratory (Menon et al. 2021), and
    labels smoothed towards that mix, so that the look of a laboratory need not be learnt to tell which classes it has."""
    if not allow: return torch.nn.functional.cross_entropy(logits, y, label_smoothing=smooth)
    to = smooth*mix + (1 - smooth)*torch.nn.functional.one_hot(y, mix.shape[1])
    return torch.nn.functional.cross_entropy(logits + mix.log(), to)


def scaled(x): return ((x.float()/255 - MEAN)/STD).contiguous(memory_format=torch.channels_last)


def new_net(backbone, weights):
    net = timm.create_model(backbone, num_classes=len(d.CLASSES))
    state = {k: v.float() for k, v in load_file(weights).items() if not k.startswith('classifier.')}
    missing = net.load_state_dict(state, strict=False)
    assert set(missing.missing_keys) == {'classifier.weight', 'classifier.bias'} and not missing.unexpected_keys, missing
    torch.nn.init.normal_(net.classifier.weight, std=.01)
    return net.to(memory_format=torch.channels_last)


def mix_styles(x, alpha=.1):
    "Means and spreads of each channel mixed with those of another picture of the batch (MixStyle, Zhou et al. 2021), for half of the batches."
    if torch.rand(()) < .5: return x
    mean, spread = x.mean((2, 3), keepdim=True).detach(), (x.var((2, 3), keepdim=True) + 1e-6).sqrt().detach()
    own, other = torch.distributions.Beta(alpha, alpha).sample((len(x), 1, 1, 1)), torch.randperm(len(x))
    return (x - mean)/spread*(own*spread + (1 - own)*spread[other]) + own*mean + (1 - own)*mean[other]


@torch.inference_mode()
def logits_of(net, pictures, batch=64):
    net.eval()
    return np.concatenate([net(scaled(pictures[i:i + batch])).numpy() for i in range(0, len(pictures), batch)])


def clean_pictures(t, rows, size, scale=1., colour='reinhard'):
    out = []
    for j in rows:
        a = d.before_crop(d.pixels(t['path'][int(j)]), colour)
        out.append(torch.from_numpy(d.clean(a, d.place(a), size, scale, colour)).permute(2, 0, 1))
    return torch.stack(out)


def train(a, t, rows, report):
    "The network with averaged weights."
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    net = new_net(a.backbone, a.weights)
    if a.init: net.load_state_dict(torch.load(a.init, weights_only=True))
    head = list(net.classifier.parameters())
    ids = set(map(id, head))
    body = [p for p in net.parameters() if id(p) not in ids]
    opt = torch.optim.AdamW([dict(params=body), dict(params=head)], lr=a.lr, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, [a.lr, 5*a.lr], total_steps=a.steps, pct_start=.15)
    mean, first, file = copy.deepcopy(net), 0, Path(a.work)/'checkpoint.pt'
    for block in net.blocks[:3] if a.mixed else (): block.register_forward_hook(lambda block, x, y: mix_styles(y))
    if file.exists():
        kept = torch.load(file, weights_only=True)
        for name, part in dict(net=net, mean=mean, opt=opt, plan=plan).items(): part.load_state_dict(kept[name])
        first = kept['step']
    data = torch.utils.data.Subset(Views(t, rows, a.size, a.steps*a.batch, a.seed, a.style, a.colour, masked=a.masked, scale=a.scale, unit=a.unit),
                                   range(first*a.batch, (a.stop or a.steps)*a.batch))
    loader = torch.utils.data.DataLoader(data, a.batch, num_workers=1, prefetch_factor=6, multiprocessing_context='fork') # joblib's own kind has no workers
    net.eval() # batch norm keeps ImageNet's statistics
    for m in net.modules():
        if isinstance(m, torch.nn.Dropout): m.train()
    total = 0
    for step, (x, y, mix) in enumerate(loader, first + 1):
        loss = loss_of(net(scaled(x)), y, mix, a.allow)
        opt.zero_grad()
        loss.backward()
        opt.step()
        plan.step()
        total += loss.item()
        decay = min(.995, (1 + step)/(10 + step))
        with torch.no_grad():
            for p, q in zip(mean.parameters(), net.parameters()): p.lerp_(q, 1 - decay)
        if step % 100 == 0:
            torch.save(dict(net=net.state_dict(), mean=mean.state_dict(), opt=opt.state_dict(), plan=plan.state_dict(), step=step), file)
            if a.keep: torch.save(mean.state_dict(), Path(a.work)/f'{step}.pt')
            report(mean, step, total/100)
            total = 0
    return mean


def main():
    a = parser().parse_args()
    Path(a.work).mkdir(parents=True, exist_ok=True)
    (Path(a.work)/'settings.json').write_text(json.dumps(vars(a), indent=1))
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    rows, judge = d.parts(t, a.each)
    rows = rows[~t['lab'][rows].isin(a.without).to_numpy()]
    J, z, t0 = t.loc[judge].reset_index(drop=True), clean_pictures(t, judge, a.size, a.scale, a.colour), time.time()
    def report(net, step, loss):
        print(f'step {step}, {time.time() - t0:.0f} s, loss {loss:.3f}', flush=True)
        if step % 200 == 0: print(u.summary(logits_of(net, z), J), flush=True)
    net = train(a, t, rows, report)
    torch.save(net.state_dict(), Path(a.work)/'net.pt')
    np.save(Path(a.work)/'logits.npy', logits_of(net, z))


if __name__ == '__main__': main()
