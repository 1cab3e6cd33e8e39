"""The site's addresses."""

from allauth.account.decorators import secure_admin_login
from allauth.mfa.recovery_codes.views import generate_recovery_codes
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.urls import include, path, re_path

from catalog.shop.views import service_categories, service_changes, service_favourite, service_page, services
from orders.web.views.start_page import home
from panel.account_home.views import account, account_close, account_data
from panel.accounts.address_views import AddressView, confirm_address
from panel.accounts.invitation_views import invitation, invitation_accept
from panel.accounts.sign_in.factor_views import ActivateView
from panel.accounts.sign_in.session_views import sessions
from panel.accounts.time_zone_views import time_zone
from panel.api.docs.views import api_docs, api_try
from panel.api.endpoint import api_v2
from panel.api.keys.views import (
    api_key_edit,
    api_key_made,
    api_key_new,
    api_key_revoke,
    api_key_switch_on,
    api_keys,
)
from panel.news.views import news, news_choices, news_seen, news_unsubscribe
from panel.ops.customers.view_as import leaving_visits
from panel.ops.health import healthz, readyz
from panel.ops.metrics import metrics
from panel.ops.search.everything import search_page
from panel.ops.weekly.page import week_page
from panel.site.views import site_file, theme_css

# Staff sign in on the customers' page, with its rate limits and second factor.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# Staff change their password there too: Django's own form writes the whole account back as it was read.
admin.site.password_change = lambda *args: redirect("account_change_password")  # type: ignore[assignment,method-assign]

admin.site.logout = leaving_visits(admin.site.logout)  # type: ignore[assignment,method-assign]

# The library's own search lower-cases links, and remembers for minutes that a new order is unknown.
admin.site.search = search_page  # type: ignore[attr-defined]

handler400 = "panel.alerts.errors.views.bad_request"
handler500 = "panel.alerts.errors.views.server_error"

urlpatterns = [
    path("", home, name="home"),
    path("services/", services, name="services"),
    path("services/changes/", service_changes, name="service_changes"),
    path("services/categories/", service_categories, name="service_categories"),
    path("services/<int:pk>/", service_page, name="service_page"),
    path("services/<int:pk>/favourite/", service_favourite, name="service_favourite"),
    path("orders/", include("orders.urls")),
    path("wallet/", include("billing.urls")),
    path("news/", news, name="news"),
    path("news/seen/", news_seen, name="news_seen"),
    path("news/unsubscribe/<str:token>/", news_unsubscribe, name="news_unsubscribe"),
    path("account/", account, name="account"),
    path("account/data/", account_data, name="account_data"),
    path("account/close/", account_close, name="account_close"),
    path("account/time-zone/", time_zone, name="time_zone"),
    path("account/news/", news_choices, name="news_choices"),
    path("account/api/", api_keys, name="api_keys"),
    path("account/api/new/", api_key_new, name="api_key_new"),
    path("account/api/<int:pk>/", api_key_edit, name="api_key_edit"),
    path("account/api/<int:pk>/made/", api_key_made, name="api_key_made"),
    path("account/api/<int:pk>/revoke/", api_key_revoke, name="api_key_revoke"),
    path("account/api/<int:pk>/on/", api_key_switch_on, name="api_key_switch_on"),
    path("account/sessions/", sessions, name="usersessions_list"),
    path("account/invitation/", invitation_accept, name="invitation_accept"),
    path("account/invitation/<str:token>/", invitation, name="invitation"),
    path("account/email/", AddressView.as_view(), name="account_email"),
    # Before allauth's own: for a visitor, these would store the whole POST in a session.
    path("account/2fa/totp/activate/", login_required(ActivateView.as_view()), name="mfa_activate_totp"),
    path(
        "account/2fa/recovery-codes/generate/",
        login_required(generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path("account/confirm-email/<str:key>/", confirm_address, name="account_confirm_email"),
    path("account/", include("allauth.urls")),
    path("api/", api_docs, name="api_docs"),
    path("api/try/", api_try, name="api_try"),
    # With and without a slash, and no redirect in between: a redirected POST becomes a GET.
    path("api/v2", api_v2, name="api_v2"),
    path("api/v2/", api_v2, name="api_v2_slash"),
    path("theme.css", theme_css, name="theme_css"),
    re_path(r"^brand/(?P<digest>[0-9a-f]{64})$", site_file, name="site_file"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    # Before the admin's own, which answer everything below them.
    path("admin/settings/", include("panel.site.admin.urls")),
    path("admin/customers/", include("panel.ops.customers.urls")),
    path("admin/needs-you/", include("panel.ops.needs_you.urls")),
    path("admin/week/", admin.site.admin_view(week_page), name="week"),
    path("admin/", admin.site.urls),
]
