"""A storage that fails at any request: at each in turn, once or from then on."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Bucket, make_place
from tests.s3_front import guarded_by, tried_once

pytestmark = pytest.mark.long

NAMES = ["20261121T000000Z", "20261122T000000Z"]
#: What stands in the field that is taken out.
SECRET = b"the fleet's best kept secret"


class Failures:
    """Refuses the requests of a range, counted from the last :meth:`begin`."""

    def __init__(self, refusal: str, *, lasts: bool) -> None:
        self._refusal, self._lasts = refusal, lasts
        self._range: range = range(0)
        self._count = 0
        self.conn_id = f"failing_{uuid.uuid4().hex[:8]}"

    def __call__(self, method: str, path: str, query: dict[str, str]) -> bool | str:
        number, self._count = self._count, self._count + 1
        return self._refusal if number in self._range else True

    def begin(self, number: int) -> None:
        self._count, self._range = 0, range(number, 1_000 if self._lasts else number + 1)

    def end(self) -> bool:
        """Let everything through again, and return whether anything was refused."""
        was_refused, self._range = self._count > self._range.start, range(0)
        return was_refused


@pytest.fixture
def failures(refusal: str, lasts: bool, s3_bucket: str, connection: Callable[..., str]) -> Iterator[Failures]:
    """A server in front of the bucket, behind a connection of its own that tries everything once."""
    failures = Failures(refusal, lasts=lasts)
    with guarded_by(failures) as url:
        connection(failures.conn_id, **tried_once(url))
        yield failures


@pytest.fixture
def bucket(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket with two snapshots of a fleet of 3."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in NAMES:
        for identity in sandbox.fleet.ids():
            sandbox.fleet.change(identity, {"prompt": SECRET.decode(), "name": name})
        place.take(context, partition=name, compression=None)
    return place


def each_request(place: Bucket, failures: Failures, work: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
    """Do the work with its first request failing, its second, ...; yield what came of it, or its error."""
    before = place.files()
    for number in itertools.count():
        found = place.files()
        for name in found.keys() - before.keys():
            place.remove(name)
        for name in [name for name, data in before.items() if number == 0 or found.get(name) != data]:
            place.write(name, before[name])
            place.age(name, 2 * 86_400)
        failures.begin(number)
        try:
            result, error = work(), None
        except PuretalkError as raised:
            result, error = None, raised
        if not failures.end():
            assert number > 10, "hardly anything was asked"
            return
        assert not isinstance(error, PuretalkSnapshotError), "what could not be read was taken for damaged"
        yield result, error


@pytest.mark.parametrize(("refusal", "lasts"), [("404 NoSuchBucket", False)])
def test_a_rerun_that_redacts(bucket: Bucket, failures: Failures, context: Any) -> None:
    """It leaves the old snapshot or the new one, whole; success means that nothing unredacted is left."""
    path = f"{bucket.named}/{ACCOUNT}/snapshot={NAMES[1]}/manifest.json"
    before = bucket.files()

    def rerun() -> Any:
        return bucket.take(
            context,
            partition=NAMES[1],
            storage_conn_id=failures.conn_id,
            redact={"prompt": "drop"},
            if_exists="replace",
            compression=None,
        )

    def unredacted() -> set[str]:
        return {name for name, data in bucket.files().items() if NAMES[1] in name and SECRET in data}

    for result, error in each_request(bucket, failures, rerun):
        after = bucket.files()
        assert {name: after.get(name) for name in before if NAMES[1] not in name} == {
            name: data for name, data in before.items() if NAMES[1] not in name
        }
        is_new = bool(snapshots.verify(path).redaction.policy)
        if result is not None:
            assert is_new
            assert unredacted() == set()
        elif not is_new:
            assert {name: after.get(name) for name in before} == before
        if error is not None:
            rerun()
        assert unredacted() == set()
        assert snapshots.verify(path).count == 3


@pytest.mark.parametrize(("refusal", "lasts"), [("403 AccessDenied", True)])
def test_pruning(bucket: Bucket, failures: Failures, caplog: pytest.LogCaptureFixture) -> None:
    """Each snapshot is there whole, or is reported as removed; the last one that is sound is never removed."""
    before = bucket.files()

    def prune() -> snapshots.Pruned:
        caplog.clear()
        return snapshots.prune(
            bucket.destination, "puretalk_default", keep_daily=1, dry_run=False, storage_conn_id=failures.conn_id
        )

    for result, _ in each_request(bucket, failures, prune):
        after = bucket.files()
        gone = {name for name in NAMES if f"{ACCOUNT}/snapshot={name}/manifest.json" not in after}
        assert NAMES[1] not in gone
        kept = {path: data for path, data in before.items() if not any(name in path for name in gone)}
        assert {path: after.get(path) for path in kept} == kept
        if result is not None:
            assert {one.snapshot for one in result.removed} == gone
            skipped = {one.name for one in result.skipped}
            assert {path.partition("/")[2] for path in after.keys() - kept.keys()} <= skipped
        elif gone:
            assert f"Removed by then: {', '.join(sorted(gone))}" in caplog.text
