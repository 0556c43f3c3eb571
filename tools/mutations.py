"""Mistakes that somebody could make, for tools/mutants.py: what is wrong, the exact text of the code, and what stands there instead.

The text must occur once in the exported cells of the notebook. `tests` are tried in turn until one notices the mistake; without any it is
the notebook itself. `note` explains a mutant that survives.
"""
from typing import NamedTuple


class Mutant(NamedTuple):
    notebook: str
    why: str
    old: str
    new: str
    tests: tuple
    note: str


MUTANTS = []


def of(notebook, *mistakes, tests=None):
    "Mutants of a notebook's module: what is wrong, old, new, and perhaps a note."
    MUTANTS.extend(Mutant(notebook, *m[:3], tests or (f'nbs/{notebook}.ipynb',), *(m[3:] or [''])) for m in mistakes)


of('core/01_io',
   ('all but the first image of a file are lost', 'if (pages := _pages(img)) > 1:', 'if (pages := _pages(img)) > 99:'),
   ('a failed write leaves its temporary file', '        part.unlink(missing_ok=True)\n', ''),
   ('large images are not reduced', 'return img.reduce(k) if k > 1 else img', 'return img'),
   ('an error names the temporary file', 'e.filename = str(path) # the name', 'pass # the name'),
   ('what killed processes left stays', '> 3600: old.unlink()', '> 3600: pass'),
   ('what another process is writing is removed', '> 3600: old.unlink()', '> -1: old.unlink()'),
   ('a file is written in place', "part = path.with_name(f'.{uuid4().hex[:8]}.part{path.suffix}')", 'part = path'),
   ('a lock on a file that was removed counts', 'if os.path.samestat(os.fstat(f.fileno()), file.stat()): break', 'break'),
   ('the folder in which one works cannot be locked', 'at = Path(os.path.abspath(as_path(path, here=True)))', 'at = as_path(path, here=True)'),
   ('a file with an odd tag ends the work on all', "except Exception as e: raise ImageError(f'{path}: damaged", "except ArithmeticError as e: raise ImageError(f'{path}: damaged"),
   ('a second writer may begin', 'except Timeout: raise RuntimeError(', 'except Timeout: break; raise RuntimeError('),
   ('a formula may stand in a table', "in ('=', '+', '-', '@')", "in ('=', '+', '-')"),
   ('the checksum of the first megabyte only', 'while block := f.read(2**20): digest.update(block)', 'digest.update(f.read(2**20))'),
   ('no limit to the pixels of an image', 'if img.width*img.height > MAX_PIXELS:', 'if img.width*img.height < 0:'),
   ('16-bit grey is cut instead of scaled', '.astype(np.uint32)//257)', '.astype(np.uint32)%256)'),
   ('an image is not turned upright', '_to_rgb(_upright(img))', '_to_rgb(img)'),
   ('the last batch is lost', 'range(0, len(paths), batch)', 'range(0, len(paths) - batch + 1, batch)'),
   ('an address that lost a slash is taken for a folder here', "r'\\1://', str(what))", "r'\\1:/', str(what))"),
   ('any address is opened', "if text.partition('://')[0] not in STORES:", 'if False:'),
   ('an error of an object store gets through', "except Exception as e: raise ImageError(f'{path}: could", "except KeyError as e: raise ImageError(f'{path}: could"))
of('core/00_machine',
   ('memory is given back to the system', 'mallopt(option, ctypes.c_int(mb << 20))', 'pass'),
   ('results in another order', 'yield jobs.popleft().result()\n        while', 'yield jobs.pop().result()\n        while'))
of('models/02_nets',
   ('batch norm is folded where something else takes the output too', 'if torch.allclose(run(net), want,', 'if True or torch.allclose(run(net), want,'),
   ('batch norm behind the cut is folded', "out = getattr(net, part)(x)", "out = net(x)"))
of('core/03_tables',
   ('features that are not finite get a class', 'logits[~np.isfinite(features).all(axis=1)] = np.nan', 'pass'),
   ('a path may occur twice', "if len(twice := images.loc[images['path'].duplicated(), 'path']): raise", "if len(twice := images.loc[images['path'] == '', 'path']): raise"),
   ('classes in another order are taken for the same', 'have != tuple(classes)', 'set(have) != set(classes)'),
   ('an unreadable image gets the first class', 'np.where(np.isfinite(probs).all(axis=1), np.nan_to_num(probs).argmax(axis=1), -1)', 'np.nan_to_num(probs).argmax(axis=1)'),
   ('large logits overflow', 'np.exp(logits - np.max(logits, axis=1, keepdims=True, initial=-np.inf))', 'np.exp(logits)'),
   ('the softmax is over the images', 'e/e.sum(axis=1, keepdims=True)', 'e/e.sum(axis=0, keepdims=True)'),
   ('a class may hold the sign between classes', "if not isinstance(c, str) or '|' in c or shown(c) != c]:", 'if not isinstance(c, str)]:'),
   ('any class may be the predicted one', '(said < 0) | (p[np.arange(len(p)), said] < p.max(axis=1, initial=0) - 1e-6)', 'said < 0'),
   ('probabilities need not sum to 1', ' and np.allclose(p.sum(axis=1), 1, atol=1e-3)', ''),
   ('groups are matched by position', "group.reindex(preds['path']).to_numpy()", 'group.to_numpy()'),
   ('images without a prediction are evaluated', "d['target'].notna() & d['predicted'].notna()", "d['target'].notna()"),
   ('files in the order of the disk', 'sorted(_files_below(folder, closed := []), key=lambda p: name_below(p, folder))', 'list(_files_below(folder, closed := []))'),
   ('unreadable files are left out in silence', 'if len(bad) and not allow:', 'if len(bad) and allow:'))
