"""Words for types in other spellings, and what they are not read as."""

from __future__ import annotations

import pytest

from catalog.service_types import NEAR_SPELLINGS, NOT_SOLD, SPECS, _letters, is_sellable, known_type, type_of

# As providers write them.
SPELLINGS = [
    ("Default", "default"),
    ("DEFAULT", "default"),
    ("default", "default"),
    ("Package", "package"),
    ("Packages", "package"),
    ("Custom Comment", "custom_comments"),
    ("custom comments", "custom_comments"),
    ("CUSTOM COMMENTS", "custom_comments"),
    ("Custom-Comments", "custom_comments"),
    ("custom_comments", "custom_comments"),
    ("CustomComments", "custom_comments"),
    ("Custom Comments Package", "custom_comments_package"),
    ("custom_comment_package", "custom_comments_package"),
    ("Mention", "mentions"),
    ("Mentions", "mentions"),
    ("Mentions with Hashtags", "mentions_with_hashtags"),
    ("Mentions With Hashtag", "mentions_with_hashtags"),
    ("Mentions Hashtag", "mentions_hashtag"),
    ("mention_hashtag", "mentions_hashtag"),
    ("Mentions Custom List", "mentions_custom_list"),
    ("mention-custom-list", "mentions_custom_list"),
    ("Mentions User Followers", "mentions_user_followers"),
    ("Mention User Follower", "mentions_user_followers"),
    ("Mentions Media Likers", "mentions_media_likers"),
    ("mentions_media_liker", "mentions_media_likers"),
    ("Comment Likes", "comment_likes"),
    ("Comment Like", "comment_likes"),
    ("Comments Likes", "comment_likes"),
    ("Comment Replies", "comment_replies"),
    ("Comment Reply", "comment_replies"),
    ("Comments Reply", "comment_replies"),
    ("Custom Replies", "comment_replies"),
    ("custom-reply", "comment_replies"),
    ("Custom Comment Replies", "comment_replies"),
    ("Poll", "poll"),
    ("Poll Votes", "poll"),
    ("poll_vote", "poll"),
    ("Invites from Groups", "invites_from_groups"),
    ("Invite from Groups", "invites_from_groups"),
    ("Invites", "invites_from_groups"),
    ("seo", "seo"),
    ("Web Traffic", "web_traffic"),
    ("WebTraffic", "web_traffic"),
    ("Website Traffic", "web_traffic"),
    ("Subscription", "subscriptions"),
    ("Subscriptions", "subscriptions"),
]
# They say too little, or two things: a guess would decide how a price is counted.
UNKNOWN = [
    "",
    "likes",
    "normal",
    "standard",
    "Mentions Hashtags",
    "paket",
    "comments",
    "replies",
    "drip feed",
    "👍",
    "٪",
]


@pytest.mark.parametrize(("word", "expected"), SPELLINGS)
def test_known_type_when_spelled_as_providers_do_then_ours(word, expected):
    assert known_type(word) == expected


@pytest.mark.parametrize("word", UNKNOWN)
def test_known_type_when_unclear_then_none_and_not_sold(word):
    assert known_type(word) == ""
    assert type_of(word, {}) == word
    assert not is_sellable(type_of(word, {}))


def test_near_spellings_when_compared_then_each_has_one_type():
    words = [_letters(word) for known in (*SPECS, *NOT_SOLD) for word in (known, *NEAR_SPELLINGS.get(known, ()))]
    assert len(words) == len(set(words))
    assert set(NEAR_SPELLINGS) <= {*SPECS, *NOT_SOLD}


def test_type_of_when_taught_then_the_owner_is_believed():
    assert type_of("likes", {"likes": "default"}) == "default"
    assert type_of("", {"": "package"}) == "package"
    assert type_of("custom_comment", {"likes": "default"}) == "custom_comments"
