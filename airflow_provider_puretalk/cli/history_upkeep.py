"""``history update``, ``verify`` and ``forget``: what keeps a history, proves it, and takes something out of it."""

from __future__ import annotations

import argparse

from airflow_provider_puretalk import history
from airflow_provider_puretalk.cli.connection import account_in, place
from airflow_provider_puretalk.cli.history import opened
from airflow_provider_puretalk.cli.output import Output
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history.keeping import parse_keep
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.wording import pluralize


def update(options: argparse.Namespace, output: Output) -> int:
    """Fold what is missing, and print what was folded."""
    storage = Storage(place(options.destination), options.storage_conn_id)
    storage.check()
    updated = history.update(
        place(options.destination),
        account_in(storage, options.account),
        options.storage_conn_id,
        keep=parse_keep(options.keep),
        retract=options.retract,
        rebuild=options.rebuild,
    )
    if output.as_json:
        output.document(updated.to_dict())
        return DONE
    output.line(updated.summary)
    for name, why in updated.skipped:
        output.line(f"Skipped {name}: {why}.")
    for name in updated.lost:
        output.line(f"Lost {name}: there is no snapshot of it any more.")
    output.line(updated.manifest_path)
    return DONE


def verify(options: argparse.Namespace, output: Output) -> int:
    """Rebuild every reading; a wrong one is an error."""
    verified = opened(options).verify()
    if output.as_json:
        output.document(verified.to_dict())
        return DONE
    for name, why in verified.not_provable:
        output.line(f"Not provable any longer: {name} ({why}).")
    output.line(verified.summary)
    return DONE


def forget(options: argparse.Namespace, output: Output) -> int:
    """Forget assistants and fields; without ``--yes`` only say what that would do."""
    found = opened(options)
    fields = options.fields or []
    if not options.assistant and not fields:
        raise PuretalkConfigurationError("Name what is to be forgotten: --assistant ID, or --fields A,B.C.")
    if unknown := [one for one in options.assistant if not found.knows(one)]:
        raise PuretalkConfigurationError(
            f"The history of {found.account} never saw an assistant {unknown[0]!r}. Nothing was forgotten; ids are given "
            "whole."
        )
    what = [pluralize(len(options.assistant), "assistant")] if options.assistant else []
    what += [f"the {pluralize(len(fields), 'field').partition(' ')[2]} {', '.join(fields)}"] if fields else []
    if not options.yes:
        if output.as_json:
            output.document({"dry_run": True, "assistants": options.assistant, "fields": fields})
        else:
            output.line(f"Would forget {' and '.join(what)}, in every version and for good.")
            output.line("The snapshots that held it could no longer be proven. Nothing was forgotten: --yes forgets.")
        return DONE
    updated = found.forget(assistant_ids=options.assistant, fields=fields)
    if output.as_json:
        output.document({"dry_run": False, **updated.to_dict()})
        return DONE
    output.line(f"Forgot {' and '.join(what)}. {updated.summary}")
    return DONE