of('core/04_intervals',
   ('intervals of 90 %', 'inv_cdf((1 + level)/2)', 'inv_cdf((.95 + level)/2)'),
   ('images of one patient count as independent', 'max(1., variance/alone)*', '1.*'),
   ('few groups give certainty', '*(stdtrit(m - 1, .975)/stdtrit(n - 1, .975))**2', ''),
   ('the bootstrap draws images instead of groups', "pd.factorize(np.where(alone | (names == ''), -1 - np.arange(len(own)), pd.factorize(names)[0]))[0]", 'np.arange(len(own))'),
   ('images without a group are one group', "alone | (names == '')", 'alone'),
   ('images with a missing group are one group', "alone | (names == '')", "names == ''"),
   ("the ends of Newcombe's interval are swapped", 'd - float(np.hypot(a[0] - a[1], b[2] - b[0])), d + float(np.hypot(a[2] - a[0], b[0] - b[1]))',
    'd - float(np.hypot(a[2] - a[0], b[0] - b[1])), d + float(np.hypot(a[0] - a[1], b[2] - b[0]))'),
   ('the interval of a mean does not shrink', 'np.hypot.reduce(p - low)/len(p)', 'np.hypot.reduce(p - low)'))
of('data/04_annotations',
   ('a dropped image stays in its split', "out.loc[dropped, 'split'] = 'dropped'", 'pass'),
   ('one image may be annotated twice', "if len(twice): raise ValueError(f'{twice.iloc[0]} is annotated", "if False: raise ValueError(f'{twice.iloc[0]} is annotated"),
   ('an image may be relabelled as anything', 'if r.new_label and classes is not None and r.new_label not in classes:', 'if False:'),
   ('annotations are for whatever has the name', "if len(lost := d['name'][~marked.isin(keys)]):", 'if len(lost := []):'))
of('data/00_classes',
   ('a name of a mapping that is nowhere is left alone', '    if lost: raise ValueError(f\'the mapping names', '    if False: raise ValueError(f\'the mapping names'),
   ('unreadable files are copies of each other', ".where(images['error'] == '', '')", ".where(images['error'] != 0, '')"),
   ('the last of two classes of a folder counts', 'if out.setdefault((s, f), c) != c: raise', 'if out.update({(s, f): c}): raise'))

of('data/05_splits',
   ('a laboratory to be left out is forgotten by another kind of split', "if held_out is not None and by != 'source':", 'if False:'),
   ('sizes that are no numbers are taken', 'if not (good and 1 <= len(sizes)', 'if not (1 <= len(sizes)'),
   ('the leakage check is blind to copies without a group', "pd.crosstab(_groups(images)[split.index], split)", "pd.crosstab(images['group'][split.index], split)"),
   ('the order of the rows tells the runs of file numbers', "d.sort_values(['row', 'name'])", "d.sort_values('row', kind='stable')"),
   ('runs of file numbers go through several folders', " + ':' + images['name'].str.rpartition('/')[0])", ')'),
   ('folds are taken by position', ', fold.reindex(images.index) # the rows', ', pd.Series(fold.to_numpy()[:len(images)], images.index) # the rows'),
   ('the leakage check allows a group on two sides', '(t > 0).sum(axis=1) > 1', '(t > 0).sum(axis=1) > 2'),
   ('one image too few is shared out', '[:total - out.sum()]', '[:total - out.sum() - 1]'),
   ('the split depends on the order of the rows', "d.groupby('unit')['key'].min()", "d.groupby('unit')['key'].first()"),
   ('another seed, the same split', "f'{int(seed)}:{first[u]}'", "f'0:{first[u]}'"),
   ('images without a group are one unit', "np.where((group := _groups(images)) == '', images['path'], 'group:' + group)", "images['group'].to_numpy()"),
   ('groups are split', "if by == 'image': return", "if by in ('image', 'group'): return"),
   ('duplicates stay', '        live = live & ~twice\n', ''),
   ('what a person dropped is split', 'live = ~dropped_by_hand(check_labelled(images))', 'live = pd.Series(True, index=images.index)'),
   ('blocks of one group lie on two sides', "rank.groupby(group).transform('min')", "rank.groupby(group).transform('max')"),
   ('groups are split where a laboratory is left out', "['label', 'source'], 'group'\n", "['label', 'source'], 'image'\n"),
   ('a fold validates and tests', 'fold == (i + 1) % k]', 'fold == i % k]'),
   ('a saved split may give other labels', "if len(other := images['name'][differs & ~allowed]): raise", 'if False: raise'),
   ('an image that has changed keeps its split', "if len(unknown := images['name'][~keys.isin(saved.index)]):", 'if False:'),
   ('a class may lack in validation', 'for s in SPLITS[:2]:\n', 'for s in SPLITS[:1]:\n'),
   ('leakage is allowed', 'and not allow_leakage:', 'and allow_leakage:'))
