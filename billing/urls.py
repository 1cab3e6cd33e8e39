from django.urls import path

from billing.methods import method_urls
from billing.web.views import deposits, wallet

urlpatterns = [
    path("", wallet.wallet, name="wallet"),
    path("export/", wallet.wallet_export, name="wallet_export"),
    path("spending/", wallet.wallet_spending, name="wallet_spending"),
    path("add-funds/", deposits.add_funds, name="add_funds"),
    path("add-funds/preview/", deposits.add_funds_preview, name="add_funds_preview"),
    path("deposits/<int:pk>/", deposits.deposit_detail, name="deposit_detail"),
    path("deposits/<int:pk>/cancel/", deposits.deposit_cancel, name="deposit_cancel"),
    path("deposits/<int:pk>/receipt/", deposits.deposit_receipt, name="deposit_receipt"),
    *method_urls(),
]
