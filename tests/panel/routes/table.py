"""Who may open each route of the site, by GET and by POST. `test_routes.py` holds every route to it.

A route that is not here fails the tests with its name. To add one:

- a page of customers, or a public one: a row in PAGES. OWN means that only the customer whose object the address names
  finds it, and `of` is the model of that object.
- the five pages that every model of the admin has: a row in MODELS with what may be done there at all. Who may do it
  follows from Django's permissions of the model.
- another page of the admin, such as an action on one object: a row in ADMIN_PAGES with the permission that it takes.
  Write two, GET's and POST's, if they differ. Several in one text, separated by spaces, are all needed.
- an action of a list in the admin: a row in LIST_ACTIONS with its permission.

If the route needs an object that no other has, add it to `open_shop` in shop.py, under the model's label or the name
of the route.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Who may open a page. Any other text is a permission, or several, that staff need.
ANYBODY = "anybody"
SIGNED_IN = "signed in"
OWN = "own"
STAFF = "staff"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Row:
    """One route. `of` is the label of the model whose key its address names, `arguments` other values in it."""

    get: str = NOBODY
    post: str = NOBODY
    of: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)


def both(who: str, of: str = "", **values: dict[str, str]) -> Row:
    """Return the row of a page that answers GET and POST alike."""
    return Row(who, who, of, **values)


def read(who: str, of: str = "", **values: dict[str, str]) -> Row:
    """Return the row of a page that answers GET alone."""
    return Row(get=who, of=of, **values)


# A view shows all of this.
VIEW_AS = (
    "accounts.view_user accounts.view_as_customer orders.view_order orders.view_dripfeed billing.view_wallet "
    "billing.view_entry billing.view_deposit"
)
SET_PRICES = (
    "accounts.view_user catalog.view_customerprice catalog.add_customerprice catalog.change_customerprice "
    "orders.view_profit"
)
BEFORE_ALL = {"year": "2001", "number": "1"}

PAGES = {
    # -- for everybody ---------------------------------------------------------------------------------
    "home": read(ANYBODY),
    "api_docs": read(ANYBODY),
    "theme_css": read(ANYBODY),
    "healthz": read(ANYBODY),
    "readyz": read(ANYBODY),
    # By the digest of a file: tests/panel/site/test_files.py.
    "site_file": both(NOBODY, arguments={"digest": "0" * 64}),
    # By a mailed link: tests/panel/accounts/test_invitations.py.
    "invitation": read(ANYBODY, arguments={"token": "unknown"}),
    "invitation_accept": both(ANYBODY),
    # By a key, without which each answer is an error: tests/panel/api.
    "api_v2": both(ANYBODY),
    "api_v2_slash": both(ANYBODY),
    # By a signature, without which each answer is an error: tests/billing/intake.
    "signed_call": both(NOBODY, "billing.PaymentMethod"),
    "gateway_call": both(NOBODY, "billing.PaymentMethod", arguments={"code": "unknown"}),
    "metrics": Row(get="ops.view_alert"),
    # -- the customers' pages ----------------------------------------------------------------------------
    "services": read(SIGNED_IN),
    "service_changes": read(SIGNED_IN),
    "service_categories": read(SIGNED_IN),
    "service_page": read(SIGNED_IN, "catalog.Service"),
    "service_favourite": Row(post=SIGNED_IN, of="catalog.Service"),
    "order_list": both(SIGNED_IN),
    "view_delete": Row(post=OWN, of="orders.SavedView"),
    "orders_live": read(SIGNED_IN),
    "order_export": read(SIGNED_IN),
    "order_bulk": Row(post=SIGNED_IN),
    "order_new": both(SIGNED_IN),
    "order_quote": Row(post=SIGNED_IN),
    "order_fields": Row(post=SIGNED_IN),
    "order_find": read(SIGNED_IN),
    "order_sent": read(SIGNED_IN),
    "order_discard": Row(post=SIGNED_IN),
    "orders_last": read(SIGNED_IN),
    "mass_order": both(SIGNED_IN),
    "drip_list": read(SIGNED_IN),
    "drip_detail": read(OWN, "orders.DripFeed"),
    "drip_live": read(OWN, "orders.DripFeed"),
    "drip_pause": Row(post=OWN, of="orders.DripFeed"),
    "drip_resume": Row(post=OWN, of="orders.DripFeed"),
    "drip_stop": Row(post=OWN, of="orders.DripFeed"),
    "order_detail": read(OWN, "orders.Order"),
    "order_live": read(OWN, "orders.Order"),
    "order_cancel": both(OWN, "orders.Order"),
    "order_refill": Row(post=OWN, of="orders.Order"),
    "wallet": read(SIGNED_IN),
    "wallet_export": read(SIGNED_IN),
    "wallet_spending": read(SIGNED_IN),
    "wallet_statements": read(SIGNED_IN),
    # Nobody had a wallet then. Each is of one's own wallet: tests/billing/web/test_statements.py.
    "wallet_statement": both(NOBODY, arguments=BEFORE_ALL),
    "wallet_statement_export": both(NOBODY, arguments=BEFORE_ALL),
    "add_funds": both(SIGNED_IN),
    "add_funds_preview": read(SIGNED_IN),
    "deposit_detail": read(OWN, "billing.Deposit"),
    "deposit_paid": both(OWN, "billing.Deposit"),
    "deposit_cancel": Row(post=OWN, of="billing.Deposit"),
    # Nothing was uploaded: tests/billing/test_receipts.py tells who may see a receipt.
    "deposit_receipt": both(NOBODY, "billing.Deposit"),
    # Nothing was added: tests/billing/web/test_statements.py tells who may see it.
    "deposit_slip": both(NOBODY, "billing.Deposit"),
    "news": read(SIGNED_IN),
    "news_seen": Row(post=SIGNED_IN),
    "news_choices": both(SIGNED_IN),
    # By the signed token of a mail, without signing in: tests/panel/news/test_mails.py.
    "news_unsubscribe": both(ANYBODY, arguments={"token": "unknown"}),
    "account": both(SIGNED_IN),
    "account_data": read(SIGNED_IN),
    "account_close": both(SIGNED_IN),
    "time_zone": both(SIGNED_IN),
    "api_keys": read(SIGNED_IN),
    "api_key_new": both(SIGNED_IN),
    "api_key_edit": both(OWN, "accounts.ApiKey"),
    "api_key_made": read(OWN, "accounts.ApiKey"),
    "api_key_revoke": both(OWN, "accounts.ApiKey"),
    "api_key_switch_on": Row(post=OWN, of="accounts.ApiKey"),
    "usersessions_list": both(SIGNED_IN),
    "api_try": both(SIGNED_IN),
    # -- signing in, of the library ----------------------------------------------------------------------
    "account_login": both(ANYBODY),
    "account_logout": both(ANYBODY),
    "account_inactive": read(ANYBODY),
    "account_signup": both(ANYBODY),
    "account_reauthenticate": both(SIGNED_IN),
    "account_email": both(SIGNED_IN),
    "account_email_verification_sent": read(ANYBODY),
    "account_change_password": both(SIGNED_IN),
    "account_set_password": both(SIGNED_IN),
    "account_reset_password": both(ANYBODY),
    "account_confirm_email": read(ANYBODY, arguments={"key": "unknown"}),
    "account_reset_password_from_key_done": read(ANYBODY),
    "account_reset_password_from_key": both(ANYBODY, arguments={"uidb36": "1", "key": "unknown"}),
    "account_reset_password_done": read(ANYBODY),
    # In the middle of signing in; visitors who are not are sent to its beginning.
    "account_confirm_login_code": both(SIGNED_IN),
    "mfa_authenticate": both(SIGNED_IN),
    "mfa_index": read(SIGNED_IN),
    "mfa_reauthenticate": both(SIGNED_IN),
    "mfa_activate_totp": both(SIGNED_IN),
    "mfa_generate_recovery_codes": both(SIGNED_IN),
    # Only of who has a second factor, which the customer has.
    "mfa_deactivate_totp": both(OWN),
    "mfa_view_recovery_codes": read(OWN),
    "mfa_download_recovery_codes": read(OWN),
    # -- the admin as a whole ----------------------------------------------------------------------------
    "admin:index": both(STAFF),
    "admin:search": both(STAFF),
    # Leads to the customers' page for signing in, and who is signed in to the overview.
    "admin:login": Row(post=STAFF),
    "admin:logout": Row(post=STAFF),
    "admin:password_change": both(STAFF),
    "admin:password_change_done": read(STAFF),
    "admin:autocomplete": read(
        "accounts.view_user",
        data={"app_label": "catalog", "model_name": "groupmember", "field_name": "customer"},
    ),
    "admin:jsi18n": read(STAFF),
    # No model has a page on the site.
    "admin:view_on_site": both(NOBODY, arguments={"content_type_id": "1", "object_id": "1"}),
    "admin:app_list": both("accounts.view_user", arguments={"app_label": "accounts"}),
    # A POST needs a choice of one stop: tests/orders/admin/test_after_restore.py.
    "admin:orders_after_restore": read("catalog.connect_provider"),
    "customers": read("accounts.view_user"),
    "customer": read("accounts.view_user", "accounts.User"),
    "customer_orders": read("accounts.view_user orders.view_order", "accounts.User"),
    "customer_transactions": read("accounts.view_user billing.view_entry", "accounts.User"),
    "customer_payments": read("accounts.view_user billing.view_deposit", "accounts.User"),
    "customer_prices": read("accounts.view_user catalog.view_customerprice", "accounts.User"),
    "customer_prices_export": read("accounts.view_user catalog.view_customerprice", "accounts.User"),
    "customer_prices_copy": both(SET_PRICES, "accounts.User"),
    "customer_prices_set": both(SET_PRICES, "accounts.User"),
    "customer_prices_import": both(SET_PRICES, "accounts.User"),
    "customer_keys": read("accounts.view_user accounts.view_apikey", "accounts.User"),
    "customer_notes": Row(
        "accounts.view_user accounts.view_customernote",
        "accounts.view_user accounts.view_customernote accounts.add_customernote",
        of="accounts.User",
    ),
    "customer_activity": read("accounts.view_user activity.view_act", "accounts.User"),
    "customer_view_as": both(VIEW_AS, "accounts.User"),
    "customer_view_as_leave": Row(post=STAFF, of="accounts.User"),
    "week": both("orders.view_profit"),
    "needs_you": read(STAFF),
    "needs_you_item": both("ops.change_alert", "ops.Alert", arguments={"kind": "alert"}),
    "needs_you_later": Row(post="ops.change_alert", of="ops.Alert", arguments={"kind": "alert"}),
    "settings": both("site.change_settings", data={"group": "brand"}),
    "settings_history": read("site.change_settings"),
    "settings_look": read("site.change_settings"),
    "settings_undo": Row(post="site.change_settings", of="site.SettingChange"),
}

# What may be done with the rows of a model in the admin, by who has Django's permission for it.
READ = "view"
EDIT = "view change"
ALL = "view change add delete"
MODELS = {
    "accounts.User": "view change add",
    "accounts.Role": ALL,
    "accounts.ApiKey": READ,
    "accounts.SignIn": READ,
    "activity.Act": READ,
    "billing.BankLine": READ,
    "billing.ComparedDay": READ,
    "billing.Coupon": "view change add",
    "billing.Deposit": READ,
    "billing.Entry": READ,
    "billing.GatewayCall": READ,
    "billing.Invoice": READ,
    "billing.Payment": READ,
    "billing.PaymentMethod": ALL,
    "billing.Reversal": READ,
    "billing.Wallet": READ,
    "catalog.CatalogChange": READ,
    "catalog.Category": ALL,
    "catalog.CustomerGroup": ALL,
    "catalog.CustomerPrice": ALL,
    "catalog.GroupMember": ALL,
    "catalog.PriceChange": READ,
    "catalog.PricePolicy": EDIT,
    "catalog.Provider": "view change add",
    "catalog.ProviderWord": READ,
    "catalog.Service": EDIT,
    "catalog.SyncRun": READ,
    "catalog.TypeWord": READ,
    "channels.Channel": ALL,
    "channels.Delivery": READ,
    "levels.LevelMove": READ,
    "mfa.Authenticator": READ,
    "ops.Alert": READ,
    "ops.ErrorReport": READ,
    "orders.DripFeed": READ,
    "orders.LateOrders": READ,
    "orders.MoneyDay": READ,
    "orders.Order": READ,
    "orders.CancelRequest": READ,
    "orders.OrderInReview": READ,
    "orders.Refill": READ,
    "orders.Orphan": READ,
    "orders.SendingStop": READ,
    "staff.SecondLook": READ,
    "staff.StaffDeed": READ,
    "staff.StaffLimit": READ,
}

# Pages of one model beside these, by the name of the route; actions on one object among them.
ADMIN_PAGES: dict[str, str | tuple[str, str]] = {
    "accounts_user_open_wallet": "billing.view_wallet",
    "accounts_user_open_api_keys": "accounts.view_apikey",
    "accounts_user_send_password_link": "accounts.change_user",
    "accounts_user_block": "accounts.change_user",
    "accounts_user_unblock": "accounts.change_user",
    "accounts_user_change_address": "accounts.change_user accounts.change_address",
    "accounts_user_invite_again": "accounts.change_user accounts.add_user",
    "accounts_user_withdraw_invitation": "accounts.change_user accounts.add_user",
    "accounts_apikey_open_orders": "orders.view_order",
    "accounts_apikey_revoke": "accounts.change_apikey",
    "activity_act_export": "activity.view_act",
    "billing_bankline_changelist": "billing.view_payment",
    "billing_bankline_change": ("billing.view_payment", NOBODY),
    "billing_bankline_history": "billing.view_payment",
    "billing_bankline_match": ("billing.view_payment", "billing.view_payment"),
    "billing_bankline_upload": (NOBODY, "billing.decide_deposit"),
    "billing_bankline_approve_sure": "billing.decide_deposit",
    "billing_bankline_approve": "billing.decide_deposit",
    "billing_bankline_dismiss": "billing.decide_deposit",
    "billing_bankline_reopen": "billing.decide_deposit",
    "billing_comparedday_changelist": "billing.view_payment",
    "billing_comparedday_change": "billing.view_payment",
    "billing_comparedday_compare": (NOBODY, "billing.view_payment"),
    "billing_comparedday_ask": (NOBODY, "billing.decide_deposit"),
    "billing_deposit_approve": "billing.decide_deposit",
    "billing_deposit_refuse": "billing.decide_deposit",
    "billing_deposit_decide_next": "billing.decide_deposit",
    "billing_payment_credit": "billing.decide_deposit",
    "billing_payment_export": "billing.view_payment",
    "billing_payment_money_in": "billing.view_payment",
    "billing_payment_money_in_export": "billing.view_payment",
    "billing_payment_dismiss": "billing.decide_deposit",
    "billing_invoice_ask_now": "billing.decide_deposit",
    "billing_paymentmethod_gateway": "billing.change_paymentmethod",
    "billing_reversal_settle": "billing.decide_deposit",
    "billing_reversal_release": "billing.decide_deposit",
    "billing_paymentmethod_signed_calls": "billing.change_paymentmethod",
    "billing_wallet_of_customer": "billing.view_wallet",
    "billing_wallet_move_money": "billing.add_entry",
    "catalog_catalogchange_accept": "catalog.change_catalogchange",
    "catalog_catalogchange_accept_on_sale": "catalog.change_catalogchange catalog.change_service",
    "catalog_catalogchange_refills": (
        "catalog.view_catalogchange",
        "catalog.change_service catalog.change_pricechange",
    ),
    "catalog_customergroup_add_member": "catalog.add_groupmember",
    "catalog_customergroup_change_discount": "catalog.change_customergroup",
    "catalog_customergroup_set_levels": "levels.change_levels",
    "catalog_pricechange_preview": "catalog.change_pricechange",
    "catalog_pricechange_undo": "catalog.change_pricechange",
    "catalog_provider_confirm_rate": "catalog.change_floor",
    "catalog_provider_import_now": "catalog.change_syncrun",
    "catalog_provider_resume": "catalog.change_provider",
    "catalog_provider_stop_sending": "catalog.view_provider orders.add_sendingstop",
    "catalog_provider_test_connection": "catalog.change_provider",
    "catalog_provider_test_dialect": "catalog.connect_provider",
    "catalog_providerword_export_words": "catalog.change_providerword",
    "catalog_providerword_import_words": "catalog.change_providerword",
    "catalog_service_bulk": (NOBODY, "catalog.change_service"),
    "catalog_service_export": ("catalog.change_service", NOBODY),
    "catalog_service_import": "catalog.change_service",
    "catalog_syncrun_again": (NOBODY, "catalog.change_syncrun"),
    "catalog_syncrun_progress": "catalog.view_syncrun",
    "channels_channel_link_chat": "channels.change_channel",
    "channels_channel_new_secret": "channels.change_channel",
    "channels_channel_send_test": "channels.change_channel",
    "channels_delivery_send_again": "channels.change_delivery",
    "levels_levelmove_set_levels": "levels.change_levels",
    "ops_alert_resolve_one": "ops.change_alert",
    "ops_alert_trust_clock": "catalog.connect_provider",
    "orders_dripfeed_stop": "orders.change_dripfeed",
    "orders_moneyday_export": "orders.view_profit",
    "orders_order_ask_selected": (NOBODY, "orders.change_order"),
    "orders_order_cancel_one": "orders.change_order",
    "orders_order_cancel_selected": (NOBODY, "orders.change_order"),
    "orders_order_ask": (NOBODY, "orders.change_order"),
    "orders_order_correct": "orders.change_order",
    "orders_order_decide": ("orders.view_order", "orders.change_order"),
    "orders_order_dismiss": "orders.change_order",
    "orders_order_end": "orders.change_order",
    "orders_order_give_back": "orders.change_order",
    "orders_order_suggest_services": "orders.view_order",
    "orders_order_sums": "orders.view_order",
    "orders_order_save_view": (NOBODY, "orders.view_order"),
    "orders_order_change_view": (NOBODY, "orders.view_order"),
    "orders_order_columns": (NOBODY, "orders.view_order"),
    "orders_order_profit": "orders.view_order orders.view_profit",
    "orders_cancelrequest_push_selected": (NOBODY, "orders.change_order"),
    "orders_refill_push_selected": (NOBODY, "orders.change_order"),
    "orders_order_close_selected": (NOBODY, "orders.change_order"),
    "orders_order_offer_selected": (NOBODY, "orders.change_order"),
    "orders_order_refill_one": "orders.change_order",
    "orders_order_refill_selected": (NOBODY, "orders.change_order"),
    "orders_order_send_again_selected": (NOBODY, "orders.change_order"),
    "orders_order_start_count": "orders.change_order",
    "orders_orderinreview_cancel_selected": (NOBODY, "orders.change_order"),
    "orders_orderinreview_send_again_selected": (NOBODY, "orders.change_order"),
    "orders_orderinreview_profit": "orders.view_order orders.view_profit",
    "orders_orphan_adopt": "catalog.connect_provider",
    "orders_orphan_write_off": "catalog.connect_provider",
    "orders_sendingstop_resume": "orders.change_sendingstop",
    "staff_secondlook_confirm": "staff.change_secondlook",
    "staff_secondlook_decline": "staff.change_secondlook",
    "staff_staffdeed_export": "staff.view_staffdeed",
    "orders_sendingstop_stop_panel": "orders.add_sendingstop",
    # Pages of a model whose rights are not Django's.
    "catalog_provider_add": "catalog.add_provider catalog.connect_provider",
    "catalog_providerword_change": ("catalog.view_providerword", "catalog.change_providerword"),
    "catalog_typeword_changelist": (
        "catalog.view_typeword",
        "catalog.change_typeword catalog.change_pricechange catalog.change_service",
    ),
    # A POST needs a provider in the address: tests/orders/admin/test_reckoning.py.
    "orders_moneyday_changelist": ("orders.view_profit", NOBODY),
    "orders_lateorders_changelist": ("orders.view_order", NOBODY),
    # They look alike by GET and POST.
    "catalog_syncrun_change": "catalog.view_syncrun",
    "catalog_typeword_change": STAFF,
    "orders_cancelrequest_change": "orders.view_order",
    "orders_orderinreview_change": "orders.view_order",
    "orders_refill_change": "orders.view_order",
}

# Values in the address of a page of the admin that are no key of its object.
ADMIN_ARGUMENTS = {"catalog_service_bulk": {"what": "move"}}

# Actions of lists, by model and name. Nobody may delete what is selected where no row says so.
LIST_ACTIONS = {
    "billing.PaymentMethod delete_selected": "billing.delete_paymentmethod",
    "channels.Channel delete_selected": "channels.delete_channel",
    "catalog.CustomerGroup delete_selected": "catalog.delete_customergroup",
    "catalog.CustomerPrice delete_selected": "catalog.delete_customerprice",
    "catalog.GroupMember delete_selected": "catalog.delete_groupmember",
    "catalog.GroupMember keep_in_group": "catalog.change_groupmember",
    "catalog.GroupMember let_levels_move": "levels.change_levels",
    "catalog.CatalogChange accept_selected": "catalog.change_catalogchange",
    "catalog.CatalogChange accept_selected_on_sale": "catalog.change_catalogchange catalog.change_service",
    "catalog.Category arrange_by_name": "catalog.change_category",
    "catalog.Category arrange_by_price": "catalog.change_category",
    "catalog.Provider import_services": "catalog.change_syncrun",
    **dict.fromkeys(
        (
            f"catalog.Service {name}"
            for name in (
                *("put_on_sale", "take_off_sale", "move", "set_margin", "inherit_margin", "export_selected"),
                *("set_link_kind", "let_links_wait", "let_links_run"),
            )
        ),
        "catalog.change_service",
    ),
    "ops.Alert resolve": "ops.change_alert",
    "orders.CancelRequest push_many": "orders.change_order",
    "orders.Refill push_many": "orders.change_order",
    "orders.Order ask_many": "orders.change_order",
    "orders.Order cancel_many": "orders.change_order",
    "orders.Order close_many": "orders.change_order",
    "orders.Order export_many": "orders.view_order",
    "orders.Order offer_many": "orders.change_order",
    "orders.Order refill_many": "orders.change_order",
    "orders.Order send_again_many": "orders.change_order",
    "orders.OrderInReview cancel_many": "orders.change_order",
    "orders.OrderInReview send_again_many": "orders.change_order",
}
