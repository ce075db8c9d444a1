"""Superset's settings: Russian, quiet, closed. Everything secret comes from the environment; nothing has a default.

Read by Superset itself (``SUPERSET_CONFIG_PATH``), in Superset's own environment.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from russian_pages import install

# --- where it lives, and its secrets (written by `make bi`, see plugins/vmeste/local/superset.py)
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["VMESTE_SUPERSET_METADATA_URL"]
# a server that came back is noticed, instead of an error on each old connection
SQLALCHEMY_ENGINE_OPTIONS = {"pool_pre_ping": True}
DATA_DIR = os.environ["SUPERSET_HOME"]

# --- language and formats
BABEL_DEFAULT_LOCALE = "ru"
LANGUAGES = {
    "ru": {"flag": "ru", "name": "Русский"},
    "en": {"flag": "gb", "name": "English"},
}
D3_FORMAT = {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u202f₽"]}
D3_TIME_FORMAT = {
    "dateTime": "%d.%m.%Y, %H:%M",
    "date": "%d.%m.%Y",
    "time": "%H:%M:%S",
    "periods": ["", ""],
    "days": ["воскресенье", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота"],
    "shortDays": ["вс", "пн", "вт", "ср", "чт", "пт", "сб"],
    "months": [
        "январь", "февраль", "март", "апрель", "май", "июнь",
        "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
    ],
    "shortMonths": ["янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"],
}  # fmt: skip

# what the browser is told in Russian beyond Superset's own translation; pages for what goes wrong; the first page
FLASK_APP_MUTATOR = install

# --- looks: each of these tokens must be there, Superset takes the dictionary as a whole
APP_NAME = "Вместе"
LOGO_TARGET_PATH = "/superset/dashboard/leadership/"
_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 32"
font-family="Inter, DejaVu Sans, Arial, sans-serif">
<circle cx="12" cy="16" r="9" fill="none" stroke="#0072B2" stroke-width="3.5"/>
<circle cx="24" cy="16" r="9" fill="none" stroke="#E69F00" stroke-width="3.5"/>
<text x="42" y="23" font-size="20" font-weight="600" fill="#222">Вместе</text></svg>"""
_SPINNER = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><circle cx="20" cy="20" r="15" fill="none"
stroke="#0072B2" stroke-width="4" stroke-dasharray="60 40"><animateTransform attributeName="transform" type="rotate"
from="0 20 20" to="360 20 20" dur="1s" repeatCount="indefinite"/></circle></svg>"""


def _picture(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


FAVICONS = [{"href": _picture(_LOGO.replace("0 0 132 32", "0 0 36 32"))}]
THEME_DEFAULT = {
    "token": {
        "brandAppName": APP_NAME,
        "brandLogoAlt": APP_NAME,
        "brandLogoUrl": _picture(_LOGO),
        "brandLogoMargin": "18px 0",
        "brandLogoHref": LOGO_TARGET_PATH,
        "brandLogoHeight": "28px",
        "brandSpinnerUrl": None,
        "brandSpinnerSvg": _SPINNER,
        "brandIconMaxWidth": 37,
        "colorPrimary": "#0072B2",
        "colorLink": "#0072B2",
        "colorError": "#D55E00",
        "colorWarning": "#E69F00",
        "colorSuccess": "#009E73",
        "colorInfo": "#56B4E9",
        "fontUrls": [],
        "fontFamily": "Inter, 'DejaVu Sans', Helvetica, Arial, sans-serif",
        "fontFamilyCode": "'IBM Plex Mono', 'DejaVu Sans Mono', monospace",
        "transitionTiming": 0,
        "fontSizeXS": "8",
        "fontSizeXXL": "28",
        "fontWeightNormal": "400",
        "fontWeightLight": "300",
        "fontWeightStrong": "500",
        "fontWeightBold": "700",
        "colorEditorSelection": "#fff5cf",
    },
    "algorithm": "default",
}
THEME_DARK = None
ENABLE_UI_THEME_ADMINISTRATION = False
# Okabe and Ito: told apart with every kind of colour blindness, and in grey
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "vmeste",
        "description": "Okabe–Ito",
        "label": "Вместе",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#000000"],
    }
]

# --- who may do what
FEATURE_FLAGS = {
    "DASHBOARD_RBAC": True,
    "EMBEDDED_SUPERSET": False,
    "ALERT_REPORTS": False,
    "ESCAPE_MARKDOWN_HTML": False,
}
PUBLIC_ROLE_LIKE = None
AUTH_ROLE_PUBLIC = "Public"
WTF_CSRF_ENABLED = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = os.environ.get("VMESTE_SUPERSET_HTTPS", "") == "1"
PREVENT_UNSAFE_DB_CONNECTIONS = True
HTML_SANITIZATION = True
# intervals are drawn by the template: a bar's place and width are in its style
HTML_SANITIZATION_SCHEMA_EXTENSIONS = {
    # survival curves are drawn by the template too
    "tagNames": ["svg", "path", "line", "text"],
    "attributes": {
        "*": ["style", "className", "title"],
        "svg": ["viewBox"],
        "path": ["d"],
        "line": ["x1", "x2", "y1", "y2"],
        "text": ["x", "y"],
    },
    # the results tree is a picture that the release has drawn
    "protocols": {"src": ["data"]},
}
ROW_LIMIT = 10_000

# --- no call leaves the machine: the default page asks for a tracking pixel, map tiles and fonts
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'", "data:"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        # Handlebars compiles its templates in the browser; they are ours, answers are put into them as text
        "script-src": ["'self'", "'strict-dynamic'", "'unsafe-eval'"],
        "frame-ancestors": ["'none'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": SESSION_COOKIE_SECURE,
}

# --- caches: what a page is made of, and figures under the release that they are of (release_cache.py): a new release
# finds nothing of the one before, so that two charts of one page never disagree. A query costs the database
# milliseconds, but Superset a tenth of a second. warming.py fills it after a release
_CACHE = {
    "CACHE_DEFAULT_TIMEOUT": 86_400,
    "CACHE_TYPE": "RedisCache" if os.environ.get("VMESTE_REDIS_URL") else "FileSystemCache",
    "CACHE_REDIS_URL": os.environ.get("VMESTE_REDIS_URL", ""),
    "CACHE_THRESHOLD": 2_000,
}


def _cache(name: str) -> dict[str, object]:
    return {**_CACHE, "CACHE_KEY_PREFIX": f"vmeste_{name}_", "CACHE_DIR": str(Path(DATA_DIR) / "cache" / name)}


CACHE_CONFIG = _cache("metadata")
DATA_CACHE_CONFIG = {**_cache("figures"), "CACHE_TYPE": "release_cache.make"}
FILTER_STATE_CACHE_CONFIG = _cache("filters")
EXPLORE_FORM_DATA_CACHE_CONFIG = _cache("explore")
