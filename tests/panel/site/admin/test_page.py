"""The page "Settings": what is shown, saved, refused and undone, and for whom."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT, set_up_roles
from panel.site import groups
from panel.site.groups import GROUPS
from panel.site.groups import Group as SettingGroup
from panel.site.kinds import Secret
from panel.site.models import SettingChange, SiteFile, StoredSetting
from panel.site.services import Wanted, change_settings
from tests import make

pytestmark = pytest.mark.django_db
PAGE = "/admin/settings/"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def texts():
    return {row.name: row.value for row in StoredSetting.objects.exclude(value=None)}


def client_with(role):
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def fields_of(client, slug):
    """What a browser would send if nothing were changed."""
    html = client.get(PAGE).content.decode()
    section = html.partition(f'id="{slug}"')[2].partition("</section>")[0]
    fields = {
        name: unescape(value)
        for name, value in re.findall(r'<input[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"', section)
    }
    for name, options in re.findall(r'<select[^>]*? name="([^"]+)"[^>]*>(.*?)</select>', section, re.S):
        fields[name] = re.search(r'value="([^"]*)" selected', options)[1]
    return {name: value for name, value in fields.items() if not name.startswith("csrf")}


def save(client, slug, **changed):
    return client.post(PAGE, {**fields_of(client, slug), **changed}, follow=True)


def told(response):
    return [str(message) for message in response.context["messages"]]


def errors_of(response):
    return {
        field.setting.name: field.error for form in response.context["forms"] for field in form.fields if field.error
    }


@pytest.mark.parametrize("group", [one.slug for one in GROUPS])
def test_save_when_nothing_was_touched_then_nothing_is_stored(staff_client, group):
    response = save(staff_client, group)
    assert told(response)[0].startswith("Nothing was different")
    assert texts() == {} and not SettingChange.objects.exists()


def test_words_when_saved_then_one_meaning_a_line_and_a_bad_line_is_kept(staff_client):
    typed = "takipçi, abone = followers\r\nbeğeni = likes\r\n"
    save(staff_client, "shop", SEARCH_WORDS=typed)
    assert texts() == {"SEARCH_WORDS": "takipçi = abone = followers\nbeğeni = likes"}
    shown = re.search(
        r'name="SEARCH_WORDS" rows[^>]*>\n(.*?)</textarea>', staff_client.get(PAGE).content.decode(), re.S
    )[1]
    assert shown == "takipçi = abone = followers\nbeğeni = likes"
    refused = save(staff_client, "shop", SEARCH_WORDS="alone")
    assert "at least two words" in errors_of(refused)["SEARCH_WORDS"]
    assert ">\nalone</textarea>" in refused.content.decode()


def test_save_when_good_then_stored_shown_and_in_the_history(staff_client):
    response = save(staff_client, "brand", PANEL_NAME="Harbour <Social>", PANEL_ACCENT="#0F766E")
    assert response.redirect_chain == [(f"{PAGE}#brand", 302)]
    assert texts() == {"PANEL_NAME": "Harbour <Social>", "PANEL_ACCENT": "#0f766e"}
    assert told(response) == ["Saved: Name, Accent. Every process follows within a second."]
    page = response.content.decode()
    assert "Harbour &lt;Social&gt;" in page and "<Social>" not in page
    assert fields_of(staff_client, "brand")["PANEL_NAME"] == "Harbour <Social>"


def test_save_when_a_field_is_bad_then_error_there_and_input_kept(staff_client):
    response = save(staff_client, "orders", QUEUE_LIMIT_HOURS="soon", DOUBT_DEADLINE_MINUTES="45")
    assert errors_of(response) == {"QUEUE_LIMIT_HOURS": "Enter a whole number."}
    page = response.content.decode()
    assert re.search(r'name="QUEUE_LIMIT_HOURS" value="soon"[^>]*aria-invalid="true"', page)
    assert 'name="DOUBT_DEADLINE_MINUTES" value="45"' in page
    assert 'aria-describedby="help-QUEUE_LIMIT_HOURS error-QUEUE_LIMIT_HOURS"' in page
    assert texts() == {}


def test_save_when_times_cannot_work_together_then_told_at_the_field(staff_client):
    response = save(staff_client, "orders", UPSTREAM_ADD_TIMEOUT="100")
    assert list(errors_of(response)) == ["UPSTREAM_ADD_TIMEOUT"]


def test_save_when_the_default_is_entered_then_nothing_is_kept(staff_client):
    save(staff_client, "orders", QUEUE_LIMIT_HOURS="30")
    save(staff_client, "orders", QUEUE_LIMIT_HOURS="24")
    assert texts() == {}
    assert StoredSetting.objects.get(name="QUEUE_LIMIT_HOURS").version == 2


def test_save_when_another_editor_changed_the_field_then_refused(staff_client, staff):
    sent = fields_of(staff_client, "orders")
    save(staff_client, "orders", QUEUE_LIMIT_HOURS="30")
    response = staff_client.post(PAGE, {**sent, "QUEUE_LIMIT_HOURS": "48"})
    assert "Now it is: 30 hours." in errors_of(response)["QUEUE_LIMIT_HOURS"]
    assert texts() == {"QUEUE_LIMIT_HOURS": "30"}


def test_save_when_another_field_changed_meanwhile_then_both_kept(staff_client):
    sent = fields_of(staff_client, "orders")
    save(staff_client, "orders", QUEUE_LIMIT_HOURS="30")
    staff_client.post(PAGE, {**sent, "DOUBT_DEADLINE_MINUTES": "45"})
    assert texts() == {"QUEUE_LIMIT_HOURS": "30", "DOUBT_DEADLINE_MINUTES": "45"}


def test_save_when_the_form_says_no_version_then_refused(staff_client):
    response = staff_client.post(PAGE, {"group": "brand", "PANEL_NAME": "Mine", "seen-PANEL_NAME": "٣"})
    assert "meanwhile" in errors_of(response)["PANEL_NAME"]


def test_locked_field_when_shown_then_read_only_and_post_rejected(staff_client, settings):
    settings.PANEL_NAME = "From the environment"
    page = staff_client.get(PAGE).content.decode()
    assert "The environment sets PANEL_NAME. Change it there and restart." in page
    assert re.search(r'id="PANEL_NAME" value="From the environment" readonly', page) and 'name="PANEL_NAME"' not in page
    sent = {"group": "brand", "PANEL_NAME": "Mine", "seen-PANEL_NAME": "0"}
    assert "environment sets" in errors_of(staff_client.post(PAGE, sent))["PANEL_NAME"]
    assert texts() == {}


def test_locked_file_when_posted_then_refused(staff_client, settings):
    settings.PANEL_LOGO_URL = "/static/mine.svg"
    sent = {"group": "brand", "seen-PANEL_LOGO": "0", "PANEL_LOGO": SimpleUploadedFile("x.png", PNG)}
    assert "PANEL_LOGO_URL" in errors_of(staff_client.post(PAGE, sent))["PANEL_LOGO"]
    assert texts() == {} and not SiteFile.objects.exists()


def test_logo_when_uploaded_then_shown_removed_and_restored(staff_client):
    save(staff_client, "brand", PANEL_LOGO=SimpleUploadedFile("../my logo.bmp", PNG, "image/bmp"))
    [file] = SiteFile.objects.all()
    assert (file.name, file.content_type, bytes(file.content)) == ("my logo.bmp", "image/png", PNG)
    page = staff_client.get(PAGE).content.decode()
    assert "my logo.bmp, 1 KB" in page and texts() == {"PANEL_LOGO": file.digest}
    save(staff_client, "brand", **{"remove-PANEL_LOGO": "on"})
    assert texts() == {}
    last = SettingChange.objects.first()
    staff_client.post(reverse("settings_undo", args=[last.pk]))
    assert texts() == {"PANEL_LOGO": file.digest}


def test_favicon_when_of_another_kind_then_told_at_the_field(staff_client):
    response = save(
        staff_client, "brand", PANEL_FAVICON=SimpleUploadedFile("favicon.png", b"BM" + bytes(60), "image/png")
    )
    assert errors_of(response) == {"PANEL_FAVICON": "This is not a picture that is known. Choose SVG, PNG or ICO."}


def test_undo_when_latest_change_then_reverted_and_button_moves_on(staff_client, staff):
    change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Harbour", 0)})
    [change] = change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Haven", 1)})
    page = staff_client.get(PAGE).content.decode()
    assert page.count("/admin/settings/undo/") == 1 and reverse("settings_undo", args=[change.pk]) in page
    first = SettingChange.objects.last()
    answer = staff_client.post(reverse("settings_undo", args=[first.pk]), follow=True)
    assert "Name was not changed. Somebody changed this meanwhile. Now it is: Haven." in told(answer)[0]
    staff_client.post(reverse("settings_undo", args=[change.pk]))
    assert texts() == {"PANEL_NAME": "Harbour"}
    assert staff_client.get(reverse("settings_undo", args=[change.pk])).status_code == 405


def test_history_when_long_then_in_pages(staff_client, staff):
    for version in range(60):
        change_settings(actor=staff, wanted={"PANEL_NAME": Wanted(f"Name {version}", version)})
    assert 'href="/admin/settings/history/">All 60<' in staff_client.get(PAGE).content.decode()
    first = staff_client.get(reverse("settings_history"))
    assert len(first.context["changes"]) == 50
    rest = staff_client.get(reverse("settings_history"), {"before": first.context["older"]})
    assert [line.new for line in rest.context["changes"]][-1] == "Name 0" and len(rest.context["changes"]) == 10
    assert rest.context["older"] is None
    assert staff_client.get(reverse("settings_history"), {"before": "x"}).status_code == 200


def test_look_when_asked_then_shades_and_figures(staff_client):
    look = staff_client.get(reverse("settings_look"), {"colour": "#ffe08a"}).json()
    assert (look["on_accent"], look["dark"]) == ("#000000", "#ffe08a")
    assert look["facts"][1] == {
        "is_good": False,
        "text": "1.3 : 1 as text on light pages: there it is darkened to #70633d",
    }
    assert "error" in staff_client.get(reverse("settings_look"), {"colour": "red;}"}).json()


def test_secret_when_stored_then_the_page_never_has_it(staff_client, staff, monkeypatch):
    secret = Secret("GATEWAY_KEY", "Gateway key", default="", help="Of the gateway.")
    monkeypatch.setitem(groups.SETTINGS, secret.name, secret)
    group = SettingGroup("payments", "Payments", (secret,))
    for place in ("panel.site.admin.fields.GROUPS", "panel.site.admin.page.GROUPS"):
        monkeypatch.setattr(place, (group,))
    save(staff_client, "payments", GATEWAY_KEY="sk-live-1")
    assert secret.from_stored(texts()["GATEWAY_KEY"]) == "sk-live-1"
    page = staff_client.get(PAGE).content.decode()
    assert "Set since" in page and "sk-live-1" not in page and texts()["GATEWAY_KEY"] not in page
    save(staff_client, "payments", GATEWAY_KEY="")
    assert StoredSetting.objects.get(name="GATEWAY_KEY").version == 1
    save(staff_client, "payments", **{"remove-GATEWAY_KEY": "on"})
    assert texts() == {}


def test_environment_when_listed_then_no_secret_is_in_it(staff_client, settings):
    settings.METRICS_TOKEN = "token-of-the-metrics"
    page = staff_client.get(PAGE).content.decode()
    assert "METRICS_TOKEN" in page
    for secret in (settings.METRICS_TOKEN, settings.SECRET_KEY, *settings.FIELD_ENCRYPTION_KEYS):
        assert secret not in page


# -- who ---------------------------------------------------------------------------------------------


def test_page_when_owner_then_everything_may_be_changed():
    client = client_with(OWNER)
    assert 'name="UPSTREAM_ADD_TIMEOUT"' in client.get(PAGE).content.decode()
    save(client, "orders", UPSTREAM_ADD_TIMEOUT="70")
    assert texts() == {"UPSTREAM_ADD_TIMEOUT": "70"}


def test_page_when_manager_then_what_touches_money_is_read_only():
    client = client_with(MANAGER)
    page = client.get(PAGE).content.decode()
    assert 'name="DOUBT_DEADLINE_MINUTES"' in page and 'name="UPSTREAM_ADD_TIMEOUT"' not in page
    assert re.search(r'id="UPSTREAM_ADD_TIMEOUT" value="60" readonly', page)
    sent = {"UPSTREAM_ADD_TIMEOUT": "70", "seen-UPSTREAM_ADD_TIMEOUT": "0", "DOUBT_DEADLINE_MINUTES": "45"}
    save(client, "orders", **sent)
    assert texts() == {"DOUBT_DEADLINE_MINUTES": "45"}


def test_undo_when_manager_and_it_touches_money_then_denied(staff):
    [change] = change_settings(actor=staff, wanted={"UPSTREAM_ADD_TIMEOUT": Wanted("70", 0)})
    client = client_with(MANAGER)
    assert "/admin/settings/undo/" not in client.get(PAGE).content.decode()
    assert client.post(reverse("settings_undo", args=[change.pk])).status_code == 403
    assert texts() == {"UPSTREAM_ADD_TIMEOUT": "70"}


def test_pages_when_support_customer_or_visitor_then_none(signed_in, staff):
    [change] = change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Harbour", 0)})
    support = client_with(SUPPORT)
    assert "Settings</span>" not in support.get("/admin/").content.decode()
    pages = [PAGE, reverse("settings_history"), reverse("settings_look"), reverse("settings_undo", args=[change.pk])]
    for address in pages:
        answers = [
            client.post(address) if "undo" in address else client.get(address)
            for client in (support, signed_in, Client())
        ]
        assert [one.status_code for one in answers] == [403, 302, 302], address
    assert support.post(PAGE, {"group": "brand", "PANEL_NAME": "Mine", "seen-PANEL_NAME": "1"}).status_code == 403
    assert texts() == {"PANEL_NAME": "Harbour"}


def test_page_when_the_group_is_unknown_then_denied(staff_client):
    assert staff_client.post(PAGE, {"group": "none"}).status_code == 403


def test_page_when_many_were_changed_then_as_many_queries(staff_client, staff):
    staff_client.get(PAGE)

    def count():
        with CaptureQueriesContext(connection) as queries:
            staff_client.get(PAGE)
        return len(queries)

    change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("One", 0)})
    before = count()
    change_settings(
        actor=staff, wanted={"QUEUE_LIMIT_HOURS": Wanted("3", 0), "SUPPORT_EMAIL": Wanted("a@b.example", 0)}
    )
    assert count() == before
