"""Make Superset what this folder says: metadata, roles, users, the connection, datasets, charts and dashboards.

Idempotent, in one process: ``python provision.py`` in Superset's environment, with what ``superset_config.py`` asks
for, ``VMESTE_BI_URL`` (the warehouse, by a login that may read ``published`` alone) and ``VMESTE_BI_USERS`` (a JSON
file: name → password, role, and organisation if the user may see the rows of one only).

``python provision.py export FOLDER`` writes what Superset holds now, in the form of ``assets``: whoever changed a
dashboard in the browser copies the files from there. ``python provision.py import FOLDER`` takes another folder than
``assets``; actions may follow one another.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from english import ENDING, TRANSLATED, english, english_uuid, word

# PyYAML's own are ten times slower than libyaml's
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Superset reads each asset again, by this name: two seconds of a provisioning
yaml.SafeLoader = Loader

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
LEADER = "Руководитель"
ENGINEER = "Инженер данных"
PEOPLE = {"Admin": "Администратор", LEADER: LEADER, ENGINEER: ENGINEER}
ORGANISATION_COLUMN = "organisation_code"
LITERAL_OF_CSS = re.compile('"([^"]*[А-Яа-яЁё][^"]*)"')

# what it takes to look at a dashboard, and nothing that explores, exports, edits or asks SQL
LOOK = {
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),
    ("can_dashboard", "Superset"),
    ("can_explore_json", "Superset"),
    ("can_read", "DashboardFilterStateRestApi"),
    ("can_write", "DashboardFilterStateRestApi"),
    ("can_read", "CurrentUserRestApi"),
    ("can_language_pack", "Superset"),
    ("can_log", "Superset"),
    ("can_read", "Theme"),
    ("menu_access", "Dashboards"),
    ("can_userinfo", "UserDBModelView"),
    ("resetmypassword", "UserDBModelView"),
    ("can_this_form_get", "ResetMyPasswordView"),
    ("can_this_form_post", "ResetMyPasswordView"),
}


def main(arguments: list[str]) -> None:
    """Provision, saying how long it took; or do the named actions one after the other."""
    started = time.perf_counter()
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        if not arguments:
            _migrate()
            _users_and_roles()
        for action, folder in zip(arguments[::2] or ["import"], arguments[1::2] or [str(ASSETS)], strict=True):
            if action == "export":
                _as_admin(lambda to=Path(folder): _export(to))
            else:
                _as_admin(lambda source=Path(folder): _import(source))
                _as_admin(_give_access)
    print(f"Superset is provisioned ({time.perf_counter() - started:.1f} s)")


def _migrate() -> None:
    """Bring Superset's tables to the installed version, and its own roles and permissions with them."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from flask import current_app
    from flask_migrate import upgrade
    from superset.extensions import appbuilder, db, migrate, security_manager

    directory = ScriptDirectory.from_config(migrate.get_config(current_app.extensions["migrate"].directory))
    with db.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
    if set(present) == set(directory.get_heads()):
        return
    upgrade()
    # views register their permissions when they are made, which costs seconds: only with a new version
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def _users_and_roles() -> None:
    from superset.extensions import db, security_manager

    leader = security_manager.add_role(LEADER)
    leader.permissions = [security_manager.add_permission_view_menu(*names) for names in sorted(LOOK)]
    # may see how dashboards are made, and every dataset; may change none: they are code
    engineer = security_manager.add_role(ENGINEER)
    engineer.permissions = [
        *leader.permissions,
        *(
            security_manager.add_permission_view_menu(*names)
            for names in (
                ("can_read", "Dataset"),
                ("can_explore", "Superset"),
                ("can_samples", "Datasource"),
                ("can_drill", "Dashboard"),
                ("can_view_query", "Dashboard"),
                ("can_view_chart_as_table", "Dashboard"),
                ("menu_access", "Charts"),
                ("menu_access", "Datasets"),
                ("all_datasource_access", "all_datasource_access"),
            )
        ),
    ]
    users = json.loads(Path(os.environ["VMESTE_BI_USERS"]).read_text(encoding="utf-8"))
    for name, given in users.items():
        roles = [security_manager.find_role(given["role"])]
        if given.get("organisation"):
            roles.append(security_manager.add_role(_organisation_role(given["organisation"])))
        user = security_manager.find_user(username=name)
        if user is None:
            # the password is set once: whoever changed it later keeps it
            security_manager.add_user(name, PEOPLE[given["role"]], "", f"{name}@localhost", roles, given["password"])
        else:
            user.roles = roles
            user.first_name = PEOPLE[given["role"]]
    db.session.commit()


