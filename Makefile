# `make demo` and `make test` set up everything they need from a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian's packages, each with a program by which it is known to be here.
DEBIAN := chromium:chromium fonts-noto-cjk:/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc minisign:minisign nfdump:nfdump softflowd:softflowd pmacct:pmacctd snmpd:snmpd postgresql:pg_ctlcluster dovecot-imapd:dovecot spamassassin:spamassassin tesseract-ocr:tesseract
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --require-hashes --no-deps
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

.PHONY: demo test quick check web-check console bench bench-atlas bench-hunting bench-leaks bench-lures bench-collector bench-service bench-console bench-calibration debian lock clean

# What the demonstration shows: flows, questions, hunts and the service with its console.
$(VENV)/.ready: pyproject.toml requirements/service.txt
	$(PYTHON) -m venv $(VENV)
	$(LOCKED) -r requirements/service.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.txt
	$(LOCKED) -r requirements/dev.txt
	touch $@

# After a change of the packages in pyproject.toml; `make lock UPGRADE=--upgrade` takes newer ones.
lock: $(VENV)/.ready
	$(PIP) uv
	$(LOCK) --group bench -o requirements/bench.txt --extra all
	$(LOCK) --group dev -o requirements/dev.txt --extra all -c requirements/bench.txt
	$(LOCK) --group build -o requirements/all.txt --extra all -c requirements/bench.txt
	$(LOCK) --group build -o requirements/service.txt --extra service -c requirements/bench.txt

demo: $(VENV)/.ready
	$(BIN)/tidegauge demo

debian:
	@for wanted in $(DEBIAN); do package=$${wanted%%:*}; \
	  if ! PATH="$$PATH:/usr/sbin" command -v $${wanted##*:} >/dev/null && ! test -e $${wanted##*:}; then \
	    if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq $$package >/dev/null; \
	    else echo "$$package is missing: the tests that need it are left out"; fi; \
	  fi; \
	done

check: $(VENV)/.ready-dev web-check
	$(BIN)/ruff check .
	$(BIN)/pip-licenses >/dev/null
	$(BIN)/mypy
	$(BIN)/lint-imports

# The console's own checks need Node 20; its bundle lies in the package, so nothing else does.
web-check:
	@if ! command -v npm >/dev/null || ! node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))'; then \
	  echo "Node 20 is missing: the console is not checked and not built anew"; \
	elif ! { test web/node_modules/.package-lock.json -nt web/package-lock.json || (cd web && npm ci --silent --no-audit --no-fund); }; then \
	  echo "the console's tools could not be installed: it is not checked and not built anew"; \
	else cd web && npm run --silent check; fi

# After a change of the API or the console's sources.
console: $(VENV)/.ready-dev
	$(BIN)/python tools/openapi.py
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent types && npm run --silent build

# What needs neither a browser nor sockets, in about a minute on two cores.
quick: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not browser and not net"

test: check debian
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=20

bench: $(VENV)/.ready-dev debian
	$(LOCKED) -r requirements/bench.txt
	$(BIN)/python benchmarks/run.py

bench-console: $(VENV)/.ready-dev debian
	$(BIN)/python -m benchmarks.console

bench-collector: $(VENV)/.ready-dev debian
	$(BIN)/python benchmarks/collector.py

# An hour and a half.
bench-service: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.rollups --work benchmarks/work/rollups > benchmarks/ROLLUPS.md
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.live planted --minutes 60 > benchmarks/work-planted.jsonl
	$(BIN)/python -m benchmarks.live quiet > benchmarks/work-quiet.jsonl
	$(BIN)/python -m benchmarks.live table benchmarks/work-planted.jsonl benchmarks/work-quiet.jsonl > benchmarks/LIVE.md
	$(BIN)/python -m benchmarks.live figure benchmarks/work-planted.jsonl > docs/explanation/images/live.svg
	rm benchmarks/work-planted.jsonl benchmarks/work-quiet.jsonl

bench-atlas: $(VENV)/.ready-dev
	$(LOCKED) -r requirements/bench.txt
	$(BIN)/python -m benchmarks.atlas

bench-hunting: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.hunting.sites --sites 200 --hosts 40 --days 2 --history 5 --seed 1 > benchmarks/work-sites.jsonl
	$(BIN)/python -m benchmarks.hunting.speed > benchmarks/work-speed.jsonl
	$(BIN)/python -m benchmarks.hunting.table benchmarks/work-sites.jsonl benchmarks/work-speed.jsonl
	rm benchmarks/work-sites.jsonl benchmarks/work-speed.jsonl

# MAILS is a folder with `phishing` and `wanted` in it; rspamd joins in where it listens.
bench-lures: $(VENV)/.ready-dev debian
	$(BIN)/python -m benchmarks.lures.compare $(MAILS) > benchmarks/LURES.md

# Half an hour; PRESIDIO is a Python with presidio-analyzer, GITLEAKS the program, FONTS are drawn and read by Tesseract.
bench-leaks: $(VENV)/.ready-dev debian
	$(LOCKED) -r requirements/bench.txt
	$(BIN)/python -m benchmarks.leaks.find > benchmarks/work-leaks.txt
	$(BIN)/python -m benchmarks.leaks.peers --presidio $(PRESIDIO) --gitleaks $(GITLEAKS) >> benchmarks/work-leaks.txt
	$(BIN)/python -m benchmarks.leaks.scanned $(FONTS) >> benchmarks/work-leaks.txt
	cat benchmarks/leaks/HEAD.md benchmarks/work-leaks.txt > benchmarks/LEAKS.md
	rm benchmarks/work-leaks.txt

# Half an hour; R's methods join in where r-cran-surveillance is installed.
bench-calibration: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.calibration.run --series 750 --seed 2031 > benchmarks/work-calibration.txt
	$(BIN)/python -m benchmarks.calibration.peers --series 60 >> benchmarks/work-calibration.txt
	if test -n "$(SERIES)"; then cat benchmarks/calibration/PUBLIC.md >> benchmarks/work-calibration.txt; for budget in 0.05 0.01; do \
	  $(BIN)/python -m benchmarks.calibration.public $(SERIES) --budget $$budget >> benchmarks/work-calibration.txt; echo >> benchmarks/work-calibration.txt; \
	done; fi
	cat benchmarks/calibration/HEAD.md benchmarks/work-calibration.txt > benchmarks/CALIBRATION.md
	rm benchmarks/work-calibration.txt

clean:
	rm -rf $(VENV) demo web/node_modules
