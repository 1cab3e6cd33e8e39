"""The site's addresses."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from catalog.views import service_changes, service_favourite, services
from panel.accounts.views import account, home
from panel.api.views import api_v2
from panel.ops.health import healthz
from panel.ops.metrics import metrics
from panel.views import theme_css

# Staff sign in on the customers' page, with its rate limits and second factor.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", home, name="home"),
    path("services/", services, name="services"),
    path("services/changes/", service_changes, name="service_changes"),
    path("services/<int:pk>/favourite/", service_favourite, name="service_favourite"),
    path("orders/", include("orders.urls")),
    path("wallet/", include("billing.urls")),
    path("account/", account, name="account"),
    path("account/", include("allauth.urls")),
    # With and without a slash, and no redirect between: a redirected POST becomes a GET.
    path("api/v2", api_v2, name="api_v2"),
    path("api/v2/", api_v2),
    path("theme.css", theme_css, name="theme_css"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