of('data/08_cache',
   ('other preprocessing, the same file', 'repr((size, *preprocess))', 'repr(size)'),
   ('a cut file stays in the cache', '.save(part)\n        part.replace(target)', '.save(target)'),
   ('what could not be written to its end stays in the cache', 'finally: part.unlink(missing_ok=True)', 'finally: pass'),
   ('two copies of a file have one path', 'if k else t for t, k', 'if k < 0 else t for t, k'),
   ('the disk may be too small', 'if need > .9*free:', 'if need < 0:'))
of('data/09_loaders',
   ('each epoch has the same order', '.default_rng([seed, epoch])', '.default_rng([seed])'),
   ('validation images are augmented', 'dl(dss.valid, None)', 'dl(dss.valid, aug)'),
   ('the last batch is always left out', 'drop_last=len(dss.train) % batch == 1', 'drop_last=True'),
   ('a last batch of one image stays', 'drop_last=len(dss.train) % batch == 1', 'drop_last=False'),
   ('fixed views are new in each epoch', 't.view = epoch % self.views if self.views else epoch', 't.view = epoch'),
   ('training images in their order', 'dl(dss.train, aug, shuffle=True, ', 'dl(dss.train, aug, shuffle=False, '),
   ('no batch is decoded ahead', 'in_order(self.do_item, samps, n, -(-2*self.bs//n))', 'map(self.do_item, samps)'))
of('models/04_facts',
   ('a damaged file is read', "if file_sha256(file) != facts[what]['sha256']:", 'if False:'),
   ('a link may point outside', 'not path.resolve().is_relative_to', 'not path.absolute().is_relative_to'),
   ('this version counts as newer', "if facts['version'] > VERSION:", "if facts['version'] >= VERSION:"),
   ('the figures of a bundle may be a number', "((facts, OPTIONAL, where), (facts['extra'], EXTRA, f'{where}, extra'))", '((facts, OPTIONAL, where),)'),
   ('weights may be NaN', "if v.dtype.kind == 'f' and not np.isfinite(v).all()]", 'if False]'),
   ('uncertainty of other classes', "(u['classes'] != facts['classes'] or len(u['thresholds']) != len(u['classes']))", "len(u['thresholds']) != len(u['classes'])"))
of('models/05_weights',
   ('tensors of another shape are taken', 'if v.shape != found[k].shape:', 'if False:'),
   ('weights of another network are taken', "if meta.get('arch', b.timm) != b.timm:", 'if False:'),
   ("a file's own build is not checked", '        check_build(kwargs)\n', ''))
of('models/07_features',
   ('a cache does not tell preprocessings of decoded files', "images.get('decoded', images['sha256'])", "images['sha256']"),
   ('a cache is filled from files that have changed', 'pixel_batches(paths[first:], size, preprocess, batch, sums[first:])', 'pixel_batches(paths[first:], size, preprocess, batch)'),
   ('the cache of other weights is used', 'h.update(k.encode() + v.detach().cpu().contiguous().numpy().tobytes())', 'h.update(k.encode())'),
   ('a cache of another shape is removed while it is mapped', '        del out # Windows removes no file that is mapped\n', ''),
   ('a damaged cache is used', 'if zlib.crc32(rows[known:done], crc) == noted: return done, noted', 'return done, noted'),
   ('a cache is noted before it is on disk', 'slice(first, first + len(pixels))', 'slice(0, len(pixels))'),
   ('what ONNX Runtime gives is not compared', 'return run if same else None', 'return run'),
   ('each epoch has the same view', 'self.cache.view(epoch % len(self.cache.numbers))', 'self.cache.view(0)'),
   ('what another process has computed is computed again', 'if self.done < (v + 1)*self.n: self.done, self.crc = _finished(self.rows, self.note, self.done, self.crc)', 'pass'))
of('data/06_augment',
   ('each image is blurred like the first', '.repeat_interleave(channels, 0)', '[:1].repeat(n*channels, 1)'),
   ('half precision blurs', 'with torch.autocast(x.device.type, enabled=False):', 'if True:'))
of('data/07_preprocess',
   ('a strip has its nucleus nowhere', 'if not weight.sum(): return None', 'if False: return None'),
   ('a pixel has no crop', 'half = max(1, int(', 'half = max(0, int('),
   ('the spread of a channel is its variance', 'np.maximum(np.sqrt(average(off*off)), np.float32(1))', 'np.maximum(average(off*off), np.float32(1))'),
   ('many bytes are summed in single precision', 'np.float32 if channel.size < _MANY else float', 'np.float32'))
