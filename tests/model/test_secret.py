import json

from pydantic import BaseModel

from headwater.model.secret import MASK, Secret


class Model(BaseModel):
    token: Secret


def test_only_reveal_shows_it() -> None:
    """Not printing, formatting, nor what holds it (P8)."""
    secret = Secret("4711")
    assert secret.reveal() == "4711"
    for shown in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!s:>20}",
        repr([secret]),
        repr({"a": secret}),
    ):
        assert "4711" not in shown


def test_it_compares_and_hashes_by_value() -> None:
    """And is false when it is empty."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a")
    assert not Secret("")
    assert str(Secret("")) == ""


def test_pydantic_takes_a_string_and_gives_a_mask() -> None:
    """In Python and in JSON."""
    for model in (Model(token=Secret("4711")), Model.model_validate({"token": "4711"})):
        assert model.token.reveal() == "4711"
        assert "4711" not in repr(model) + model.model_dump_json()
    assert json.loads(Model.model_validate_json('{"token": "4711"}').model_dump_json()) == {"token": MASK}
    assert Model.model_json_schema()["properties"]["token"]["format"] == "password"
