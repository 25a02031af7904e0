"""The bill of materials of a release, from the lock file: CycloneDX 1.6 in JSON."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from blockd_build.lock import Locked, parse

NAMESPACE = uuid.UUID("6f1f9a53-5a5e-4a0f-9d5c-6b8c4d1f2a70")  # of these bills' own numbers


def bill(lock: str, version: str, licence: str, made: datetime.datetime) -> str:
    """Return what blockd of a version needs at run time, each with its version, its digests and what needs it."""
    needed = [locked for locked in parse(lock) if not locked.extras]
    subject = f"pkg:pypi/blockd@{version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{version} {made.isoformat()} {lock}')}",
        "version": 1,
        "metadata": {
            "timestamp": made.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": subject,
                "name": "blockd",
                "version": version,
                "licenses": [{"license": {"id": licence}}],
                "purl": subject,
            },
        },
        "components": [_component(locked) for locked in needed],
        "dependencies": [
            {"ref": subject, "dependsOn": [_purl(locked) for locked in needed if "blockd" in locked.via]},
            *(
                {"ref": _purl(each), "dependsOn": [_purl(locked) for locked in needed if each.name in locked.via]}
                for each in needed
            ),
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _purl(locked: Locked) -> str:
    return f"pkg:pypi/{locked.name}@{locked.version}"


def _component(locked: Locked) -> dict[str, Any]:
    properties = [{"name": "blockd:file", "value": digest} for digest in locked.hashes]  # one of them was installed
    if locked.marker:
        properties.append({"name": "blockd:marker", "value": locked.marker})
    return {
        "type": "library",
        "bom-ref": _purl(locked),
        "name": locked.name,
        "version": locked.version,
        "purl": _purl(locked),
        "properties": properties,
    }