of('models/09_uncertainty',
   ('images that are all right ask for certainty', ' + (log_t/PRIOR)**2/2', ''),
   ('the quantile is one rank too low', 'np.ceil((n + 1)*coverage - 1e-9)', 'np.ceil(n*coverage - 1e-9)'),
   ('the scores begin with the least likely class', 'order = np.argsort(-probs, axis=1', 'order = np.argsort(probs, axis=1'),
   ('one neighbour too far', 'len(bank) - k, axis=1)[:, len(bank) - k]', 'len(bank) - k - 1, axis=1)[:, len(bank) - k - 1]'),
   ('a score of NaN is answered', 'if ood_score <= self.limit else', 'if not ood_score > self.limit else'),
   ('the temperature multiplies', 'softmax(np.asarray(logits, float)/self.temperature)', 'softmax(np.asarray(logits, float)*self.temperature)'),
   ('the thresholds are of uncalibrated probabilities', 'softmax(logits.astype(float)/temperature), y, coverage', 'softmax(logits.astype(float)), y, coverage'),
   ('an output that is not finite fits the temperature', 'return outputs[ok], targets[ok]', 'return outputs, targets'),
   ('a missing class stands for the last one', '(targets < 0) | (targets >= outputs.shape[1])', 'targets >= outputs.shape[1]'),
   ('features that are not finite choose the limit', "finite_rows('validation images', valid, logits)", "finite_rows('validation images', logits)"),
   ('the bank depends on the order of the rows', ".sort_values('key', kind='stable')", ''),
   ('test images fill the bank', "train = readable(check_labelled(images[images['split'] == 'train']), allow=True)", "train = readable(images[images['split'] == 'test'], allow=True)"),
   ('validation images that trained a model fit its weight or uncertainty', "if found['seen']: raise ValueError(f", "if False: raise ValueError(f"),
   ('weights and uncertainty are fitted on test images', "check_labelled(images[images['split'] == 'validation']), allow=True)", "images[images['split'] == 'test'], allow=True)"),
   ('one threshold where each class was to have its own', '_quantile(own[targets == c], coverage,', '_quantile(own, coverage,'),
   ('too few images are answered', "share, method='higher'))", "share, method='lower'))"))
of('models/10_ensemble',
   ('the weights do not sum to 1', 'w = w/w.sum() #', 'pass #'),
   ('members may have their classes in another order', 'if m.classes == members[0].classes: continue', 'if set(m.classes) == set(members[0].classes): continue'),
   ('images are turned before they are cropped', 'preprocess=(*preprocess, *make_preprocess(model.recipe.preprocess), Orientation(how))',
    'preprocess=(Orientation(how), *preprocess, *make_preprocess(model.recipe.preprocess))'),
   ('every member weighs the same', 'probs = sum(w*p for w, (_, p) in zip(self.shares, seen))', 'probs = sum(p for _, p in seen)/len(seen)'))
of('models/14_bundle',
   ('the old bundle is deleted before the new one is written', '        part.mkdir()\n', '        if folder.exists(): shutil.rmtree(folder)\n        part.mkdir()\n'),
   ("files of the user's are deleted with the old bundle", "        if p.name not in OWN: os.replace(p, folder/p.name)\n", '        pass\n'),
   ('what a killed process left is deleted', 'if old.exists(): _clear(old, folder) if folder.exists() else os.replace(old, folder)', 'if old.exists(): shutil.rmtree(old)'),
   ('a folder that is no bundle is replaced', "any(there.iterdir()) and not (there/'bundle.json').exists():", 'False:'),
   ('the uncertainty is not saved', 'facts |= write_uncertainty(model.uncertainty, part)', 'facts |= {}'),
   ('the recipe may contradict the preprocessing', "if (r.size, list(r.preprocess)) != (pre['size'], pre['preprocess']):", 'if False:'),
   ('a damaged member is opened', "if file_sha256(path) != m['sha256']:", 'if False:'))
of('models/15_checkpoints',
   ('the last epoch is kept instead of the best', "if better: write_tensors(net, self.folder/'best.safetensors')", "write_tensors(net, self.folder/'best.safetensors')"),
   ('of equal epochs the last counts as best', 'valid_loss < self.best', 'valid_loss <= self.best'),
   ('training stops one epoch late', 'self.bad >= self.patience', 'self.bad > self.patience'),
   ('training goes on with NaN', 'if not np.isfinite(valid_loss):', 'if False:'),
   ('a run that was killed before the last file goes on with an older best network', "if not self.bad: write_tensors(part('net.'), best)", 'if False: pass'),
   ('a run that diverges at once has a model', 'if not self.written: raise e', 'pass'),
   ('a continued run forgets its bad epochs', "self.history, self.bad, self.best = (state[k] for k in ('history', 'bad', 'best'))",
    "self.history, _, self.best = (state[k] for k in ('history', 'bad', 'best'))"),
   ('the old checkpoint is deleted before the JSON points at the new one',
    "        write_json(dict(history=self.history, bad=self.bad, best=self.best), self.folder/'run.json')\n",
    "        (self.folder/f'last{n - 1}.safetensors').unlink(missing_ok=True)\n"
    "        write_json(dict(history=self.history, bad=self.bad, best=self.best), self.folder/'run.json')\n"))
of('models/16_training',
   ('training accepts leakage', '    check_split(images, allow_leakage)\n', ''),
   ('a run goes on under another seed', "FREE = 'epochs', 'patience'", "FREE = 'epochs', 'patience', 'seed'"),
   ("an earlier run's checkpoints are continued", "if begun and not resume: _set_aside(folder, was)", 'pass'),
   ('a run goes on from other weights', "if weights: now['starting weights'] = _digest(weights)", 'pass'),
   ('two runs write into one folder', 'with locked(place) if is_first() else nullcontext():', 'with nullcontext():'),
   ('a run leaves its feature cache in the temporary folder', "TemporaryDirectory(prefix='run-', ignore_cleanup_errors=True)", "nullcontext(__import__('tempfile').mkdtemp(prefix='run-'))"),
   ('out-of-fold predictions may be of other images', "if sorted(parts[-1]['path']) != sorted(want):", 'if False:'))
