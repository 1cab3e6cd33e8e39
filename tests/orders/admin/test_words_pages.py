"""Staff pages of providers' words: only the owner teaches, sees first what it does, and takes words elsewhere."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile

from catalog.models import Meaning, ProviderWord
from panel.accounts.roles import MANAGER, set_up_roles
from panel.sandbox.http import faults
from tests import make
from tests.scenes import fresh, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LIST = "/admin/catalog/providerword/"


@pytest.fixture
def orders(upstream, customer, service):
    upstream.inject(faults.reply(body=b'{"error": "Blarg <b>7</b>"}', action="add", times=9))
    made = [make.order(customer, service, link=f"https://example.com/{n}") for n in range(2)]
    submit_now()
    return made


@pytest.fixture
def word(orders):
    return ProviderWord.objects.get()


@pytest.fixture
def owner(client):
    user = make.owner("boss@example.org")
    client.force_login(user)
    return user


def page_of(word):
    return f"{LIST}{word.pk}/change/"


def test_page_when_orders_wait_then_shows_their_sum(client, owner, word):
    page = client.get(page_of(word)).content.decode()
    assert "2 for" in page and "$0.50" in page
    assert "2 orders for $0.50 are canceled and refunded, for good." in page
    assert "Blarg &lt;b&gt;7&lt;/b&gt;" in page and "<b>7</b>" not in page


def test_word_when_taught_on_the_page_then_orders_follow(client, owner, word, orders):
    data = {"choice": "refused", "decide": "on", "seen": f"{word.meaning}:{word.taught_at}"}
    response = client.post(page_of(word), data, follow=True)
    assert "Refunded: 2, $0.50 in all." in response.content.decode()
    word.refresh_from_db()
    assert (word.meaning, word.taught_by) == (Meaning.REFUSED, owner)
    assert [fresh(order).submission for order in orders] == ["refused"] * 2
    again = client.post(page_of(word), data, follow=True)
    assert "It changed since you opened this page" in again.content.decode()


def test_word_when_taught_without_deciding_then_orders_stay(client, owner, word, orders):
    client.post(page_of(word), {"choice": "refused", "seen": ":None"})
    word.refresh_from_db()
    assert word.meaning == Meaning.REFUSED
    assert [fresh(order).submission for order in orders] == ["queued"] * 2


def test_word_when_forgotten_then_unknown_again(client, owner, word):
    client.post(page_of(word), {"choice": "refused", "seen": ":None"})
    word.refresh_from_db()
    client.post(page_of(word), {"choice": "forget", "seen": f"{word.meaning}:{word.taught_at}"})
    word.refresh_from_db()
    assert word.is_unknown


@pytest.mark.parametrize("role", [MANAGER, None])
def test_page_when_not_the_owner_then_refused(client, word, role):
    set_up_roles()
    user = make.customer("helper@example.org")
    user.is_staff = True
    user.save()
    if role:
        user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    assert client.get(page_of(word)).status_code == 403
    assert client.post(page_of(word), {"choice": "refused", "seen": ":None"}).status_code == 403
    assert client.get(f"{LIST}export_words/").status_code == 403
    word.refresh_from_db()
    assert word.meaning == ""


def test_words_when_exported_and_imported_then_they_are_proposals(client, owner, word):
    client.post(page_of(word), {"choice": "try_later", "seen": ":None"})
    content = client.get(f"{LIST}export_words/").content
    assert json.loads(content)["words"] == [{"about": "add", "text": word.text, "meaning": "try_later"}]
    other = make.provider(name="Other", url="http://127.0.0.1:9/api/v2")
    file = SimpleUploadedFile("words.json", content)
    client.post(f"{LIST}import_words/", {"provider": other.pk, "file": file})
    proposed = ProviderWord.objects.get(provider=other)
    assert (proposed.proposed, proposed.meaning, proposed.seen) == ("try_later", "", 0)
    page = client.get(LIST).content.decode()
    assert "Try again later? (proposed)" in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "no file of words"),
        (b'{"format": "upmark words 1", "words": [7]}', "Word 1 is no object"),
        (b'{"format": "upmark words 1", "words": [{"about": "x"}]}', "Word 1 is about"),
        (
            b'{"format": "upmark words 1", "words": [{"about": "add", "text": "a", "meaning": "completed"}]}',
            "Word 1 has the meaning",
        ),
    ],
)
def test_file_when_bad_then_told_at_the_field(client, owner, provider, content, told):
    file = SimpleUploadedFile("words.json", content)
    page = client.post(f"{LIST}import_words/", {"provider": provider.pk, "file": file}).content.decode()
    assert told in page
    assert not ProviderWord.objects.exists()
