from django.urls import path

from orders.views import bulk, drips, listing, mass, ordering, orders

urlpatterns = [
    path("", listing.order_list, name="order_list"),
    path("live/", listing.orders_live, name="orders_live"),
    path("export/", listing.order_export, name="order_export"),
    path("bulk/", bulk.order_bulk, name="order_bulk"),
    path("new/", ordering.order_new, name="order_new"),
    path("new/quote/", ordering.order_quote, name="order_quote"),
    path("new/fields/", ordering.order_fields, name="order_fields"),
    path("new/find/", ordering.order_find, name="order_find"),
    path("mass/", mass.mass_order, name="mass_order"),
    path("drip-feeds/", drips.drip_list, name="drip_list"),
    path("drip-feeds/<int:pk>/", drips.drip_detail, name="drip_detail"),
    path("drip-feeds/<int:pk>/live/", drips.drip_live, name="drip_live"),
    path("drip-feeds/<int:pk>/stop/", drips.drip_stop, name="drip_stop"),
    path("<int:pk>/", orders.order_detail, name="order_detail"),
    path("<int:pk>/live/", orders.order_live, name="order_live"),
    path("<int:pk>/cancel/", orders.order_cancel, name="order_cancel"),
    path("<int:pk>/refill/", orders.order_refill, name="order_refill"),
]