of('models/17_adapt',
   ('the card counts cells that are their own neighbours', '& (scores <= uncertainty.limit)', '& (knn_score(features, unit(features), uncertainty.k) <= uncertainty.limit)'),
   ('the folds that were asked for are told', 'folds=len(set(fold_numbers(y, groups, folds))), **how', 'folds=folds, **how'),
   ('patients count for nothing in a recall', 'clustered_share(right[m], groups[m])[1:]', "clustered_share(right[m], ['']*m.sum())[1:]"),
   ('a class of one patient is not named', 'if len(set(groups[y == i])) == 1]', 'if len(set(groups[y == i])) < 1]'),
   ('the last of two patients can choose no penalty', 'if len(set(groups)) < 2: groups = np.arange(len(y))', 'pass'),
   ('any column that begins with p_ is a probability', 'np.c_[probs_of(check_predictions(preds)), ', "np.c_[preds.filter(regex='^p_').to_numpy(float), "),
   ('images that trained a model adapt it without being asked', 'if not allow: raise SeenImagesError(', 'if False: raise SeenImagesError('),
   ('what cannot be read is left out in silence', 'if len(bad): warnings.warn(', 'if False: warnings.warn('),
   ('the cross-validation fits the images that it judges', 'w, b = fit_last_layer(x[rest], y[rest],', 'w, b = fit_last_layer(x, y,'),
   ('a patient lies in two folds', '.split(y, y, groups)', '.split(y, y, np.arange(len(y)))'),
   ('an image is its own neighbour', 'groups[:, None] == groups', 'np.zeros((len(groups),)*2, bool)'),
   ('cells of one patient set the limit for another', 'groups[:, None] == groups', 'np.eye(len(groups), dtype=bool)'),
   ('frequent classes weigh more', 'np.eye(len(weight))[y], 1/np.bincount(y)[y]', 'np.eye(len(weight))[y], np.ones(len(y))'),
   ('the penalty is not in the gradient', ' @ z + penalty*d).ravel()', ' @ z).ravel()'),
   ('a class with too few images is accepted', 'if 0 < n < LEAST}', 'if n < 0}'),
   ('the limit is that of cells that trained', 'np.quantile(scores, answered', 'np.quantile(knn_score(features, unit(features), k + 1), answered'))
of('models/00_backbones',
   ('a cut at a layer leaves its first parameter out', 'return list(names[first:])', 'return list(names[first + 1:])'))
of('models/fastai/02_learner',
   ('a palette is read as grey', '_to_rgb(_upright(o)) if', '_upright(o) if'),
   ('a model changes while its learner trains on', 'deepcopy(learn.model).eval()', 'learn.model.eval()'),
   ('the history of an earlier training stays', '[*(self.rows if self.epoch else []), ', '[*self.rows, '))
of('models/fastai/03_block',
   ('the network that is given changes', 'deepcopy(net).eval()', 'net.eval()'),
   ('what trains later is another part', 'for p, trains in asked: p.requires_grad_(trains)', 'pass'))
of('models/fastai/00_checkpoints',
   ('the training loss is a running mean of all epochs', 'if self.mean.count and len(self.recorder.log) > 1', 'if False and len(self.recorder.log) > 1'),
   ('each epoch draws the same', 'torch.manual_seed(self.seed*100_003 + epoch)', 'torch.manual_seed(self.seed*100_003)'),
   ('each epoch has the same order', "if hasattr(self.dls.train, 'set_epoch'): self.dls.train.set_epoch(epoch)", 'pass'),
   ("a continued run begins with an empty optimizer", '    _load_optimizer(learn.opt.opt, optimizer)\n', ''),
   tests=('nbs/models/fastai/00_checkpoints.ipynb', 'nbs/models/fastai/01_training.ipynb'))
of('models/fastai/01_training',
   ('training keeps the last epoch instead of the best', "learn.model.load_state_dict({k: torch.from_numpy(v) for k, v in run.read()[2].items()}, strict=True)", 'pass'),
   ('Ctrl-C counts an epoch that was not written', 'if not run.written: raise', 'pass'),
   ('a continued run trains all epochs again', 'left = 0 if run.finished else r.epochs - done', 'left = 0 if run.finished else r.epochs'),
   ('pixels are normalised in the wrong order', '(x - mean)/std', 'x/std - mean'),
   ('a step in float16 with gradients that overflowed is taken', 'if not torch.nn.utils.get_total_norm(grads).isfinite():', 'if False:'),
   ('after Ctrl-C in the network everything is computed in half precision', 'progress), learn.casting.cast: learn.fit(left)', 'progress): learn.fit(left)'),
   ('gradients in float16 stay scaled', 'for g in grads: g.div_(self.scale)', 'pass'),
   ('rows of unreadable images are left out', 'return fill_rows(pooled, ok, net.head[0].in_features), ', 'return np.concatenate(pooled), '))
of('models/keras/02_data',
   ('TensorFlow has the last word on memory', 'reuse_memory() # TensorFlow has just forbidden it', 'pass'),
   ('fixed views are new in each epoch', 'epoch % r.views if r.views else epoch', 'epoch'),
   ('a last batch of one image stays', 'last if last < 2*self.devices else last % self.devices', '0'),
   ('validation images are shuffled', 'epoch_order(range(n), r.seed, epoch) if self.aug else range(n)', 'epoch_order(range(n), r.seed, epoch)'))
of('models/keras/05_files',
   ('images of other classes are predicted', 'check_classes(images, self.classes)', 'pass'),
   ('a network that wants other images is fed squares', 'takes != [(None, *side, *side, 3)]', 'False'))
