"""Write `web/openapi.json` from the app: what the console's client types are made from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tidegauge.api.app import create_app
from tidegauge.site import init_site, load_site

TARGET = Path(__file__).parent.parent / "web" / "openapi.json"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        init_site(Path(folder), home=["192.0.2.0/24"])
        told = create_app(load_site(Path(folder))).openapi()
    TARGET.write_text(json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
