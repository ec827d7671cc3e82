"""Makes the pictures in this folder: of ``report.html``, ``fleet.html`` and the pages inside Airflow, for stand-in fleets.

    python -m docs.images.make [FOLDER]

Needs ``chromium`` and ``pngquant`` (Debian: ``apt-get install chromium pngquant``), and Playwright for those of a running
Airflow. FOLDER keeps the report as well.
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

#: Of the report on many accounts, likewise.
FLEETS = (("fleet-report", 1000, 1180, 1, "light"),)
#: What the accounts of its agency are called, and how many assistants each has.
AGENCY = {
    **{"bright-dental": 62, "harbour-clinic": 18, "nordwind-energie": 240, "casa-verde": 31, "city-cabs": 12},
    **{"lumen-legal": 9, "alpenblick-hotels": 75, "metro-gyms": 44, "oak-insurance": 120, "delta-couriers": 27},
}

#: Of a running Airflow: a connection's form, and the graph of a run.
RUNNING = ("airflow-connection", "airflow-graph")


def main() -> None:
    """Make the report and the pages, then their pictures; and those of a running Airflow."""
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
        fleet_report = make_fleet_report(folder / "agency", kept / "fleet.html")
        for picture, width, height, scale, colours in FLEETS:
            target = HERE / f"{picture}.png"
            photograph(fleet_report, target, width=width, height=height, scale=scale, dark=colours == "dark")
        bodies = make_pages(folder / "days")
        for picture, width, height, scale, colours in PAGES:
            page = folder / f"{picture}.html"
            page.write_bytes(bodies[picture])
            target = HERE / f"{picture}.png"
            photograph(page, target, width=width, height=height, scale=scale, dark=colours == "dark")
        from docs.images import in_airflow  # after Airflow's home was set

        form, graph = (HERE / f"{picture}.png" for picture in RUNNING)
        in_airflow.photograph(folder / "running", form, graph, edit)
        for target in (form, graph):
            compress(target)


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
    # As most people have it, rather than a folder of this machine.
    seen = AccountAt(Destination(1, "s3://aws_fleet@bucket/puretalk", "aws_fleet"), at.account)
    timeline = pages.timeline("", seen, fleet.timeline(at, until))
    assistant = pages.assistant("", seen, fleet.assistant(at, until, ids[0], None))
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


def make_fleet_report(destination: Path, target: Path) -> Path:
    """Take and compare snapshots of an agency's accounts, of which two fail, and report on them all."""
    import logging

    from airflow_provider_puretalk import exceptions, sandbox, snapshots
    from airflow_provider_puretalk.fleet import AccountOutcome, Failure, next_step
    from airflow_provider_puretalk.fleet.publishing import publish
    from airflow_provider_puretalk.fleet.report import assemble
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.snapshots.report import publishing
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from airflow_provider_puretalk.take_snapshot import take_snapshot

    destination.mkdir()
    storage = Storage(str(destination))
    now = datetime.now(UTC)
    failing = {
        "city-cabs": exceptions.PuretalkAuthError("The key was refused."),
        "oak-insurance": exceptions.PuretalkRateLimitError("The API throttles."),
    }
    outcomes = []
    for seed, (account, count) in enumerate(AGENCY.items()):
        error, results = failing.get(account), []
        records = sandbox.make_fleet(count, seed=seed)
        for place, record in enumerate(records):
            if record["phone_number"]:  # Stand-ins of two accounts would have the same ones.
                record["phone_number"] = f"+4930{seed:03}{place:04}"
        with sandbox.running(records=records) as box:
            connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}
            os.environ["AIRFLOW_CONN_ONE_OF_MANY"] = json.dumps(connection | {"extra": {"account": account}})
            for ago in (1, 0) if error is None else (2 + seed,):
                name = (now - timedelta(days=ago)).strftime("%Y%m%dT000000Z")
                results.append(take_snapshot(PuretalkHook("one_of_many"), storage, snapshot=name).to_dict())
                path = Path(results[-1]["manifest_path"])
                dated = dict.fromkeys(("started_at", "finished_at"), (now - timedelta(days=ago, minutes=9)).isoformat())
                path.write_text(json.dumps(json.loads(path.read_text()) | dated))
                if len(results) == 1:
                    if count > 50:
                        edit(box.fleet)
                    if seed % 4 == 1:
                        box.fleet.change(box.fleet.ids()[-1], {"phone_number": "+49 30 5550147"})
        comparison = None
        if error is None:
            with snapshots.compare(*(one["manifest_path"] for one in results)) as compared:
                comparison = compared.to_dict() | {"report_path": publishing.publish(storage, compared).report}
        failure = None if error is None else Failure("snapshot", type(error).__name__, str(error), next_step(error))
        snapshot = results[-1] if error is None else None
        outcomes.append(AccountOutcome(f"puretalk_{seed:03}", account, snapshot, comparison, None, None, failure))
    report = assemble(
        storage,
        outcomes,
        fleet="agency",
        run=("agency", now.strftime("scheduled__%Y-%m-%dT00:00:00+00:00")),
        reported_at=now,
        names_of_assistants=False,
        log=logging.getLogger(__name__),
    )
    target.write_bytes(Path(publish(storage, report, f"{now:%Y%m%dT000000Z}~0123abcd", keep=1).report).read_bytes())
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
    compress(target)


def compress(target: Path) -> None:
    """Make a picture's file small, and say how small."""
    subprocess.run(["pngquant", "--force", "--strip", "--speed=1", "--ext=.png", "64", target], check=True)
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