of('models/keras/06_image_model',
   ('a model changes while its network trains on', 'net=load_net_state(made.recipe, len(made.classes), net_state(made.net), {})', 'net=made.net'),
   ('each call shuffles differently', 'data.shuffle(n, seed=r.seed)', 'data.shuffle(n)'),
   ('each call draws other views', 'Dataset.random(seed=r.seed, ', 'Dataset.random('),
   ('each call drops other units', '    seed_dropout(whole, r.seed)\n', ''))
of('models/keras/04_training',
   ('the copy forgets its pixel statistics', 'set_net_state(out, net_state(net)) # set_weights', 'out.set_weights(net.get_weights()) # set_weights'),
   ('training keeps the last epoch instead of the best', "    set_net_state(net, run.read()[2])\n", ''),
   ('Ctrl-C counts an epoch that was not written', 'if not run.written: raise', 'pass'),
   ('each epoch draws the same', 'self.seed*100_003 + 1000*epoch', 'self.seed*100_003'),
   ('a continued run begins with an empty optimizer', '        v.assign(optimizer[str(i)].reshape(v.shape))\n', '        pass\n'))
of('evaluate/00_metrics',
   ('a gallery shows one class only', '(place.reindex(d.index) < n)', '(np.arange(len(d)) < n)'),
   ('the confusion matrix is transposed', '_confusion(j.targets, j.predicted, ', '_confusion(j.predicted, j.targets, '),
   ('recall and precision are swapped', 'precision=(hit, said), recall=(hit, true)', 'precision=(hit, true), recall=(hit, said)'),
   ('images of one patient are judged as independent', 'if j is None: accuracy, balanced', 'if True: accuracy, balanced'),
   ('a class that a resampling lacks drops out of the mean', 'np.where(np.isnan(drawn), f1[:, 0], drawn)', 'drawn'),
   ('the specificity counts the hits twice', 'n - true - said + hit, n - true)', 'n - true - said, n - true)'),
   ('the lowest loss comes first', "sort_values('loss', ascending=False, kind='stable')", "sort_values('loss', kind='stable')"),
   ('targets may be of other classes', 'if unknown: raise ValueError(f\'the targets', 'if False: raise ValueError(f\'the targets'))
of('evaluate/02_curves',
   ('an area of 1 is certain', 'ends = [outer(*v) for v in zip(ends, exact)]', 'pass'))
of('evaluate/03_compare',
   ('images of one patient are separate tosses of a coin', '_by_chance(np.bincount(groups, d))', '_by_chance(d)'),
   ('images are compared by position', 'b.right[at], group_codes', 'b.right, group_codes'),
   ("Holm's correction is not monotonous", 'np.maximum.accumulate(p[order]*np.arange(len(p), 0, -1))', 'p[order]*np.arange(len(p), 0, -1)'),
   ("Holm's correction is one test short", 'np.arange(len(p), 0, -1)', 'np.arange(len(p) - 1, -1, -1)'),
   ('the difference has the wrong sign', 'difference=float(d.mean())', 'difference=-float(d.mean())'),
   ('tables of other images are compared', "if odd := sorted(set(ours) ^ set(theirs)):", 'if odd := []:'))
of('evaluate/04_calibration',
   ('images of one group have an interval', 'if codes.max() > 1 else (np.nan, np.nan)', 'if True else (np.nan, np.nan)'),
   ('a perfect separation is certain', "ends = outer(bootstrap_ci(areas), grouped_area_interval(area, areas, y, codes))", 'ends = bootstrap_ci(areas)'),
   ('bins that are too high and too low cancel out', 'gap = sum(np.abs(w[:, cell == b]', 'gap = sum((w[:, cell == b]'),
   ('images of one group are taken for independent', 'bootstrap_chunks(j.groups, draws, seed)', "bootstrap_chunks(['']*len(j), draws, seed)"),
   ('images of equal score are taken one by one', 'np.r_[np.diff(score[order]) > 0, True]', 'np.ones(len(j), bool)'),
   ('the accuracy of the answers counts all images', 'clustered_share(j.right[kept], j.groups[kept])', 'clustered_share(j.right & kept, j.groups)'),
   ('patients count for nothing in the coverage of the sets', 'clustered_share(inside[m], j.groups[m])', "clustered_share(inside[m], ['']*m.sum())"),
   ('the calibration error has the percentile interval', '(2*gap[0] - high, 2*gap[0] - low)', '(low, high)'),
   ('the most uncertain images come first', "score = -j.probs.max(1) if by == 'confidence'", "score = j.probs.max(1) if by == 'confidence'"))
of('evaluate/05_external',
   ('a folder with the name of a set is that set', 'load_images(f.absolute(),', 'load_images(f,'),
   ('patients count for nothing in the recall of a class', 'clustered_share(j.right[own], j.groups[own])', "clustered_share(j.right[own], ['']*own.sum())"),
   ('images of no named laboratory are left out', "d[c].astype(object).where(d[c].notna() & (d[c] != ''), 'not known')", 'd[c]'),
   ('the name of a class is run as HTML', 'escape(self.lead())', 'self.lead()'),
   ('classes that one laboratory lacks are compared', 'a.index[here & there], []', 'a.index[here | there], []'),
   ('the drop has the wrong sign', 'difference(at_home, away), pd', 'difference(away, at_home), pd'),
   ('the best laboratory comes first', ".sort_values('recall', kind='stable', ignore_index=True)", ".sort_values('recall', ascending=False, kind='stable', ignore_index=True)"),
   ('an abstention counts as an answer', "('right', j.right, said)", "('right', j.right, slice(None))"))
