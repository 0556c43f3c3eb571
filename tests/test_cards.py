"The cards of the bundles that come with the package are those that their JSON gives today, and say what the audit and corruptions found."
import re

import pytest

from blood_cell_cancer.core.io import file_sha256
from blood_cell_cancer.models.card import card_text
from blood_cell_cancer.models.facts import read_bundle
from blood_cell_cancer.models.shipped import SHIPPED, shipped_bundles


@pytest.mark.parametrize('name', shipped_bundles())
def test_a_shipped_card_is_in_step_and_complete(name):
    folder = SHIPPED/name
    facts, card = read_bundle(folder), (folder/'README.md').read_text(encoding='utf-8')
    assert card == card_text(facts)
    for file, sha256 in facts['exports'].items(): assert file_sha256(folder/file) == sha256
    assert {s['section'] for s in facts['extra']['audit']} >= {'integrity', 'duplicates', 'shortcuts', 'labels', 'balance'}
    assert 'Corrupted images (focus, stain, lamp, file): Accuracy on clean images' in card
    assert f'- Command: `python benchmarks/ship_report.py {name}' in card
    assert not re.search(r'Abstained, \d|\d%', card)
    # What makes the figures doubtful is said: the verdict, in today's words, and that patients are not known.
    v = facts['extra']['metrics']['verdict']
    assert f"## Figures\n\n{v['verdict']} {v['evidence']}\n" in card
    if 'Worse than' in v['verdict']: assert float(re.search('p = ([^ ]+)', v['evidence'])[1]) < .05
    assert 'Patients are not published with these images: those of one patient may lie on several sides.' in card
