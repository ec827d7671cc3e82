"""Makes the pictures in this folder: of ``report.html`` and of the pages inside Airflow, for a stand-in fleet.

    python -m docs.images.make [FOLDER]

Needs ``chromium`` and ``pngquant`` (Debian: ``apt-get install chromium pngquant``). FOLDER keeps the report as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

#: Name, the part that is shown (all of it where empty), width and height in CSS pixels, pixels of the device to one of
#: them, colours.
PICTURES = (
    ("report-desktop", "", 1280, 1480, 1, "light"),
    ("report-changes", "#assistant-5", 1000, 745, 1, "light"),
    ("report-phone", "#assistant-2, #assistant-3", 390, 830, 1.5, "dark"),
)

#: Of the pages inside Airflow, without Airflow around them: name, width and height, pixels of the device, colours.
PAGES = (("fleet-timeline", 1280, 860, 1, "light"), ("fleet-assistant", 390, 830, 1.5, "dark"))


def main() -> None:
    """Make the report and the pages, then their pictures."""
    with tempfile.TemporaryDirectory(prefix="puretalk-pictures-") as name:
        folder = Path(name)
        os.environ |= {"AIRFLOW_HOME": str(folder / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        kept = Path(sys.argv[1]) if sys.argv[1:] else folder
        report = make_report(folder, kept / "report.html")
        for picture, part, width, height, scale, colours in PICTURES:
            target = HERE / f"{picture}.png"
            page = folder / f"{picture}.html"
            page.write_text(only(report.read_text(encoding="utf-8"), part), encoding="utf-8")
            photograph(page, target, width=width, height=height, scale=scale, dark=colours == "dark")
        bodies = make_pages(folder / "days")
        for picture, width, height, scale, colours in PAGES:
            page = folder / f"{picture}.html"
            page.write_bytes(bodies[picture])
            target = HERE / f"{picture}.png"
            photograph(page, target, width=width, height=height, scale=scale, dark=colours == "dark")


def make_pages(destination: Path) -> dict[str, bytes]:
    """Keep a month of a fleet that is edited now and then, but for a weekend, and render pages of it."""
    import random
    import time

    from airflow_provider_puretalk import history, sandbox
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from airflow_provider_puretalk.take_snapshot import take_snapshot
    from airflow_provider_puretalk.ui import fleet, pages
    from airflow_provider_puretalk.ui.destinations import AccountAt, Destination

    destination.mkdir()
    chance = random.Random(4)
    first = datetime(2026, 11, 1, tzinfo=UTC)
    with sandbox.running(assistants=60, seed=7) as box:
        connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}
        os.environ["AIRFLOW_CONN_VOICE_FLEET"] = json.dumps(connection)
        ids = box.fleet.ids()
        for day in [*range(7), *range(9, 28)]:
            moment = first + timedelta(days=day)
            name = moment.strftime("%Y%m%dT%H%M%SZ")
            taken = take_snapshot(PuretalkHook("voice_fleet"), Storage(str(destination)), snapshot=name).to_dict()
            path = Path(taken["manifest_path"])
            dated = dict.fromkeys(("started_at", "finished_at"), moment.isoformat())
            path.write_text(json.dumps(json.loads(path.read_text()) | dated))
            for one in chance.choices(ids, k=chance.randint(0, 4)):
                record = box.fleet.get(one)
                changes: tuple[dict[str, Any], ...] = (
                    {"prompt": record["prompt"] + f"\n- Rule {day + 1}: be brief."},
                    {"phone_number": f"+1415555{chance.randint(1000, 9999)}"},
                    {"call_recording_enabled": not record["call_recording_enabled"]},
                    {"voice": {**record["voice"], "language": "en-GB"}},
                )
                box.fleet.change(one, chance.choice(changes))
            if day % 9 == 5:
                box.fleet.change(ids[0], {"prompt": f"# Role\nYou answer calls.\n\n# Rules\nNo {day}.\nBe kind."})
        history.update(str(destination), "voice_fleet", keep="forever")
    at, until = AccountAt(Destination(1, str(destination), None), "voice_fleet"), time.monotonic() + 60
    timeline = pages.timeline("", at, fleet.timeline(at, until))
    assistant = pages.assistant("", at, fleet.assistant(at, until, ids[0], None))
    return {"fleet-timeline": bytes(timeline.body), "fleet-assistant": bytes(assistant.body)}


def make_report(folder: Path, target: Path) -> Path:
    """Take a snapshot of a fleet of 60, edit it as a busy week would, take another one and compare the two."""
    from airflow_provider_puretalk import sandbox, snapshots
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.snapshots.report import write_report
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from airflow_provider_puretalk.take_snapshot import take_snapshot

    destination = folder / "snapshots"
    destination.mkdir()
    paths = []
    with sandbox.running(assistants=60, seed=7) as box:
        connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}
        os.environ["AIRFLOW_CONN_VOICE_FLEET"] = json.dumps(connection)
        for snapshot in ("20261117T000000Z", "20261124T000000Z"):
            taken = take_snapshot(PuretalkHook("voice_fleet"), Storage(str(destination)), snapshot=snapshot)
            paths.append(taken.to_dict()["manifest_path"])
            if len(paths) == 1:
                edit(box.fleet)
    with snapshots.compare(*paths) as comparison:
        write_report(comparison, target)
    return target


def edit(fleet: object) -> None:
    """Change a fleet as people do in a week."""
    from airflow_provider_puretalk.sandbox import FleetStore

    assert isinstance(fleet, FleetStore)
    first, second, third, fourth, fifth, *_ = ids = fleet.ids()
    prompt = fleet.get(first)["prompt"]
    fleet.change(
        first,
        {
            "prompt": prompt.replace("You speak", "You are patient and friendly. You speak").replace("never", "do not"),
            "begin_message": "Hello! This call may be recorded. How can I help you today?",
            "call_recording_enabled": not fleet.get(first)["call_recording_enabled"],
        },
    )
    section = fleet.get(second)["prompt"].split("\n\n")[1]
    fleet.change(
        second, {"prompt": f"{fleet.get(second)['prompt']}\n{section}\n- Always offer a second appointment.\n"}
    )
    fleet.change(third, {"voice": {"name": "Marlene", "language": "de-DE"}, "voice_speed": 1.15})
    shared = next(one["phone_number"] for one in fleet if one["phone_number"] and one["assistant_id"] != fourth)
    fleet.change(fourth, {"phone_number": shared, "timezone": "UTC"})
    fleet.change(fifth, {"tools": json.dumps([{"name": "book", "headers": {"X-Api-Key": "9f3kL2mQ8vXz41TbRw7Y"}}])})
    for one in ids[10:]:
        if fleet.get(one)["model"] == "gpt-4o-mini":  # The vendor retires it.
            fleet.change(one, {"model": "gpt-5-mini"})
    for one in ids[40:42]:
        fleet.remove(one)
    fleet.add({"name": "Harbour Dental - Reception", "voice": {"language": "en-GB"}})
    copied = fleet.get(ids[50])
    fleet.add({**copied, "name": f"{copied['name']} (copy)", "assistant_id": "5f0c7f2e-0c1d-4f63-9a51-6a5d5b0c7e11"})


def only(page: str, part: str) -> str:
    """Return a page with nothing but a part of its changed assistants shown: browsers do not scroll for pictures."""
    hidden = f"header, footer, .hint, section:not([aria-labelledby=changed]), .card:not({part}) {{ display: none }}"
    return page.replace("</style>", f"{hidden} h2 {{ margin-top: 0 }}</style>", 1) if part else page


def photograph(page: Path, target: Path, *, width: int, height: int, scale: float = 1, dark: bool = False) -> None:
    """Take a picture of a page as a browser window of this size shows it."""
    with tempfile.TemporaryDirectory(prefix="puretalk-browser-") as profile:
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--force-device-scale-factor={scale}",
                *(["--blink-settings=preferredColorScheme=0"] if dark else []),
                f"--screenshot={target}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    subprocess.run(["pngquant", "--force", "--strip", "--speed=1", "--ext=.png", "64", target], check=True)
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
