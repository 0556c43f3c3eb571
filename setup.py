"Installs the package that `settings.ini` describes: nbdev reads the same file, so each fact stands once."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=['='])
parser.read(here/'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
lib = cfg['lib_name']
extras = {k.removesuffix('_requirements'): v.split() for k, v in cfg.items() if k.endswith('_requirements')}
# The tests run all of it; the packages of `offline` are installed without what they require (tools/install.sh).
extras['dev'] += [r for name, needs in extras.items() if name not in ('dev', 'offline') for r in needs]

setup(
    name=lib, version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'].split(),
    long_description=(here/'README.md').read_text(encoding='utf-8') if (here/'README.md').exists() else '',
    long_description_content_type='text/markdown',
    license='MIT', url=cfg['git_url'], author=cfg['author'], author_email=cfg['author_email'],
    # The manifests live in `data/`, where people look for them, and are installed as a package of data.
    packages=find_packages(include=[lib, f'{lib}.*']) + [f'{lib}.manifests'],
    package_dir={lib: lib, f'{lib}.manifests': 'data'},
    package_data={f'{lib}.manifests': ['*.csv'], lib: ['py.typed', 'app/*.*', 'app/voila/templates/*/*', 'bundles/*/*', 'use/browser/*']},
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg['requirements'].split(), extras_require=extras,
    entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f'{lib}={lib}._modidx:d']},
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research',
                 'Programming Language :: Python :: 3', 'License :: OSI Approved :: MIT License'],
)
