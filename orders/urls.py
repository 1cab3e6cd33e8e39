from django.urls import path

from orders import views

urlpatterns = [
    path("", views.order_list, name="order_list"),
    path("live/", views.orders_live, name="orders_live"),
    path("new/", views.order_new, name="order_new"),
    path("new/quote/", views.order_quote, name="order_quote"),
    path("new/fields/", views.order_fields, name="order_fields"),
    path("<int:pk>/", views.order_detail, name="order_detail"),
    path("<int:pk>/live/", views.order_live, name="order_live"),
    path("<int:pk>/cancel/", views.order_cancel, name="order_cancel"),
    path("<int:pk>/refill/", views.order_refill, name="order_refill"),
]
