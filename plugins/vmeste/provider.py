"""What Airflow learns of our connections at start-up; found by the entry point ``apache_airflow_provider``.

Airflow loads this in each of its processes, so nothing is imported here. Labels come in both languages.
"""

from __future__ import annotations

from typing import Any

HIDDEN = ["schema", "port", "extra"]
SERVER = {"host": "Адрес сервера, как в sources.yml (server) / Server's address as in sources.yml (server)"}


def get_provider_info() -> dict[str, Any]:
    """Return the connection types of the form servers, as Airflow's provider schema wants them."""
    return {
        "package-name": "vmeste",
        "name": "Vmeste",
        "description": "Form servers of the mentoring programme's evidence pipeline.",
        "filesystems": ["vmeste.object_stores"],
        "connection-types": [
            _connection(
                "odk_central",
                "OdkCentralHook",
                "ODK Central (Вместе / Vmeste)",
                {"login": "Почта веб-пользователя / Web user's e-mail", "password": "Пароль / Password"},
            ),
            _connection(
                "kobotoolbox",
                "KoboToolboxHook",
                "KoboToolbox (Вместе / Vmeste)",
                {"password": "Ключ API / API key"},
                hidden=["login"],
            ),
            _connection(
                "limesurvey",
                "LimeSurveyHook",
                "LimeSurvey (Вместе / Vmeste)",
                {"login": "Пользователь / User", "password": "Пароль / Password"},
            ),
            _connection(
                "yandex_forms",
                "YandexFormsHook",
                "Яндекс Формы / Yandex Forms (Вместе / Vmeste)",
                {"password": "Токен / Token"},
                hidden=["login"],
                fields={
                    "scheme": {
                        "label": "Вид токена / Kind of token",
                        "schema": {"type": ["string", "null"]},
                        "description": "OAuth; Bearer для IAM-токена / for an IAM token; пусто / empty: по началу / by "
                        "its beginning",
                    }
                },
            ),
            _connection(
                "google_forms",
                "GoogleFormsHook",
                "Google Forms (Вместе / Vmeste)",
                {},
                hidden=["login", "password"],
                fields={
                    "keyfile_dict": {
                        "label": "Ключ сервисного аккаунта, JSON / Service account's key, JSON",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    }
                },
            ),
        ],
    }


def _connection(
    kind: str,
    hook: str,
    name: str,
    labels: dict[str, str],
    hidden: list[str] | None = None,
    fields: dict[str, Any] | None = None,
) -> dict[str, Any]:
    connection: dict[str, Any] = {
        "connection-type": f"vmeste_{kind}",
        "hook-class-name": f"vmeste.hooks.{hook}",
        "hook-name": name,
        "ui-field-behaviour": {
            "hidden-fields": [*HIDDEN, *(hidden or [])],
            "relabeling": SERVER | labels,
            "placeholders": {},
        },
    }
    return connection | ({"conn-fields": fields} if fields else {})
