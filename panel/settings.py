"""Settings, read from the environment and from `.env` (see `.env.example`, which documents each).

One code base, two ways to run: SQLite with the embedded task broker (the default, no server at all), and PostgreSQL
with Redis (production). Only the environment distinguishes them.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):
    """Reads "NAME=" as "not set", in `.env` and in the environment alike."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        if not self.ENVIRON.get(var):
            self.ENVIRON.pop(var, None)
        return super().get_value(var, *args, **kwargs)


env = Env()
environ.Env.read_env(os.environ.get("ENV_FILE") or BASE_DIR / ".env")
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).absolute()


def required(name: str, purpose: str, *, when_debugging: str) -> str:
    """Return a secret that only DEBUG may do without. Raise ImproperlyConfigured with instructions."""
    value: str = env.str(name, default="")
    if value:
        return value
    if DEBUG:
        return when_debugging
    raise ImproperlyConfigured(
        f"{name} is not set: {purpose}. Put it into .env or the environment; "
        "`python -m panel.env_file` writes an .env with fresh secrets; .env.example explains each."
    )


# -- the site --------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# `make demo` writes the password into .env: show the demo provider.
DEMO = bool(env.str("DEMO_PASSWORD", default=""))
SECRET_KEY = required("SECRET_KEY", "it signs sessions and forms", when_debugging="insecure-for-debugging-only-" * 3)
FIELD_ENCRYPTION_KEYS = required(
    "FIELD_ENCRYPTION_KEYS",
    "it encrypts the providers' API keys and second factors (Fernet keys, newest first, commas between)",
    when_debugging="ZGVidWdnaW5nLW9ubHktbm90LWEtcmVhbC1zZWNyZXQ=",
).split(",")

SITE_URL = env.str("SITE_URL", default="http://localhost:8000").rstrip("/")
_site = urlsplit(SITE_URL)
SECURE = _site.scheme == "https"
ALLOWED_HOSTS = [_site.hostname or "localhost", *env.list("ALLOWED_HOSTS", default=[])]
if not SECURE:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# What the names of keys in Redis begin with. All processes of a panel must agree on it, and no two panels may, not even
# a copy with the same secrets under another address. See docs/adr/0028-what-panels-share-has-a-prefix.md.
_prefix = env.str("PANEL_PREFIX", default="")
PANEL_PREFIX = _prefix or f"panel-{sha256(f'{SECRET_KEY} {SITE_URL.lower()}'.encode()).hexdigest()[:12]}"
# Cookies ignore ports: panels at two ports of one host would end each other's sessions. Elsewhere the names stay, so
# that no session ends.
_cookie_suffix = f"-{PANEL_PREFIX}" if _prefix or re.search(r":\d+$", _site.netloc) else ""
SESSION_ENGINE = "panel.accounts.sessions"
SESSION_COOKIE_NAME = f"sessionid{_cookie_suffix}"
CSRF_COOKIE_NAME = f"csrftoken{_cookie_suffix}"
CSRF_FAILURE_VIEW = "panel.csrf_failure.csrf_failure"
LANGUAGE_COOKIE_NAME = f"django_language{_cookie_suffix}"
MESSAGE_COOKIE_NAME = f"messages{_cookie_suffix}"
# What a script of ours writes: the browser's time zone.
TIME_ZONE_COOKIE_NAME = f"time_zone{_cookie_suffix}"
# One for each account that signed in with the browser: the account's number follows.
DEVICE_COOKIE_NAME = f"device{_cookie_suffix}"
MESSAGE_STORAGE = "panel.message_storage.PanelMessageStorage"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^(?:healthz|readyz)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
# Off unless asked for: both reach beyond this panel, to every host below the domain, and preloading cannot be undone
# for months. So their absence is no warning of `check --deploy`.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# None: not decided, as without a proxy. `check --deploy` asks for a decision.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=None)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0

PANEL_CURRENCY = env.str("PANEL_CURRENCY", default="USD")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# Upstream providers, and the owner's payment gateways in the own network.
UPSTREAM_ALLOW_PRIVATE = env.bool("UPSTREAM_ALLOW_PRIVATE", default=False)
PAYMENT_PRIVATE_HOSTS = frozenset(env.str("PAYMENT_PRIVATE_HOSTS", default="").lower().replace(",", " ").split())

# Whether web servers and workers watch each other. Pings go to addresses that tell when they stop.
WATCH = env.bool("WATCH", default=True)
PING_URL_WORKER = env.str("PING_URL_WORKER", default="")
PING_URL_BEAT = env.str("PING_URL_BEAT", default="")

# Where bots are reached; another address for a Bot API server of one's own.
TELEGRAM_API_URL = env.str("TELEGRAM_API_URL", default="https://api.telegram.org").rstrip("/")

