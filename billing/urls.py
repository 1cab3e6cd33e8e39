from django.urls import path

from billing import views

urlpatterns = [
    path("", views.wallet, name="wallet"),
    path("add-funds/", views.add_funds, name="add_funds"),
]