of('evaluate/06_saliency',
   ('maps of one patient count as independent', "groups = (saliency.images['group'].to_numpy() if 'group' in saliency.images", "groups = (saliency.images['group'].to_numpy() if 'none' in saliency.images"),
   ('later batches are explained for the classes of the first', 'codes[done:done + len(x)]', 'codes[:len(x)]'))
of('evaluate/07_robustness',
   ('patients count for nothing', 'clustered_share(j.right, j.groups)', "clustered_share(j.right, ['']*len(j))"))
of('evaluate/10_wbcbench',
   ('one of two files of the same name is taken', 'full[i] > 1 or not full[i] and base[i] > 1]', 'full[i] > 1]'),
   ('a file in a folder goes before one of just the name', 'by_base | by_name', 'by_name | by_base'),
   ('any spelling is a class', 'sorted(set(labels) - set(CODES.values()))', '[]'))
of('evaluate/08_pages',
   ('a collapse elsewhere does not change the verdict', "if kind == 'lead' and (doubts := _doubts(r)):", "if False and (doubts := _doubts(r)):"),
   ('a difference that chance explains is a verdict', "d['p'] < .05 and ", ''))
of('use/00_export',
   ('8-bit products overflow', 'try: return opened(not exact_int8())', 'try: return opened(False)'),
   ('a network that is not the bundle\'s own is quantised', "if facts.get('exports', {}).get(source.name) != file_sha256(source):", 'if False:'),
   ('a network that differs is kept', 'if not gap <= 1e-4*max(1, np.abs(want).max()):', 'if gap < 0:'),
   ('the mean is not scaled', '-torch.tensor(mean)/torch.tensor(std)', '-torch.tensor(mean)'),
   ('the checksum of another file is noted', '[file.name] = file_sha256(file)', "[file.name] = file_sha256(bundle/'README.md')"))
of('use/app/00_widgets',
   ("what another page has annotated is overwritten", 'rest = {k: v for k, v in theirs.items() if k in mine or k not in before}', 'rest = {}'),
   ("another page's older word on an image counts", 'return rest | {k: v for k, v in mine.items() if before.get(k) != v}', 'return {k: v for k, v in mine.items() if before.get(k) != v} | rest'))
of('use/app/01_explorer',
   ('an audit in the background fills the cards anew', 'for card in self.cards.children: card.show()', 'self.draw()'),
   ('images that move up to a page are passed over', 'self.state.turn_page(0 if steps > 0 and self.left() else steps)', 'self.state.turn_page(steps)'))
of('use/app/05_classify',
   ('similar images are those of the model before', 'if of is not model or among is not known:', 'if found is None:'))
of('use/app/07_train',
   ('a training that ended counts as running', " and not (Path(self.folder)/'done.json').exists() and ", ' and '),
   ('another process with the same number counts as the training', 'return named in (', "return b'' in ("),
   ('a visitor of a server may name any file of weights', "if self.fixed\n                    else control(w.Text,", "if False\n                    else control(w.Text,"))
of('use/app/03_uploads',
   ('a long name cannot be stored', '[:200 - len(path.suffix.encode())]', ''),
   ('an upload is hidden', "re.sub('^[.]', '_', path.stem)", 'path.stem'))
of('use/01_stream',
   ('a name that is not UTF-8 is no error', 'if utf8_text(str(path)) != str(path):', 'if False:'),
   ('a table in Parquet shares its unfinished file with one in CSV', "out.with_name(f'{out.name}.part.csv')", "out.with_suffix('.part.csv')"),
   ('half a row stays in the table', "    with open(path, 'rb+') as f: f.truncate(sum(len(line) for line in f if line.endswith(b'\\n')))\n", ''),
   ('an unreadable file among others gets a class', "for v in (logits, features): v[[e != '' for e in errors]] = np.nan", "if len(made) == 1 and errors[0]: logits[:], features[:] = np.nan, np.nan"),
   ('large originals are reduced otherwise where nuclei are measured', 'if min(whole.size)//2 >= least: img = read_image(path, least)', 'pass'),
   ('what is done is predicted again', 'model.all_outputs(root/name for name in names[done:])', 'model.all_outputs(root/name for name in names)'),
   ("another model's table is continued", '''other = ' and '.join(k for k in now if was.get(k) != now[k])''', "other = ''"),
   ('a network that is not the exported one is opened', 'if known[file.name] != file_sha256(file):', 'if False:'),
   ('files that have changed are not noticed', "f'{name}\\0{s.st_size}\\0{s.st_mtime_ns}\\n'", "f'{name}\\0{s.st_size}\\n'"))
of('use/02_predict',
   ('a damaged Parquet is not named', "except ValueError as e: raise ValueError(f'{path} can\\'t be read as Parquet: {e}') from None", 'except AttributeError: pass'),
   ('a further column becomes a class', 'if (p[c].between(0, 1.001) | empty[c]).all()]', ']'),
   ('names are written as they are', '[shown(v) for v in preds[c]]', 'list(preds[c])'))
