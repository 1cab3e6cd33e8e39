from django.urls import path

from billing.intake.views import gateway_call
from billing.methods import method_urls
from billing.web.views import deposits, requests, statements, wallet

urlpatterns = [
    path("", wallet.wallet, name="wallet"),
    path("export/", wallet.wallet_export, name="wallet_export"),
    path("spending/", wallet.wallet_spending, name="wallet_spending"),
    path("statements/", statements.wallet_statements, name="wallet_statements"),
    path("statements/<int:year>/<int:number>/", statements.wallet_statement, name="wallet_statement"),
    path(
        "statements/<int:year>/<int:number>/export/", statements.wallet_statement_export, name="wallet_statement_export"
    ),
    path("add-funds/", deposits.add_funds, name="add_funds"),
    path("add-funds/preview/", deposits.add_funds_preview, name="add_funds_preview"),
    path("deposits/<int:pk>/", requests.deposit_detail, name="deposit_detail"),
    path("deposits/<int:pk>/paid/", requests.deposit_paid, name="deposit_paid"),
    path("deposits/<int:pk>/cancel/", requests.deposit_cancel, name="deposit_cancel"),
    path("deposits/<int:pk>/receipt/", requests.deposit_receipt, name="deposit_receipt"),
    path("deposits/<int:pk>/slip/", statements.deposit_slip, name="deposit_slip"),
    path("pay/gateway/<slug:code>/<int:pk>/", gateway_call, name="gateway_call"),
    *method_urls(),
]
