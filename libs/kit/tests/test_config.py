"""`brobyg config` shows every setting, and no secret."""

import pytest
from brobyg_kit.cli import _rows
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ThingSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BROBYG_")
    thing_number: int = Field(7, description="How many.")
    thing_key: SecretStr = Field(SecretStr(""), description="The key.")
    thing_old_keys: tuple[SecretStr, ...] = Field((), description="The keys before it.")


def test_each_setting_is_shown_with_its_default_and_its_use() -> None:
    assert _rows(ThingSettings) == {
        "BROBYG_THING_NUMBER": ("7", "How many."),
        "BROBYG_THING_KEY": ("", "The key."),
        "BROBYG_THING_OLD_KEYS": ("()", "The keys before it."),
    }


@pytest.mark.parametrize("number", ["9", "nine"], ids=["all right", "another setting is wrong"])
def test_no_secret_is_shown_also_when_another_setting_is_wrong(
    number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROBYG_THING_NUMBER", number)
    monkeypatch.setenv("BROBYG_THING_KEY", "s3cret-one")
    monkeypatch.setenv("BROBYG_THING_OLD_KEYS", '["s3cret-two"]')
    shown = _rows(ThingSettings)
    assert "s3cret" not in str(shown)
    assert "**********" in shown["BROBYG_THING_OLD_KEYS"][0]