# Settings that owners change in the admin, see panel/site/registry.py. What the environment says here wins; as None,
# it leaves them to the admin. Read them there, not here.
PANEL_NAME = env.str("PANEL_NAME", default=None)
PANEL_ACCENT = env.str("PANEL_ACCENT", default=None)
PANEL_LOGO_URL = env.str("PANEL_LOGO_URL", default=None)
PANEL_FAVICON_URL = env.str("PANEL_FAVICON_URL", default=None)
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default=None)
SUPPORT_URL = env.str("SUPPORT_URL", default=None)
BUSINESS_NAME = env.str("BUSINESS_NAME", default=None)
BUSINESS_ADDRESS = env.str("BUSINESS_ADDRESS", default=None)
BUSINESS_TAX_NUMBER = env.str("BUSINESS_TAX_NUMBER", default=None)
PUBLIC_SHOP = env.str("PUBLIC_SHOP", default=None)
SEARCH_WORDS = env.str("SEARCH_WORDS", default=None)
SIGN_UP = env.str("SIGN_UP", default=None)
EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default=None)
QUEUE_LIMIT_HOURS = env.str("QUEUE_LIMIT_HOURS", default=None)
DOUBT_DEADLINE_MINUTES = env.str("DOUBT_DEADLINE_MINUTES", default=None)
UPSTREAM_ADD_TIMEOUT = env.str("UPSTREAM_ADD_TIMEOUT", default=None)
SUBMISSION_LEASE_SECONDS = env.str("SUBMISSION_LEASE_SECONDS", default=None)
UPSTREAM_USER_AGENT = env.str("UPSTREAM_USER_AGENT", default=None)
POLL_INTERVALS = env.str("POLL_INTERVALS", default=None)
WAVE_ORDERS = env.str("WAVE_ORDERS", default=None)
WAVE_PERCENT = env.str("WAVE_PERCENT", default=None)
WAVE_MINUTES = env.str("WAVE_MINUTES", default=None)
WAVE_WAIT_MINUTES = env.str("WAVE_WAIT_MINUTES", default=None)
API_RATE_PER_KEY = env.str("API_RATE_PER_KEY", default=None)
API_RATE_PER_ADDRESS = env.str("API_RATE_PER_ADDRESS", default=None)
API_RATE_LIMIT_429 = env.str("API_RATE_LIMIT_429", default=None)
API_DUPLICATE_WINDOW = env.str("API_DUPLICATE_WINDOW", default=None)
LOW_BALANCE_DAYS = env.str("LOW_BALANCE_DAYS", default=None)
OLD_BALANCE_HOURS = env.str("OLD_BALANCE_HOURS", default=None)
OLD_LIST_HOURS = env.str("OLD_LIST_HOURS", default=None)
OLD_BACKUP_HOURS = env.str("OLD_BACKUP_HOURS", default=None)
LOW_COMPLETION_PERCENT = env.str("LOW_COMPLETION_PERCENT", default=None)
OVERCHARGE_PERCENT = env.str("OVERCHARGE_PERCENT", default=None)
RECKONING_BAND_PERCENT = env.str("RECKONING_BAND_PERCENT", default=None)
POLL_SPARE_MINUTES = env.str("POLL_SPARE_MINUTES", default=None)
SILENCE_HOURS = env.str("SILENCE_HOURS", default=None)
LOST_SERVICES_PERCENT = env.str("LOST_SERVICES_PERCENT", default=None)
REPRICE_FACTOR = env.str("REPRICE_FACTOR", default=None)
KEEP_EVENTS_DAYS = env.str("KEEP_EVENTS_DAYS", default=None)
KEEP_ANSWERS_DAYS = env.str("KEEP_ANSWERS_DAYS", default=None)
KEEP_IMPORTS_DAYS = env.str("KEEP_IMPORTS_DAYS", default=None)
KEEP_ALERTS_DAYS = env.str("KEEP_ALERTS_DAYS", default=None)
KEEP_CALLS_DAYS = env.str("KEEP_CALLS_DAYS", default=None)

# -- apps ------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "panel.apps.PanelConfig",
    "panel.accounts",
    "panel.activity",
    "panel.alerts",
    "panel.channels",
    "panel.api",
    "panel.levels",
    "panel.lib",
    "panel.news",
    "panel.ops",
    "panel.site",
    "panel.staff",
    *(["panel.sandbox"] if DEBUG or DEMO else []),
    "catalog",
    "billing",
    "orders",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "django_structlog",
    "django_tables2",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "panel.lib.compression.CompressionMiddleware",
    "csp.middleware.CSPMiddleware",
    "panel.ops.watch.watcher.WatchMiddleware",
    "panel.middleware.AdminContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "panel.middleware.PrivatePagesMiddleware",
    "panel.accounts.time_zones.ReaderTimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "panel.accounts.sign_in.staff_sessions.StaffSessionMiddleware",
    "panel.activity.origin.OriginMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "panel.accounts.view_as.middleware.ViewAsMiddleware",
]

