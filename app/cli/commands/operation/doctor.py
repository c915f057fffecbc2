"""`dyad doctor`: check the stored state, and repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import options
from app.cli.output import notice, print_json, say
from app.errors import HomeInUse

if TYPE_CHECKING:
    from app.container import Container


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what can be rebuilt; says what was lost.")] = False,
    delete_quarantined: Annotated[
        bool, typer.Option("--delete-quarantined", help="Delete everything in quarantine, with its images.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Use this blob store with this state folder, after one was moved or lost.")
    ] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
) -> None:
    """List damaged and unreferenced data of the state folder. Exit code 1 if something is wrong.

    Stop a service that has the folder open first; while it runs, the command shows the state that the service reports.

    Example: dyad doctor --repair
    """
    from app.container import Container
    from app.settings import load_settings

    settings = load_settings(home=home)
    try:
        container = Container(settings, takes_over=take_over)
    except HomeInUse as error:
        if error.url is None or repair or delete_quarantined or take_over:
            raise
        notice(f"{settings.home} is open in the service at {error.url}; this is the state that it reports")
        _print_service(error.url, json)
        return
    try:
        report = _report(container, repair=repair, delete_quarantined=delete_quarantined)
    finally:
        container.close()
    _print(report, json)


def _report(container: Container, *, repair: bool, delete_quarantined: bool) -> dict[str, Any]:
    from datetime import UTC, datetime

    repaired = container.repair.run() if repair else []
    deleted = [entry.id for entry in container.garbage.delete_quarantined()] if delete_quarantined else []
    container.garbage.refresh(datetime.now(UTC))
    findings = [{"part": found.part, "problem": found.problem} for found in container.state.all()]
    return {"status": "degraded" if findings else "ok", "findings": findings, "repaired": repaired, "deleted": deleted}


def _print(report: dict[str, Any], json: bool) -> None:
    if json:
        print_json(report)
    else:
        for line in report["repaired"]:
            say(f"repaired: {line}")
        for line in report["deleted"]:
            say(f"deleted: {line}")
        for found in report["findings"]:
            say(f"{found['part']}: {found['problem']}")
        say(f"problems: {len(report['findings'])}" if report["findings"] else "nothing is wrong")
    if report["findings"]:
        raise typer.Exit(1)


def _print_service(url: str, json: bool) -> None:
    from app.client import ApiError, Dyad

    with Dyad(url, retries=0, seconds=60, trust_env=False) as dyad:
        try:
            health = dyad.request("GET", "/readyz")
        except ApiError as error:  # a component is unavailable
            health = error.problem
    parts = [{"part": part, "problem": state} for part, state in health.get("parts", {}).items() if state != "ok"]
    findings = [*parts, *({"part": "state", "problem": line} for line in health.get("degraded", []))]
    _print({"status": health.get("status", "unavailable"), "findings": findings, "repaired": [], "deleted": []}, json)
