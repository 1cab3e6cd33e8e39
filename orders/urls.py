from django.urls import path

from orders.web.views import bulk_actions, bulk_orders, drip_feeds, last_orders, order_detail, order_form, order_list

urlpatterns = [
    path("", order_list.order_list, name="order_list"),
    path("live/", order_list.orders_live, name="orders_live"),
    path("export/", order_list.order_export, name="order_export"),
    path("bulk/", bulk_actions.order_bulk, name="order_bulk"),
    path("views/<int:pk>/delete/", order_list.view_delete, name="view_delete"),
    path("new/", order_form.order_new, name="order_new"),
    path("new/quote/", order_form.order_quote, name="order_quote"),
    path("new/fields/", order_form.order_fields, name="order_fields"),
    path("new/find/", order_form.order_find, name="order_find"),
    path("new/sent/", order_form.order_sent, name="order_sent"),
    path("new/discard/", order_form.order_discard, name="order_discard"),
    path("new/last/", last_orders.orders_last, name="orders_last"),
    path("mass/", bulk_orders.mass_order, name="mass_order"),
    path("drip-feeds/", drip_feeds.drip_list, name="drip_list"),
    path("drip-feeds/<int:pk>/", drip_feeds.drip_detail, name="drip_detail"),
    path("drip-feeds/<int:pk>/live/", drip_feeds.drip_live, name="drip_live"),
    path("drip-feeds/<int:pk>/pause/", drip_feeds.drip_pause, name="drip_pause"),
    path("drip-feeds/<int:pk>/resume/", drip_feeds.drip_resume, name="drip_resume"),
    path("drip-feeds/<int:pk>/stop/", drip_feeds.drip_stop, name="drip_stop"),
    path("<int:pk>/", order_detail.order_detail, name="order_detail"),
    path("<int:pk>/live/", order_detail.order_live, name="order_live"),
    path("<int:pk>/cancel/", order_detail.order_cancel, name="order_cancel"),
    path("<int:pk>/refill/", order_detail.order_refill, name="order_refill"),
]
