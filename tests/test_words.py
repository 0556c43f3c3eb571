"Benchmarks, their results, studies and cards speak the field's language, as the package does."
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What the words stand for: uncertainty, abstention, OOD score, other laboratories, duplicates, corrupted images, frozen layers.
WORDS = re.compile(r'\b(doubt|silent|silence|strangeness|strangers?|twins?|spoiled|trunks?)\b', re.I)
FILES = [ROOT/'README.md', *(p for pattern in ('benchmarks/*.py', 'benchmarks/*.sh', 'benchmarks/results/*', 'nbs/*/results/*.csv', 'nbs/studies/*.ipynb',
                                              'nbs/guides/*.ipynb', 'nbs/case_studies/*.ipynb', 'blood_cell_cancer/bundles/*/README.md')
                             for p in sorted(ROOT.glob(pattern)))]


def words(path):
    text = path.read_text(encoding='utf-8')
    if path.suffix != '.ipynb': return text
    return '\n'.join(''.join(c['source']) for c in json.loads(text)['cells'])


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_private_words(path): assert not sorted({m[0] for m in WORDS.finditer(words(path))})
