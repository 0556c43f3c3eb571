# Each target is enough on a machine with Python (3.10 to 3.13) and make: it makes .venv and installs what it needs.
# With busy neighbours, threads that spin while they wait make everything slow.
export OMP_WAIT_POLICY ?= passive
RUN = .venv/bin
# Two workers with one computing thread each: on two cores more would stand in each other's way. `make test ARGS='-k splits'` selects.
TEST = python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 16

demo: .venv/.base  ## train, evaluate and predict on phantoms; DATA=folder (and CLASSES=a,b,c) for your own images
	$(RUN)/blood-cells demo $(if $(DATA),--data "$(DATA)") $(if $(CLASSES),--classes "$(CLASSES)") --out "$(or $(OUT),out)"

test: .venv/.dev  ## every notebook and every test; ends with the count
	$(RUN)/$(TEST)

test-fast: .venv/.dev  ## what is known to take less than 2.5 seconds: under two minutes
	$(RUN)/$(TEST) --fast

test-newest:  ## the same with the newest of everything, in .venv-newest
	sh tools/install.sh newest
	.venv-newest/bin/$(TEST)

test-floors:  ## the same with the oldest that settings.ini allows, on Python 3.10, in .venv-floors
	sh tools/install.sh floors
	.venv-floors/bin/$(TEST)

test test-fast test-newest test-floors: export OMP_NUM_THREADS ?= 1
test test-fast test-newest test-floors: export MPLBACKEND = agg
test test-fast test-newest test-floors: export TF_CPP_MIN_LOG_LEVEL = 2
# glibc keeps the memory of large arrays for the next ones, instead of fetching it from the system each time.
test test-fast test-newest test-floors test-seeds: export MALLOC_MMAP_THRESHOLD_ ?= 268435456
test test-fast test-newest test-floors test-seeds: export MALLOC_TRIM_THRESHOLD_ ?= 268435456

update:  ## renew the locks in requirements/
	sh tools/update.sh

test-seeds: .venv/.dev  ## what depends on a seed, under twenty of them (hours; interrupt it and go on): tests/seeds.log and tests/margins.csv
	nice -n 10 $(RUN)/python tools/seeds.py
	$(RUN)/python tools/seeds.py --margins

mutants: .venv/.dev  ## do the tests notice mistakes? (an hour; interrupt it and go on): tests/mutants.csv
	nice -n 10 $(RUN)/python tools/mutants.py

kills: .venv/.dev  ## is anything lost where a process is killed? (an hour; interrupt it and go on): tests/kills.csv
	nice -n 10 $(RUN)/python tools/kills.py

long-runs: .venv/.dev  ## does the memory of 100,000 images or 50 epochs grow? (ten minutes): tests/long_runs.csv
	$(RUN)/python tools/long_runs.py

benchmark: .venv/.dev  ## prediction and training beside Keras, timm, fastai and torchvision, on drawn images (twenty minutes): out/benchmark
	$(RUN)/python benchmarks/everything.py $(ARGS)

sbom:  ## the list of all packages in the lock, for scanners, as CycloneDX: out/sbom.json (needs uv)
	mkdir -p out
	uvx --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements/base.txt --output-reproducible --of JSON -o out/sbom.json

check: .venv/.dev  ## are modules, notebooks and README in step? and ruff and mypy
	sh tools/check.sh

docs: .venv/.dev  ## the documentation site in _docs/, with the outputs that are committed
	$(RUN)/python tools/docs.py

render: .venv/.dev  ## run the notebooks and keep the outputs that are committed; ARGS='tutorials/*' selects
	$(RUN)/python tools/render.py $(ARGS)

lab: .venv/.dev  ## JupyterLab on the lessons
	$(RUN)/jupyter lab nbs/tutorials

export: .venv/.dev  ## notebooks to modules, clean notebooks, README
	$(RUN)/nbdev_export
	$(RUN)/nbdev_clean
	$(RUN)/python tools/readme.py

hooks: .venv/.dev  ## nbdev's git hooks: clean notebooks before they are committed
	$(RUN)/nbdev_install_hooks

clean:  ## remove what was built (not the environments)
	rm -rf out runs build dist _proc _docs .pytest_cache .mypy_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

.venv/.base: settings.ini setup.py requirements/base.txt requirements/offline.txt
	sh tools/install.sh base
	touch $@

.venv/.dev: settings.ini setup.py requirements/dev.txt requirements/offline.txt
	sh tools/install.sh dev
	touch .venv/.base $@

.PHONY: help demo test test-fast test-newest test-floors test-seeds mutants kills long-runs benchmark sbom update check docs render lab export hooks clean