def _as_admin(step: Any) -> None:
    from superset.extensions import security_manager
    from superset.utils.core import override_user

    with override_user(security_manager.find_user(username="admin")):
        step()


def _import(folder: Path) -> None:
    """Put in what is in the folder, and remove what is there no longer."""
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.connectors.sqla.models import SqlaTable
    from superset.extensions import db
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    contents = {}
    ours = set()
    css = (HERE / "dashboards.css").read_text(encoding="utf-8")
    for file in sorted(folder.rglob("*.yaml")):
        name = str(file.relative_to(folder))
        kind = name.split("/")[0]
        content = _load(file)
        both = {name: content}
        if kind in TRANSLATED:
            both[name.replace(".yaml", f"{ENDING}.yaml")] = english(kind, content)
        for one, asset in both.items():
            ours.add(asset.get("uuid"))
            if kind == "databases":
                asset["sqlalchemy_uri"] = os.environ["VMESTE_BI_URL"]
            if kind == "dashboards":
                asset["css"] = css if asset is content else LITERAL_OF_CSS.sub(lambda said: f'"{word(said[1])}"', css)
            contents[one] = yaml.dump(asset, Dumper=Dumper, allow_unicode=True)
    ImportAssetsCommand(contents).run()
    for model in (Dashboard, Slice, SqlaTable):
        for asset in db.session.query(model).all():
            if str(asset.uuid) not in ours:
                db.session.delete(asset)
    db.session.commit()


def _export(folder: Path) -> None:
    """Write every asset in normal form, under the name that its file has in ``assets``."""
    from normal_form import normal
    from superset.commands.export.assets import ExportAssetsCommand

    names = {_load(file).get("uuid"): file.relative_to(ASSETS) for file in ASSETS.rglob("*.yaml")}
    # made from the Russian ones, and made anew by each provisioning
    made = {english_uuid(russian) for russian in names if russian}
    for name, content in ExportAssetsCommand().run():
        asset = yaml.load(content(), Loader=Loader)  # noqa: S506 - the safe loader, in C
        kind = name.split("/")[0]
        if asset.get("uuid") in made:
            continue
        file = folder / (names.get(asset.get("uuid")) or name)
        file.parent.mkdir(parents=True, exist_ok=True)
        asset = _load(ASSETS / name) if kind == "metadata.yaml" else normal(kind, asset)
        file.write_text(yaml.safe_dump(asset, allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")


def _give_access() -> None:
    """Open each dashboard to both roles, and only to them; filter rows by organisation where there is the column."""
    from superset.connectors.sqla.models import RowLevelSecurityFilter, SqlaTable
    from superset.extensions import db, security_manager
    from superset.models.dashboard import Dashboard

    viewers = [security_manager.find_role(LEADER), security_manager.find_role(ENGINEER)]
    for dashboard in db.session.query(Dashboard).all():
        dashboard.roles = viewers
    tables = [
        table
        for table in db.session.query(SqlaTable).all()
        if any(column.column_name == ORGANISATION_COLUMN for column in table.columns)
    ]
    users = json.loads(Path(os.environ["VMESTE_BI_USERS"]).read_text(encoding="utf-8"))
    wanted = {user["organisation"] for user in users.values() if user.get("organisation")}
    present = {rule.name: rule for rule in db.session.query(RowLevelSecurityFilter).all()}
    for organisation in wanted:
        name = _organisation_role(organisation)
        rule = present.pop(name, None) or RowLevelSecurityFilter(name=name)
        rule.filter_type = "Regular"
        rule.group_key = ORGANISATION_COLUMN
        quoted = organisation.replace("'", "''")
        # a row of no organisation says that there is nothing yet, or tells of a source that all share
        rule.clause = f"({ORGANISATION_COLUMN} = '{quoted}' or {ORGANISATION_COLUMN} is null)"
        rule.tables = tables
        rule.roles = [security_manager.find_role(name)]
        db.session.add(rule)
    for rule in present.values():
        db.session.delete(rule)
    db.session.commit()


def _load(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - the safe loader, in C


def _organisation_role(organisation: str) -> str:
    return f"Организация {organisation}"


if __name__ == "__main__":
    main(sys.argv[1:])