ROOT_URLCONF = "panel.urls"
WSGI_APPLICATION = "panel.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "panel.site.context.brand",
                "panel.news.context.top_bar",
            ],
            "builtins": ["django.templatetags.i18n"],
        },
    },
]

# -- data ------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'panel.sqlite3'}")}
_database = DATABASES["default"]
USES_SQLITE = _database["ENGINE"] == "django.db.backends.sqlite3"
if USES_SQLITE:
    _database["OPTIONS"] = {
        # IMMEDIATE and a long wait: with the defaults most concurrent debits fail as "locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        # FULL, not NORMAL: a committed intent to send must survive a power loss.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            # Otherwise REPLACE would delete rows past the triggers that make entries append-only.
            "PRAGMA recursive_triggers=ON;"
        ),
    }
else:
    _database["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that vanished is noticed within a minute: a lane that waits for it would hold up its provider for hours.
    _database["OPTIONS"] = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **_database.get("OPTIONS", {}),
    }

CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
_cache = CACHES["default"]
# Where the release before kept the mark of what was sent last.
CACHES["release_before"] = {**_cache}
_cache["KEY_PREFIX"] = PANEL_PREFIX + _cache.get("KEY_PREFIX", "")
if "redis" in _cache["BACKEND"].lower():
    # Pages work without a cache that is down; one that hangs must not block each of them for seconds.
    _cache["OPTIONS"] = {"socket_connect_timeout": 1, "socket_timeout": 1, **_cache.get("OPTIONS", {})}
    CACHES["release_before"]["OPTIONS"] = _cache["OPTIONS"]
    CACHES["price_lists"] = _cache
else:
    # A cache of their own: lists are few and large, and must not push out the small counters.
    _cache["OPTIONS"] = {"MAX_ENTRIES": 10_000, **_cache.get("OPTIONS", {})}
    CACHES["price_lists"] = {**_cache, "LOCATION": "price-lists", "OPTIONS": {"MAX_ENTRIES": 30}}

# -- sign-in ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["panel.accounts.hashers.PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "panel.accounts.passwords.PanelNameValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "order_new"
LOGOUT_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "panel.accounts.adapter.AccountAdapter"
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "panel.accounts.adapter.ResetTokens"  # noqa: S105
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "panel.accounts.forms.LoginForm",
    "signup": "panel.accounts.forms.SignupForm",
    "add_email": "panel.accounts.forms.AddEmailForm",
    "change_password": "panel.accounts.forms.ChangePasswordForm",
    "reset_password": "panel.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "panel.accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
# A new address replaces the one before once it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# Wrong passwords, see panel/accounts/sign_in/wrong_passwords.py. Others are as in the library.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {
    "sign_in_address": "10/m/ip,100/h/ip",
    "sign_in_pair": "5/5m/key,15/h/key",
    "sign_in_account": "50/h/key",
    "sign_in_device": "10/5m/key",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
# What the owner may change while the panel runs.
ALLAUTH_SETTING_GETTER = "panel.site.allauth.setting"
MFA_ADAPTER = "panel.accounts.mfa.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "panel.accounts.mfa.ActivateTOTPForm",
    "authenticate": "panel.accounts.sign_in.code_forms.AuthenticateForm",
    "reauthenticate": "panel.accounts.sign_in.code_forms.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
EMAIL_FROM = env.str("EMAIL_FROM", default=None)
# Of mails without a sender of their own: the panel's have `panel.site.names.sender`.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = EMAIL_FROM or "panel@localhost"

# -- language, time, files -------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
FORMAT_MODULE_PATH = ["panel.formats"]

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "panel" / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Customers' receipts: outside of everything that a web server serves.
    "private": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "private", "base_url": None, "file_permissions_mode": 0o600},
    },
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# -- content security policy -----------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        # Frames, objects, workers, media, manifests and whatever browsers add.
        "default-src": [NONE],
        "script-src": [SELF],
        "script-src-attr": [NONE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# -- tasks -----------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="memory://")
EMBEDDED_BROKER = CELERY_BROKER_URL.startswith("memory://")

# -- admin -----------------------------------------------------------------------------------------

from panel.admin_theme import UNFOLD  # noqa: E402, F401  (needs nothing of the above; kept apart)
from panel.logging import LOGGING, configure_structlog  # noqa: E402, F401

configure_structlog(debug=DEBUG)
DJANGO_STRUCTLOG_CELERY_ENABLED = False