of('data/audit/00_duplicates',
   ('an image is its own duplicate', 'if i < j + s]', 'if i <= j + s]'),
   ('a change of colour hides a copy', '(v - v.mean(axis=(0, 1)) for v in', '(v for v in'),
   ('every pair with like fingerprints is a copy', 'if far <= max_distance: best', 'best'),
   ('an unlabelled image disagrees', 'return known & (', 'return ('),
   ('pairs with two labels come last', "d.assign(_same=~labels_disagree(d))", 'd.assign(_same=labels_disagree(d))'))
of('data/audit/01_overlaps',
   ('identical files are no group', "for same in (images['sha256'].where(images['error'] == '', ''), images['group']):", "for same in (images['group'],):"),
   ('earlier groups are forgotten', "for same in (images['sha256'].where(images['error'] == '', ''), images['group']):",
    "for same in (images['sha256'].where(images['error'] == '', ''),):"),
   ('unreadable files of the same bytes are one image', "images['sha256'].where(images['error'] == '', '')", "images['sha256']"),
   ('pairs that chance explains are returned', 'chance <= max_false*np.arange(1, len(pairs) + 1)', 'chance <= np.inf'),
   ('shifts in the wrong direction', 'return dx, dy, inliers(', 'return -dx, dy, inliers('),
   ('proposals of a later block are given to the first images', 'rows = [(start + k, j, dx, dy,', 'rows = [(k, j, dx, dy,'),
   ('a pair that both images propose is two', 'return rows[(np.diff(rows[:, :2], axis=0, prepend=-1) != 0).any(axis=1)]', 'return rows'))
of('data/11_image_arrays',
   ('arrays of other makers are taken', 'makers=digest_of([_about(m) for m in makers])', 'makers=0'),
   ('finished images are decoded again', 'todo = np.flatnonzero(ok & ~done)', 'todo = np.flatnonzero(ok)'),
   ('the features of other images are taken', 'if known == want | dict(sizes=sizes()):', 'if known:'),
   ('a file that was cut is taken', 'if known == want | dict(sizes=sizes()):', 'if known and known | dict(sizes=0) == want | dict(sizes=0):'),
   ('a folder with the files of others is emptied', "not (folder/MARK).exists() and not all(f.name.startswith('.') for f in folder.iterdir())", 'False'))
of('data/12_keypoints',
   ('an image proposes itself', 'like[own[rows, None] == index.image[lo:hi]] = -np.inf', 'pass'),
   ('shifts in the wrong direction', 'dx, dy = (xy[image[q], k[q]].astype(int) - index.xy[p]).T', 'dx, dy = -(xy[image[q], k[q]].astype(int) - index.xy[p]).T'),
   ('the worst proposals are kept', 'order = np.lexsort((-weight, i))', 'order = np.lexsort((weight, i))'))
of('data/audit/02_shortcuts',
   ('the forests are judged on what they were trained on', 'fit, test = (fold != i) & (fold >= 0), fold == i\n        classes', 'fit, test = fold >= 0, fold == i\n        classes'),
   ('the parts of a forest are the same trees', 'random_state=seeds).fit(x, y)', 'random_state=forest.random_state).fit(x, y)'),
   ('any advantage over the majority is a shortcut', "row['gain'] > LIMITS[cell]", "row['gain'] > 0"),
   ('a mark is where one mirror image is worse', 'accuracy - np.max([', 'accuracy - np.min(['))
of('data/audit/03_integrity',
   ('a picture that is too large counts as damaged', "re.search(r'has \\d+ megapixels|", "re.search(r'"),
   ('unusable files come last', 'd.assign(_fine=~bad)', 'd.assign(_fine=bad)'),
   ('an unreadable file is a warning', "'bad' if bad.any() else 'warning', text, order", "'warning', text, order"),
   ('a wrong suffix is not seen', "odd = [] if named in (img.format, dict(MPO='JPEG').get(img.format)) else ['wrong suffix']", 'odd = []'))
of('data/audit/04_checks',
   ('two labels for one picture are a warning', "if clash: return Section(name, 'bad',", "if clash: return Section(name, 'warning',"),
   ('a laboratory of its own for each class is not seen', ".nunique() == 1).all())", ".nunique() == 0).all())"),
   ('labels are questioned by classifiers that know them', 'fit, test = (fold != i) & (fold >= 0), (asked == i)', 'fit, test = fold >= 0, (asked == i)'),
   ('a class without images is a warning', "'bad' if (found == 0).any() else 'warning' if says", "'warning' if says"))
of('data/audit/05_page',
   ('an audit advises nothing about the worst finding', "poor = sorted((s for s in sections if s.verdict != 'good')", "poor = sorted((s for s in sections if s.verdict == 'warning')"))
of('data/audit/07_report',
   ('an audit of a part of the images counts as one of all', 'looked and lacking <= 0', 'looked'),
   ('the verdict is that of the best section', 'return max((s.verdict for s in self.sections)', 'return min((s.verdict for s in self.sections)'),
   ('images without a group leak into each other', "set(images.loc[images['split'] == 'train', 'group']) - {''}", "set(images.loc[images['split'] == 'train', 'group'])"),
   ('groups are applied to images that have changed', "    if len(unknown):\n        raise ValueError(f'{path} does not contain", "    if False:\n        raise ValueError(f'{path} does not contain"))
of('use/app/06_errors',
   ('the figures of the errors take images of a patient as independent', 'evaluable(preds := with_groups(pd.concat(parts, ignore_index=True), images))', 'evaluable(preds := pd.concat(parts, ignore_index=True))'))
