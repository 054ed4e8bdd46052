"""Providers made of documents pass the suite that every provider must pass."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headwater.providers import rest
from headwater.testing.provider_suite import ProviderSuite, Recording
from headwater.testing.recorded_api import Recorded

KINTO = Path(__file__).parents[2] / "examples" / "kinto" / "kinto.yaml"


def article(number: int) -> dict[str, Any]:
    return {
        "title": f"No. {number}",
        "id": f"b4069fff-4e1c-46f3-84b0-{number:012}",
        "last_modified": 1795510779936 + number,
    }


class TestKinto(ProviderSuite):
    """Answers of Kinto 26.5.0, recorded on 2026-11-24, five articles in pages of two."""

    @pytest.fixture
    def recording(self) -> Recording:
        text = KINTO.read_text().replace("count: 1000", "count: 2")
        base = "http://kinto.test:8888/v1"
        path = "/buckets/blog/collections/articles/records"
        first = f"{path}?_limit=2&_sort=last_modified"
        tokens = (quote(token, safe="") for token in ("eyJsYXN0Xz0=", "eyJvZmZzIn0="))
        addresses = [first, *(f"{first}&_token={token}" for token in tokens)]
        answers: dict[str, Recorded] = {}
        for number, address in enumerate(addresses):
            data = [article(each) for each in range(5)][number * 2 : number * 2 + 2]
            following = {"Next-Page": base + addresses[number + 1]} if number < 2 else {}
            answers["/v1" + address] = Recorded(
                body=json.dumps({"data": data}, separators=(",", ":")).encode(),
                headers={"Content-Type": "application/json", "Etag": '"1795510779940"', **following},
            )
        return Recording(
            provider=rest.provider(rest.parse(text)).configured({"base_url": base}),
            answers=answers,
            empty=Recorded(body=b'{"data":[]}', headers={"Content-Type": "application/json"}),
        )


NOTES = """
name: notes
base_url: https://notes.test
auth: {kind: query, name: key}
collections:
  note:
    path: /notes
    items: page.notes
    paging: {kind: offset, send: skip, size: {send: take, count: 2}, done: page.last}
"""


class TestOffsets(ProviderSuite):
    """A made-up API: offsets, and a flag that says where the end is."""

    @pytest.fixture
    def recording(self) -> Recording:
        def page(*ids: int, last: bool) -> Recorded:
            notes = [{"id": id} for id in ids]
            return Recorded(body=json.dumps({"page": {"notes": notes, "last": last}}).encode())

        key = "key=a-secret-that-must-not-be-seen"
        return Recording(
            provider=rest.provider(rest.parse(NOTES)),
            answers={
                f"/notes?take=2&skip=0&{key}": page(1, 2, last=False),
                f"/notes?take=2&skip=2&{key}": page(3, 4, last=False),
                f"/notes?take=2&skip=4&{key}": page(5, last=True),
            },
            empty=page(last=True),
        )
