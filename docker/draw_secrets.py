"""Write the secrets of a deployment into a file for Docker Compose, once: ``docker/draw_secrets.py docker/.env``.

What the file has already stays as it is, so that a new version's secrets are added and no password changes under a
running database. Only this user may read it. Nothing is printed but the names.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

PASSWORDS = (
    "POSTGRES_PASSWORD",
    "VMESTE_WAREHOUSE_PASSWORD",
    "VMESTE_VAULT_PASSWORD",
    "AIRFLOW_DATABASE_PASSWORD",
    "SUPERSET_DATABASE_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
    "SUPERSET_SECRET_KEY",
)


def complete(file: Path) -> list[str]:
    """Add what the file lacks and return the names added."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    present = {line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line}
    # hexadecimal, because they stand in addresses; a Fernet key is 32 random bytes in URL-safe base64
    drawn = {name: secrets.token_hex(24) for name in PASSWORDS}
    drawn["AIRFLOW_FERNET_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    added = {name: value for name, value in drawn.items() if name not in present}
    if added:
        if text and not text.endswith("\n"):
            text += "\n"
        part = file.with_name(f"{file.name}.part")
        # made closed, not closed afterwards
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as target:
            target.write(text + "".join(f"{name}={value}\n" for name, value in added.items()))
        part.replace(file)
    return list(added)


if __name__ == "__main__":
    names = complete(Path(sys.argv[1]))
    print(f"{sys.argv[1]}: {'drawn: ' + ', '.join(names) if names else 'complete, nothing drawn'}")  # noqa: T201
